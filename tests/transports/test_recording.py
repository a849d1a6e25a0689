"""Recordings: given again as they came, without secrets, and loud where something else is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replicate_home import AsyncClient, Client, ModelError
from replicate_home.clock import FakeClock
from replicate_home.exceptions import CreateOutcomeUnknown, Disconnected, RequestTimeout, UnexpectedRequest
from replicate_home.testing import RecordingTransport, ReplayTransport, faults, recorded
from replicate_home.testing.fake import FakeReplicate
from replicate_home.transports.over_requests.transport import RequestsTransport
from replicate_home.wire import Request, Secret

TOKEN = "r8_" + "Zz9" * 12 + "Q"
TOKENS = [f"tök{number} " for number in range(200)]


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    with FakeReplicate() as fake:
        fake.on("owner/llm").streams(*TOKENS).takes(20)
        yield fake


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recording.jsonl"


def chunks_of(transport: Any, url: str) -> list[tuple[float, bytes]]:
    """The stream of a new prediction, chunk by chunk, with the time of each."""
    body = json.dumps({"version": "owner/llm", "input": {"prompt": "Hi"}}).encode()
    create = Request("POST", f"{url}/predictions", {"content-type": "application/json"}, body, Secret(TOKEN))
    stream = json.loads(transport.send(create, None)[0].body)["urls"]["stream"]
    _, opened = transport.send(Request("GET", stream, token=Secret(TOKEN), streams=True), None)
    began, chunks = transport.clock.now(), []
    while chunk := opened.read(None):
        chunks.append((round(transport.clock.now() - began, 3), chunk))
    opened.close()
    return chunks


def test_a_stream_of_200_tokens_is_replayed_chunk_by_chunk_and_holds_no_token(fake: FakeReplicate, file: Path) -> None:
    came = chunks_of(RecordingTransport(fake.transport, file), "https://fake.invalid/v1")
    assert len(came) == 200
    again = chunks_of(ReplayTransport(file), "https://fake.invalid/v1")
    assert [chunk for _, chunk in again] == [chunk for _, chunk in came]
    assert [moment for moment, _ in again] == pytest.approx([moment for moment, _ in came], abs=0.02)
    content = file.read_text()
    assert [word in content for word in (TOKEN, "r8_", "authorization", "cookie", "Bearer")] == [False] * 5


def test_a_recording_over_sockets_is_replayed_to_a_client(fake: FakeReplicate, file: Path) -> None:
    with fake.serve() as url:
        transport = recorded(file, inner=RequestsTransport())
        with Client(api_token=TOKEN, base_url=url, transport=transport) as client:
            came = client.stream("owner/llm", prompt="Hi").text()
        transport.close()
    assert TOKEN not in file.read_text()
    transport = recorded(file)
    assert isinstance(transport, ReplayTransport)
    with Client(transport=transport) as client:
        assert client.stream("owner/llm", prompt="Hi").text() == came == "".join(TOKENS)


def test_an_async_client_replays_without_threads(fake: FakeReplicate, file: Path) -> None:
    with Client(transport=RecordingTransport(fake.transport, file)) as client:
        client.stream("owner/llm", prompt="Hi").text()

    async def main() -> str:
        async with AsyncClient(transport=ReplayTransport(file)) as client:
            return await client.stream("owner/llm", prompt="Hi").text()

    assert asyncio.run(main()) == "".join(TOKENS)


def test_polls_may_be_more_than_were_recorded(fake: FakeReplicate, file: Path) -> None:
    fake.on("owner/slow").returns({"a": 1}).takes(30)
    client = Client(transport=RecordingTransport(fake.transport, file))
    assert client.run("owner/slow", prompt="Hi") == {"a": 1}
    replayed = Client(transport=ReplayTransport(file))
    assert replayed.run("owner/slow", prompt="Hi") == {"a": 1}
    assert replayed.predictions.get(fake.calls[0].prediction_id).wait().output == {"a": 1}


def test_failures_of_models_and_of_the_network_are_replayed(fake: FakeReplicate, file: Path) -> None:
    fake.on("owner/broken").fails("no")
    fake.on("owner/lost").returns(1).loses_answer()
    fake.faults.add("stream", faults.cut(events=3))

    def outcomes(client: Client) -> list[str]:
        with pytest.raises(ModelError, match="no"):
            client.run("owner/broken", prompt="Hi")
        with pytest.raises(CreateOutcomeUnknown) as caught:
            client.run("owner/lost", prompt="Hi")
        cause = caught.value.__cause__
        assert isinstance(cause, Disconnected)
        return [cause.phase, client.stream("owner/llm", prompt="Hi").text()]

    came = outcomes(Client(transport=RecordingTransport(fake.transport, file)))
    assert came == ["wait", "".join(TOKENS)]
    assert outcomes(Client(transport=ReplayTransport(file))) == came


def test_files_are_recorded_as_bytes_and_uploads_by_their_length(fake: FakeReplicate, file: Path) -> None:
    picture = bytes(range(256)) * 2000
    fake.on("owner/img").returns(picture)

    def run(transport: Any) -> bytes:
        with Client(transport=transport) as client:
            return client.run("owner/img", {"image": picture}, file_encoding_strategy="url").read()

    assert run(RecordingTransport(fake.transport, file)) == picture
    assert run(ReplayTransport(file)) == picture


def test_another_request_is_loud_and_shows_the_difference(fake: FakeReplicate, file: Path) -> None:
    fake.on("owner/x").returns(1)
    Client(transport=RecordingTransport(fake.transport, file)).run("owner/x", {"n": 1}, prompt="Hi")
    with pytest.raises(UnexpectedRequest) as caught:
        Client(transport=ReplayTransport(file)).run("owner/x", {"n": 2}, prompt="Hi")
    told = str(caught.value)
    assert f"{file} has no answer to POST /v1/predictions" in told
    assert '-    "n": 1,' in told
    assert '+    "n": 2,' in told


def test_a_create_that_is_asked_more_often_than_recorded_is_loud(fake: FakeReplicate, file: Path) -> None:
    fake.on("owner/x").returns(1)
    Client(transport=RecordingTransport(fake.transport, file)).run("owner/x", prompt="Hi")
    client = Client(transport=ReplayTransport(file))
    client.run("owner/x", prompt="Hi")
    with pytest.raises(UnexpectedRequest, match="more often than it was recorded"):
        client.run("owner/x", prompt="Hi")


def test_secrets_in_bodies_become_asterisks_also_across_chunks(file: Path) -> None:
    with FakeReplicate() as fake:
        fake.on("owner/leak").streams(f"key {TOKEN} end", "whsec_abcdefghijklmnop", "opaque-token-1")
        fake.faults.add("stream", faults.drip(0.001, 5))
        transport = RecordingTransport(fake.transport, file)
        text = Client(api_token="opaque-token-1", transport=transport).stream("owner/leak", prompt=TOKEN).text()
    assert "whsec_abcdefghijklmnop" in text
    content = file.read_text()
    assert [word in content for word in (TOKEN, "r8_", "whsec_", "opaque-token-1")] == [False] * 4


def test_a_reader_that_left_is_recorded_as_such(fake: FakeReplicate, file: Path) -> None:
    transport = RecordingTransport(fake.transport, file)
    with Client(transport=transport).stream("owner/llm", prompt="Hi") as stream:
        assert next(iter(stream)) == TOKENS[0]
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    assert [entry.get("cut", False) for entry in entries if "/streams/" in entry.get("url", "")] == [True]


def test_deadlines_hold_in_a_replay(fake: FakeReplicate, file: Path) -> None:
    chunks_of(RecordingTransport(fake.transport, file), "https://fake.invalid/v1")
    lines = file.read_text().splitlines()
    slow = {**json.loads(lines[1]), "after": 30}
    file.write_text("\n".join([lines[0], json.dumps(slow), *lines[2:]]) + "\n")
    transport = ReplayTransport(file, clock=FakeClock(100))
    request = Request("POST", "https://fake.invalid/v1/predictions", {}, json.dumps(slow["body"]).encode())
    with pytest.raises(RequestTimeout) as caught:
        transport.send(request, 110)
    assert (caught.value.phase, caught.value.may_have_been_processed, transport.clock.now()) == ("wait", True, 110)


def test_modes(fake: FakeReplicate, file: Path) -> None:
    assert isinstance(recorded(file, "all", inner=fake.transport), RecordingTransport)
    with pytest.raises(FileNotFoundError):
        recorded(file, "none")
    with pytest.raises(ValueError, match="mode is once, all or none"):
        recorded(file, "new")
    file.write_text("{}\n")
    with pytest.raises(ValueError, match="is not a recording"):
        recorded(file, "once")
