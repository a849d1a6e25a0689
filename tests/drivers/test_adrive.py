"""The driver for event loops does what the one for threads does: same lives, same requests, same waits."""

from __future__ import annotations

import asyncio
import json

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicate_home import AsyncClient
from replicate_home.clock import FakeClock
from replicate_home.dialects.base import Create
from replicate_home.dialects.refs import ModelRef
from replicate_home.dialects.replicate import Replicate
from replicate_home.drivers.adrive import AsyncDrive
from replicate_home.drivers.drive import Drive
from replicate_home.drivers.driving import MAY_EXIST
from replicate_home.drivers.gate import Gate
from replicate_home.exceptions import ConnectFailed, Disconnected, ProtocolError, RequestTimeout
from replicate_home.lifecycle.life import Terms
from replicate_home.lifecycle.machine import Settled, creating, plain
from replicate_home.transports.threaded import ThreadedTransport
from replicate_home.wire import Request, Response

API = "https://api.replicate.com/v1"
LOST = st.sampled_from([
    ConnectFailed("refused", phase="connect", may_have_been_processed=False),
    RequestTimeout("late", phase="wait", may_have_been_processed=True),
    Disconnected("cut", phase="body", may_have_been_processed=True),
    ProtocolError("nonsense"),
])  # fmt: skip
STATUSES = st.sampled_from(["starting", "processing", "processing", "succeeded", "failed", "canceled"])


def prediction(status, output, code=200, *, streams=False):
    urls = {"get": f"{API}/predictions/id1", "cancel": f"{API}/predictions/id1/cancel"}
    if streams:
        urls["stream"] = "https://stream.replicate.com/v1/id1"
    found = {"id": "id1", "status": status, "model": "o/m", "version": "v", "input": {}, "output": output, "urls": urls}
    return Response(code, {"content-type": "application/json"}, json.dumps(found).encode())


OUTPUTS = st.sampled_from([None, ["a"], ["a", "b"], ["a", "b", "c"], ["x"]])
POLLS = st.one_of(
    st.builds(prediction, STATUSES, OUTPUTS), LOST, st.just(Response(503)), st.just(Response(429, {"retry-after": "2"}))
)
CREATES = st.one_of(
    st.builds(prediction, STATUSES, OUTPUTS, st.just(201), streams=st.booleans()), LOST, st.just(Response(429))
)
EVENTS = (b"event: output\nid: 1:0\ndata: a\n\n", b"event: output\nid: 2:0\ndata: b\n\n", b"event: done\ndata: {}\n\n")
PIECES = st.one_of(st.sampled_from(EVENTS), LOST)


@attrs.frozen
class Script:
    """What a server answers to each kind of request, in order; then it has succeeded."""

    creates: list
    polls: list
    streams: list


SCRIPTS = st.builds(
    Script,
    st.lists(CREATES, max_size=3),
    st.lists(POLLS, max_size=6),
    st.lists(st.lists(PIECES, max_size=4), max_size=3),
)


class Scripted:
    """A transport that plays a script in virtual time and notes what it was asked, and which bodies are open."""

    def __init__(self, script):
        self.clock = FakeClock()
        self.asked = []
        self.open = 0
        self._left = {"POST": list(script.creates), "GET": list(script.polls), "STREAM": list(script.streams)}

    def send(self, request, deadline):
        kind = "STREAM" if request.streams else request.method
        self.asked.append((kind, request.url, deadline))
        self.clock.sleep(0.01)
        if request.url.endswith("/cancel"):
            return prediction("canceled", None), None
        left = self._left[kind]
        if kind == "STREAM":
            if not left:
                return Response(404), None
            self.open += 1
            return Response(200, {"content-type": "text/event-stream"}), ScriptedBody(left.pop(0), self)
        answer = left.pop(0) if left else prediction("succeeded", ["a", "b", "c"], 201 if kind == "POST" else 200)
        if isinstance(answer, Exception):
            raise answer
        return answer, None

    def close(self):
        pass


class ScriptedBody:
    def __init__(self, pieces, owner):
        self._pieces = list(pieces)
        self._owner = owner
        self._closed = False

    def read(self, deadline):
        self._owner.clock.sleep(0.5)
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self):
        self._owner.open -= not self._closed
        self._closed = True


def beginning(clock, timeout):
    dialect = Replicate(API, None)
    terms = Terms(dialect, None if timeout is None else clock.now() + timeout, cancels=True, seed=0.5)
    return creating(terms, dialect.create(Create(ModelRef.parse("o/m"), {"x": 1})), clock.now())


def told(drive, news):
    state = drive.state
    assert isinstance(state, Settled)
    return news, state.status, repr(state.error), list(state.life.delivered), state.life.snapshot


def driven(script, timeout, leave_after):
    transport = Scripted(script)
    drive = Drive(beginning(transport.clock, timeout), transport, transport.clock, Gate())
    news = []
    while True:
        for one in drive.news:
            news.append(one)
            if len(news) == leave_after:
                drive.leave()
                return told(drive, news), transport
        if drive.is_over:
            return told(drive, news), transport
        drive.step()


def driven_in_a_loop(script, timeout, leave_after):
    transport = Scripted(script)

    async def main():
        drive = AsyncDrive(
            beginning(transport.clock, timeout), ThreadedTransport(transport), transport.clock, Gate(), set()
        )
        news = []
        while True:
            for one in drive.news:
                news.append(one)
                if len(news) == leave_after:
                    await drive.leave()
                    return told(drive, news)
            if drive.is_over:
                return told(drive, news)
            await drive.step()

    return asyncio.run(main()), transport


@settings(deadline=None, max_examples=150)
@given(SCRIPTS, st.sampled_from([None, 0.3, 3.0]), st.sampled_from([None, None, 1, 2, 3]))
def test_any_life_goes_the_same_way_under_both_drivers(script, timeout, leave_after):
    blocking, one = driven(script, timeout, leave_after)
    awaited, other = driven_in_a_loop(script, timeout, leave_after)
    assert blocking == awaited
    assert one.asked == other.asked
    assert one.clock.sleeps == other.clock.sleeps
    assert one.open == other.open == 0


def test_settle_goes_on_to_the_end_whatever_the_news():
    transport = Scripted(Script([], [], []))

    async def main():
        request = Request("GET", f"{API}/account")
        drive = AsyncDrive(
            plain(Terms(Replicate(API, None)), request, 0.0),
            ThreadedTransport(transport),
            transport.clock,
            Gate(),
            set(),
        )
        return await drive.settle()

    assert asyncio.run(main()).answer == prediction("succeeded", ["a", "b", "c"])


def test_a_deadline_is_told_on_the_transports_own_clock():
    transport = Scripted(Script([], [], []))
    transport.clock = FakeClock(1000.0)
    clock = FakeClock()

    async def main():
        drive = AsyncDrive(beginning(clock, 5.0), ThreadedTransport(transport), clock, Gate(), set())
        await drive.settle()

    asyncio.run(main())
    assert transport.asked == [("POST", f"{API}/predictions", 1005.0)]


def test_leaving_a_life_that_is_over_does_nothing():
    transport = Scripted(Script([], [], []))

    async def main():
        drive = AsyncDrive(
            beginning(transport.clock, None), ThreadedTransport(transport), transport.clock, Gate(), set()
        )
        await drive.settle()
        asked = len(transport.asked)
        await drive.leave()
        assert (len(transport.asked), drive.has_to_cancel(), await drive.read(None)) == (asked, False, b"")

    asyncio.run(main())


def test_what_a_transport_should_not_raise_passes_and_leaves():
    class Broken(Scripted):
        def send(self, request, deadline):
            if request.method == "GET":
                raise KeyError("a bug")
            return super().send(request, deadline)

    transport = Broken(Script([prediction("starting", None, 201)], [], []))

    async def main():
        drive = AsyncDrive(
            beginning(transport.clock, None), ThreadedTransport(transport), transport.clock, Gate(), set()
        )
        with pytest.raises(KeyError) as caught:
            await drive.settle()
        assert caught.value.__notes__ == ["while waiting for prediction id1"]

    asyncio.run(main())
    assert [url.rpartition("/")[2] for _, url, _ in transport.asked] == ["predictions", "cancel"]


def test_what_comes_in_the_middle_of_a_create_says_that_a_prediction_may_have_been_created():
    class Broken:
        clock = FakeClock()

        async def send(self, request, deadline):
            raise RuntimeError("a foreign transport")

        async def close(self):
            """Nothing is open."""

    with pytest.raises(RuntimeError) as caught:
        asyncio.run(AsyncClient(transport=Broken()).run("owner/llm", prompt="Hi"))
    assert caught.value.__notes__ == [MAY_EXIST]
