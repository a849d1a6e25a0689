"""Faults: every one through both doors, with the same error, phase and truth; aimed, counted, read from a file."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from replicate_home import Client
from replicate_home.emulator.faults import Fault, FaultPlan
from replicate_home.exceptions import (
    ConnectFailed,
    CreateOutcomeUnknown,
    Disconnected,
    ProtocolError,
    RateLimited,
    ReplicateHomeError,
    RequestTimeout,
    ServerError,
    TransportError,
)
from replicate_home.testing import faults
from replicate_home.testing.fake import FakeReplicate
from replicate_home.transports.base import Transport
from replicate_home.transports.over_requests.transport import RequestsTransport
from replicate_home.wire import Request

PATIENCE = 0.4  # seconds, real ones over sockets


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    with FakeReplicate() as fake:
        fake.on("owner/llm").streams("Hé", "l", "lo")
        yield fake


def create_and_read(transport: Transport, url: str, at: str) -> Any:
    """One request of the kind ``at``, read to its end; what came, or the error."""

    def ask(method: str, target: str, body: Any = None, *, streams: bool = False) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        request = Request(method, target, {"content-type": "application/json"}, content, streams=streams)
        deadline = transport.clock.now() + PATIENCE
        response, opened = transport.send(request, deadline)
        if opened is None:
            return b"%d %b" % (response.status, response.body)
        pieces = []
        try:
            while piece := opened.read(transport.clock.now() + PATIENCE):
                pieces.append(piece)
        finally:
            opened.close()
        return b"%d %b" % (response.status, b"".join(pieces))

    created = json.loads(ask("POST", f"{url}/v1/predictions", {"version": "owner/llm", "input": {}}).partition(b" ")[2])
    try:
        if at == "create":
            return ask("POST", f"{url}/v1/predictions", {"version": "owner/llm", "input": {}})
        if at == "stream":
            return ask("GET", created["urls"]["stream"], streams=True)
        return ask("GET", created["urls"]["get"])
    except (TransportError, ProtocolError) as error:
        return error


def seen(outcome: Any) -> Any:
    """What has to be the same: the kind of error, its phase and its truth; or the status and what was read."""
    if isinstance(outcome, ReplicateHomeError):
        told = getattr(outcome, "phase", None), getattr(outcome, "may_have_been_processed", None)
        return type(outcome).__name__, *told
    return outcome.partition(b" ")[0]


EFFECTS: list[tuple[str, str, Callable[[], Any], Any]] = [
    ("status", "create", lambda: faults.status(503), b"503"),
    ("status with a page", "poll", lambda: faults.status(502, html="<h1>Bad gateway</h1>"), b"502"),
    ("status of a stream", "stream", lambda: faults.status(404), b"404"),
    ("unanswered", "create", faults.unanswered, ("Disconnected", "wait", True)),
    ("closed before the answer", "create", faults.cut, ("Disconnected", "wait", True)),
    ("reset before the answer", "poll", faults.reset, ("Disconnected", "wait", True)),
    ("cut in the head", "poll", lambda: faults.cut(20), ("Disconnected", "headers", True)),
    ("cut in the body", "poll", lambda: faults.cut(300), ("Disconnected", "body", True)),
    ("reset in the body", "create", lambda: faults.reset(300), ("Disconnected", "body", True)),
    ("cut after an event", "stream", lambda: faults.cut(events=1), ("Disconnected", "body", True)),
    ("cut in an event", "stream", lambda: faults.cut(12, events=1), ("Disconnected", "body", True)),
    ("reset after an event", "stream", lambda: faults.reset(events=1), ("Disconnected", "body", True)),
    ("stalled before the answer", "create", lambda: faults.stall(5), ("RequestTimeout", "wait", True)),
    ("stalled in the head", "poll", lambda: faults.stall(5, after=20), ("RequestTimeout", "headers", True)),
    ("stalled in the body", "poll", lambda: faults.stall(5, after=300), ("RequestTimeout", "body", True)),
    ("stalled in a stream", "stream", lambda: faults.stall(5, events=1), ("RequestTimeout", "body", True)),
    ("a short stall", "poll", lambda: faults.stall(0.01, after=300), b"200"),
    ("too slow a drip", "poll", lambda: faults.drip(0.1, 10), ("RequestTimeout", "headers", True)),
    ("a drip", "poll", lambda: faults.drip(0.0001, 50), b"200"),
    ("garbled", "poll", faults.garble, b"200"),
    ("an event twice", "stream", lambda: faults.repeat(1), b"200"),
    ("an event lost", "stream", lambda: faults.lose(1), b"200"),
    ("events out of order", "stream", lambda: faults.swap(1), b"200"),
]


@pytest.mark.parametrize(("at", "effect", "expected"), [row[1:] for row in EFFECTS], ids=[row[0] for row in EFFECTS])
def test_a_fault_is_the_same_in_process_and_over_sockets(
    fake: FakeReplicate, at: str, effect: Callable[[], Any], expected: Any
) -> None:
    skip = 1 if at == "create" else 0
    fake.faults.add(at, effect(), skip=skip)
    inside = create_and_read(fake.transport, "https://fake.invalid", at)
    fake.faults.clear()
    fake.faults.add(at, effect(), skip=skip)
    with fake.serve() as url:
        transport = RequestsTransport()
        outside = create_and_read(transport, url, at)
        transport.close()
    assert seen(inside) == expected
    assert seen(outside) == expected


def test_what_is_read_of_a_stream_is_the_same_too(fake: FakeReplicate) -> None:
    def data(outcome: bytes) -> list[bytes]:
        return [line for line in outcome.split(b"\n") if line.startswith(b"data: ")]

    for effect in (faults.repeat(1), faults.lose(1), faults.swap(1), faults.drip(0.0001, 7)):
        outcomes = []
        fake.faults.add("stream", effect, times=2)
        outcomes.append(data(create_and_read(fake.transport, "https://fake.invalid", "stream")))
        with fake.serve() as url:
            transport = RequestsTransport()
            outcomes.append(data(create_and_read(transport, url, "stream")))
            transport.close()
        assert outcomes[0] == outcomes[1]


def test_a_refused_connection_is_exact_in_process(fake: FakeReplicate) -> None:
    fake.faults.add("create", faults.refuse(), times=math.inf)
    with pytest.raises(ConnectFailed) as caught:
        fake.client().run("owner/llm", prompt="Hi")
    assert (caught.value.phase, caught.value.may_have_been_processed) == ("connect", False)
    fake.faults.clear()
    fake.faults.add("create", faults.refuse(), times=2)
    assert fake.client().run("owner/llm", prompt="Hi").text == "Héllo"


# -- what a client makes of them


def test_a_burst_of_429_is_waited_out(fake: FakeReplicate) -> None:
    fake.faults.add("create", faults.status(429, retry_after=2), times=3)
    assert fake.client().run("owner/llm", prompt="Hi").text == "Héllo"
    assert fake.clock.now() >= 6
    fake.faults.add("create", faults.status(429), times=4)
    with pytest.raises(RateLimited):
        fake.client().run("owner/llm", prompt="Hi")


def test_a_create_whose_fate_is_unknown_is_not_sent_again(fake: FakeReplicate) -> None:
    for effect, cause in [
        (faults.cut(), Disconnected),
        (faults.stall(60), RequestTimeout),
        (faults.garble(), ProtocolError),
        (faults.status(500), ServerError),
    ]:
        before = len(fake.requests)
        fake.faults.add("create", effect)
        with pytest.raises(CreateOutcomeUnknown) as caught:
            fake.client().run("owner/llm", prompt="Hi")
        assert isinstance(caught.value.__cause__, cause)
        assert len(fake.requests) == before + 1


@pytest.mark.parametrize(
    "effect",
    [
        faults.cut(events=1),
        faults.cut(11, events=2),
        faults.reset(19, events=0),
        faults.repeat(2),
        faults.lose(2),
        faults.swap(1),
        faults.stall(90),
    ],
)
def test_streams_are_exact_whatever_befalls_them(fake: FakeReplicate, effect: Any) -> None:
    fake.faults.add("stream", effect)
    assert fake.client().stream("owner/llm", prompt="Hi").text() == "Héllo"


def test_the_same_in_an_event_loop_where_no_run_is_late(fake: FakeReplicate) -> None:
    fake.on("owner/second").streams("a", "b").takes(2)
    fake.faults.add("stream", faults.stall(30, events=1), model="owner/llm")

    async def main() -> tuple[str, list[float]]:
        ends = []

        async def one() -> None:
            assert await client.stream("owner/second", prompt="Hi").text() == "ab"
            ends.append(fake.clock.now())

        async with fake.async_client() as client:
            stalled = asyncio.create_task(client.stream("owner/llm", prompt="Hi").text())
            await asyncio.gather(*(one() for _ in range(20)))
            return await stalled, ends

    text, ends = asyncio.run(main())
    assert (text, max(ends) < 3, fake.clock.now() >= 30) == ("Héllo", True, True)


# -- aimed and counted


def test_a_fault_is_skipped_counted_and_aimed_at_a_model(fake: FakeReplicate) -> None:
    fake.on("owner/other").returns("x")
    fake.faults.add("create", faults.status(418), skip=1, times=2, model="owner/llm")
    client = fake.client()

    def outcome(model: str) -> str:
        try:
            return client.run(model, prompt="Hi").text
        except ReplicateHomeError as error:
            return type(error).__name__

    outcomes = [outcome(f"owner/{name}") for name in ("llm", "other", "llm", "other", "llm", "llm")]
    assert outcomes == ["Héllo", "x", "APIError", "x", "APIError", "Héllo"]


@pytest.mark.parametrize("at", ["poll", "stream", "cancel"])
def test_what_is_about_a_prediction_is_about_its_model(fake: FakeReplicate, at: str) -> None:
    fake.on("owner/other").streams("x")
    fake.faults.add(at, faults.status(418), model="owner/llm", times=math.inf)
    for model in ("owner/llm", "owner/other"):
        prediction = fake.client().predictions.create(model, prompt="Hi")
        url = {"poll": "get", "stream": "stream", "cancel": "cancel"}[at]
        request = Request("POST" if at == "cancel" else "GET", prediction.urls[url])
        response, _ = fake.transport.send(request, None)
        assert response.status == (418 if model == "owner/llm" else 200)


def test_uploads_downloads_and_lists_are_aimed_at(fake: FakeReplicate) -> None:
    fake.on("owner/img").returns(b"\x89PNG")
    image = fake.client().run("owner/img", prompt="Hi")
    for at, ask in [
        ("list", lambda: fake.client().predictions.list()),
        ("download", image.read),
        ("upload", lambda: fake.client().run("owner/img", {"image": b"x"}, file_encoding_strategy="url")),
    ]:
        fake.faults.add(at, faults.status(418))
        with pytest.raises(ReplicateHomeError, match="418"):
            ask()
        ask()


@pytest.mark.parametrize(
    ("wrong", "said"), [({"at": "moon"}, "not 'moon'"), ({"times": -1}, "times is a number"), ({"skip": -1}, "skip")]
)
def test_a_fault_that_cannot_be_is_a_value_error(fake: FakeReplicate, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fake.faults.add(**{"at": "create", "effect": faults.cut(), **wrong})


# -- from a file


def test_a_plan_is_read_from_a_file(fake: FakeReplicate, tmp_path: Path) -> None:
    file = tmp_path / "scenario.json"
    entries = [
        {"at": "create", "fault": "status", "code": 429, "retry_after": 1, "times": 2},
        {"at": "stream", "fault": "cut", "events": 1, "times": "always", "model": "owner/llm"},
    ]
    file.write_text(json.dumps(entries))
    plan = FaultPlan.from_json(file)
    assert isinstance(plan.take("predictions.create", lambda: None), Fault)
    taken = plan.take("stream", lambda: "owner/llm")
    assert taken is not None
    assert (taken.times, taken.model) == (math.inf, "owner/llm")
    assert plan.take("stream", lambda: "owner/other") is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "a scenario is a list of faults"),
        ('[{"at": "create"}]', "fault 1 has no 'fault'"),
        ('[{"at": "create", "fault": "explode"}]', "fault 1: there is no fault 'explode', only refuse, status"),
        ('[{"at": "create", "fault": "cut", "bytes": 3}]', "fault 1: .*unexpected keyword argument 'bytes'"),
        ('[{"at": "moon", "fault": "cut"}]', "fault 1: a fault must be for one of"),
    ],
)
def test_a_file_that_is_no_plan_says_where(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "scenario.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=said):
        FaultPlan.from_json(file)


def test_a_client_over_sockets_meets_them_too(fake: FakeReplicate) -> None:
    fake.faults.add("stream", faults.reset(events=2))
    fake.faults.add("poll", faults.status(503))
    with fake.serve() as url, Client(base_url=url) as client:
        assert client.stream("owner/llm", prompt="Hi").text() == "Héllo"
