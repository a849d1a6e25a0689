"""What a stream keeps for a caller who reads it in several ways, or after it is closed."""

from __future__ import annotations

import asyncio
import threading

import pytest

from replicate_home import AsyncClient, Client, DoneEvent, OutputEvent, ReplicateHomeError, Snapshot, StatusEvent
from replicate_home.testing import FakeReplicate


@pytest.fixture
def fake() -> FakeReplicate:
    fake = FakeReplicate()
    fake.on("owner/llm").streams("Hel", "lo", ", ", "world")
    return fake


@pytest.fixture
def client(fake: FakeReplicate) -> Client:
    return fake.client()


def test_a_stream_that_was_read_to_its_end_has_its_result_after_it_is_closed(client: Client) -> None:
    with client.stream("owner/llm", prompt="Hi") as stream:
        assert list(stream) == ["Hel", "lo", ", ", "world"]
    assert stream.result() == ["Hel", "lo", ", ", "world"]
    assert stream.text() == "Hello, world"


def test_a_stream_that_was_closed_before_its_end_has_no_result() -> None:
    fake = FakeReplicate()
    fake.on("owner/llm").streams("Hel", "lo").takes(60)
    with fake.client().stream("owner/llm", prompt="Hi") as stream:
        assert next(stream) == "Hel"
    with pytest.raises(ReplicateHomeError, match="closed before its end"):
        stream.result()


def test_pieces_that_the_events_did_not_reach_are_iterated(client: Client) -> None:
    stream = client.stream("owner/llm", prompt="Hi")
    for event in stream.events():
        if isinstance(event, OutputEvent):
            break
    assert list(stream) == ["lo", ", ", "world"]


def test_events_go_on_where_others_stopped(client: Client) -> None:
    stream = client.stream("owner/llm", prompt="Hi")
    first = [type(event) for _, event in zip(range(2), stream.events(), strict=False)]
    rest = [type(event) for event in stream.events()]
    assert first == [StatusEvent, OutputEvent]
    assert rest == [OutputEvent, OutputEvent, OutputEvent, StatusEvent, DoneEvent]


def test_a_second_thread_that_iterates_is_told_so_and_the_first_goes_on(fake: FakeReplicate) -> None:
    def iterate() -> None:
        with pytest.raises(ReplicateHomeError, match="can have only one consumer") as caught:
            next(stream)
        told.append(type(caught.value))

    def meanwhile(_: Snapshot) -> None:
        second = threading.Thread(target=iterate)
        second.start()
        second.join(10)

    told: list[type[Exception]] = []
    stream = fake.client().stream("owner/llm", prompt="Hi", on_update=meanwhile)
    assert list(stream) == ["Hel", "lo", ", ", "world"]
    assert set(told) == {ReplicateHomeError}


def test_output_that_is_no_text_has_no_text() -> None:
    fake = FakeReplicate()
    fake.on("owner/detector").returns({"boxes": []})
    with pytest.raises(ValueError, match=r"^the output is not text but a JSON dict"):
        fake.client().stream("owner/detector", prompt="Hi").text()

    async def main() -> None:
        client = AsyncClient(transport=fake.transport, clock=fake.clock)
        with pytest.raises(ValueError, match=r"^the output is not text but a JSON dict"):
            await client.stream("owner/detector", prompt="Hi").text()
        await client.close()

    asyncio.run(main())
