"""G4: no call outlives its deadline by more than 0.5 s, of which 0.4 s are for one last request.

The caller's budget covers retries, waits that the server asks for, dripping headers and bodies, cold starts and the
download of files; name look-up is the exception. What is found finished at the deadline is returned.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home import Client, FakeClock, PredictionTimeout, ReplicateHomeError, RequestTimeout, Timeout
from replicate_home.testing.scripted_server import (
    Cut,
    Drip,
    Freeze,
    Line,
    Received,
    Reset,
    ScriptedServer,
    Send,
    Stall,
    Step,
    answer,
    chunk,
)
from replicate_home.wire import Request, Response

from .cases import NIGHTLY, TOKEN, UNHURRIED, counted, examples, virtual_client
from .hosted_server import RECORDINGS, HostedServer, Job, Refuses, encoded, numbered

pytestmark = [pytest.mark.reliability, pytest.mark.long, UNHURRIED]
OVERRUN = 0.5
DEADLINES = (0.2, 0.5, 1.0) if NIGHTLY else (0.2, 0.5)


# ---- on the machine's own clock ----------------------------------------------------------------------------------


@attrs.frozen
class Forever:
    """``data`` again and again, ``seconds`` apart, for longer than any deadline here."""

    data: bytes
    seconds: float = 0.02

    def play(self, line: Line) -> None:
        """Until the client is gone, or so late that the test has failed."""
        end = time.monotonic() + 4
        while time.monotonic() < end:
            line.sock.sendall(self.data)
            line.pause(self.seconds)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
FAULTS: dict[str, list[Step]] = {
    "silence": [Stall()],
    "it reads nothing": [Freeze()],
    "a dripping status line": [Drip(b"HTTP/1.1 200 " + b"O" * 5000)],
    "dripping headers": [Send(HEAD), Forever(b"X: y\r\n")],
    "one endless header": [Send(HEAD + b"X: "), Forever(b"y")],
    "interim answers": [Forever(b"HTTP/1.1 102 Processing\r\n\r\n", 0.1)],
    "a body that stalls": [Send(HEAD + b"Content-Length: 100\r\n\r\n{"), Stall()],
    "a dripping body": [Send(HEAD + b"Content-Length: 100000\r\n\r\n"), Forever(b" ")],
    "dripping chunks": [Send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n"), Forever(chunk(b" "))],
    "a dripping chunk size": [Send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n"), Forever(b"0")],
    "a body without an end": [Send(HEAD + b"\r\n"), Forever(b" ")],
    "a dripping gzip": [Send(HEAD + b"Content-Encoding: gzip\r\n\r\n"), Drip(gzip.compress(b"x" * 9), 0.1), Stall()],
    "failures": [Send(answer(503)), Cut()],
    "slow failures": [Drip(answer(503), 0.001), Cut()],
    "throttling": [Send(answer(429, headers={"Retry-After": "1"})), Cut()],
    "cuts": [Cut()],
    "resets": [Reset()],
    "garbage": [Send(answer(200, b"{")), Cut()],
}
STREAM_FAULTS: dict[str, list[Step]] = {
    "endless comments": [Send(SSE + b"\r\n"), Forever(b": still here\n\n")],
    "an endless comment": [Send(SSE + b"\r\n:"), Forever(b"x")],
    "an endless event": [Send(SSE + b"\r\ndata: "), Forever(b"x")],
    "endless tokens": [Send(SSE + b"\r\n"), Forever(b"event: output\ndata: x\n\n")],
    "a silent stream": [Send(SSE + b"\r\n"), Stall()],
    "a stream of cuts": [Send(SSE + b"\r\n" + encoded([(numbered(0), "output", "x")])), Cut()],
}


def kind_of(received: Received) -> str:
    """What a request is for."""
    if received.method == "POST" and received.target.endswith("/predictions"):
        return "create"
    return {"streams": "stream", "file": "file"}.get(received.target.split("/")[2], "poll")


Act = Callable[[], Any]


def runs(client: Client) -> Act:
    return lambda: client.run("owner/model", {})


def streams(client: Client) -> Act:
    return lambda: list(client.stream("owner/model", {}))


def creates(client: Client) -> Act:
    return lambda: client.predictions.create("owner/model", {})


def gets(client: Client) -> Act:
    return client.predictions.create("owner/model", {}, timeout=30).reload


def waits(client: Client) -> Act:
    return client.predictions.create("owner/model", {}, timeout=30).wait


def reads(client: Client) -> Act:
    return client.run("owner/model", {}, timeout=30).read


CALLS: list[tuple[Callable[[Client], Act], str]] = [
    (runs, "create"), (streams, "create"), (creates, "create"), (runs, "poll"), (streams, "poll"), (streams, "stream"),
    (gets, "poll"), (waits, "poll"), (reads, "file"),
]  # fmt: skip


@attrs.frozen
class Case:
    """A call whose requests of one kind meet one fault, with so many seconds to go."""

    prepares: Callable[[Client], Act]
    kind: str
    fault: str
    seconds: float

    def overrun(self) -> float:
        """By how many seconds the call was late."""
        steps = {**FAULTS, **STREAM_FAULTS}[self.fault]
        with HostedServer(self._job()) as server:
            server.instead = lambda received: iter(steps) if kind_of(received) == self.kind else None
            client = Client(TOKEN, base_url=server.url, timeout=self.seconds)
            if self.kind == "file":
                server.jobs[0].recording = attrs.evolve(RECORDINGS[0], output=f"{server.url}/v1/file")
            act = self.prepares(client)
            began = time.monotonic()
            with pytest.raises(ReplicateHomeError):
                act()
            late = time.monotonic() - began - self.seconds
            client.close()
        return late

    def _job(self) -> Job:
        if self.kind == "stream":
            return Job(RECORDINGS[0], polls_to_end=10**6)
        job = Job(RECORDINGS[0], stream_url=None, polls_to_end=10**6)
        job.is_over = self.kind == "file"
        return job


def cases(prepares: Callable[[Client], Act], kind: str) -> list[Case]:
    faults = [fault for fault in FAULTS if (kind, fault) != ("file", "garbage")]  # a file may be anything
    faults += STREAM_FAULTS if kind == "stream" else ()
    return [Case(prepares, kind, fault, seconds) for fault in faults for seconds in DEADLINES]


@pytest.mark.parametrize(("prepares", "kind"), CALLS)
def test_no_call_outlives_its_deadline(prepares, kind):
    """Many at a time; those that were late once more alone, for the machine may have been busy."""
    found = list(counted(cases(prepares, kind), at_least=34))
    with ThreadPoolExecutor(16) as pool:
        overruns = list(pool.map(Case.overrun, found))
    late = [case for case, seconds in zip(found, overruns, strict=True) if seconds > OVERRUN]
    assert [(seconds, case) for case in late[:5] if (seconds := case.overrun()) > OVERRUN] == []


def test_a_handshake_that_never_comes_ends_at_the_deadline():
    for prepares in counted((runs, streams, creates), at_least=3):
        with ScriptedServer([Stall()], repeat=True) as server:
            client = Client(TOKEN, base_url=server.url.replace("http", "https"), timeout=0.2)
            act, overruns = prepares(client), []
            for _ in range(2):
                began = time.monotonic()
                with pytest.raises(ReplicateHomeError):
                    act()
                overruns.append(time.monotonic() - began - 0.2)
            assert min(overruns) <= OVERRUN
            client.close()


# ---- what is said at the deadline ------------------------------------------------------------------------------------


def never() -> Job:
    return Job(RECORDINGS[0], [Refuses(404)], polls_to_end=10**6)


def test_the_call_that_created_the_prediction_cancels_it_and_says_so():
    table = [
        (lambda c: c.run("owner/model", {}, timeout=3), True),
        (lambda c: list(c.stream("owner/model", {}, timeout=3)), True),
        (lambda c: c.use("owner/model", timeout=3)(prompt="x"), True),
        (lambda c: c.run("owner/model", {}, timeout=3, cancel_on_exit=False), False),
        (lambda c: list(c.stream("owner/model", {}, timeout=3, cancel_on_exit=False)), False),
        (lambda c: c.predictions.create("owner/model", {}).wait(timeout=3), False),
        (lambda c: c.predictions.create("owner/model", {}).result(timeout=3), False),
        (lambda c: list(c.predictions.create("owner/model", {}).stream(timeout=3)), False),
        (lambda c: list(c.predictions.create("owner/model", {}).output_iterator(timeout=3)), False),
    ]
    for call, cancels in counted(table, at_least=9):
        with HostedServer(never()) as server:
            client = virtual_client(server.url)
            with pytest.raises(PredictionTimeout) as caught:
                call(client)
            error = caught.value
            assert (error.canceled, server.created["job0"].canceled) == (cancels, int(cancels))
            assert error.prediction.id == "job0"
            assert ("it was canceled" in str(error)) is cancels
            assert ("client.predictions.get('job0').wait() resumes it" in str(error)) is not cancels
            assert isinstance(error, TimeoutError)
            assert 3 <= client._engine.clock.now() <= 3.4
            client._engine.connections.given.close()


def test_a_result_that_is_there_at_the_deadline_is_returned():
    """The last look finds it: in the answer to the cancel, or to the GET."""
    for cancels in counted((True, False), at_least=2):
        with HostedServer(job := never()) as server:
            client = virtual_client(server.url)

            def finish(received, client=client, job=job):
                job.is_over = job.is_over or client._engine.clock.now() >= 3

            server.instead = finish
            assert client.run("owner/model", {}, timeout=3, cancel_on_exit=cancels).text == job.recording.text
            client._engine.connections.given.close()


def test_a_timed_out_prediction_is_resumed_by_its_id():
    with HostedServer(job := Job(RECORDINGS[0], [Refuses(404)], polls_to_end=40)) as server:
        client = virtual_client(server.url)
        with pytest.raises(PredictionTimeout) as caught:
            client.run("owner/model", {}, timeout=1, cancel_on_exit=False)
        handle = client.predictions.get(caught.value.prediction.id).wait()
        assert (handle.status, handle.output) == ("succeeded", job.recording.final)
        client._engine.connections.given.close()


def test_no_timeout_is_no_limit():
    with HostedServer(Job(RECORDINGS[0], [Refuses(404)], polls_to_end=300)) as server:
        client = virtual_client(server.url)
        assert client.run("owner/model", {}, timeout=None).text == RECORDINGS[0].text
        assert client._engine.clock.now() > 600
        client._engine.connections.given.close()


# ---- on a virtual clock, where everything may take its time -----------------------------------------

OUTCOMES = ("processing", "succeeded", "503", "429", "429 for long", "404", "garbage", "cut", "refused")


class Sluggish:
    """A transport that answers as drawn, each time after some seconds, but never after the deadline it is given."""

    backend = "replicate"

    def __init__(self, plan: list[tuple[str, float]]) -> None:
        self.clock = FakeClock()
        self.plan = plan
        self.count = 0

    def send(self, request: Request, deadline: float | None) -> tuple[Response, None]:
        """The next thing of the plan; from its end on, from its beginning."""
        outcome, seconds = self.plan[self.count % len(self.plan)]
        self.count += 1
        until = self.clock.now() + seconds
        if deadline is not None and until >= deadline:
            self.clock.advance_to(deadline)
            raise RequestTimeout("too slow", request=request, phase="wait", may_have_been_processed=True)
        self.clock.advance_to(until)
        if outcome == "cut":
            raise RequestTimeout("cut", request=request, phase="wait", may_have_been_processed=True)
        if outcome == "refused":
            raise RequestTimeout("refused", request=request, phase="connect", may_have_been_processed=False)
        return self.answers(outcome), None

    def answers(self, outcome: str) -> Response:
        """The answer as a value."""
        if outcome in ("processing", "succeeded"):
            return Response(200, {}, b'{"id":"a","status":"%b","output":["x"]}' % outcome.encode())
        if outcome == "garbage":
            return Response(200, {}, b"{")
        wait = {"429": "3", "429 for long": "55"}.get(outcome)
        return Response(int(outcome[:3]), {"retry-after": wait} if wait else {})

    def close(self) -> None:
        """Nothing was opened."""


PLANS = st.lists(st.tuples(st.sampled_from(OUTCOMES), st.floats(0, 40)), min_size=1, max_size=12)
BUDGETS = st.one_of(st.floats(0.05, 5), st.floats(5, 300))


def test_whatever_takes_how_long_the_deadline_holds():
    ran = 0

    @examples(400, nightly=10_000)
    @given(PLANS, BUDGETS, st.booleans(), st.booleans(), st.booleans())
    def check(plan, budget, cancels, streams, is_created):
        nonlocal ran
        ran += 1
        transport = Sluggish([("processing", 0.0)] * is_created + plan)
        client = Client(TOKEN, transport=transport)
        call = client.stream if streams else client.run
        try:
            made = call("owner/model", {}, timeout=Timeout(total=budget, read=30), cancel_on_exit=cancels)
            list(made) if streams else made
        except ReplicateHomeError:
            pass
        assert transport.clock.now() <= budget + 0.4 + 1e-6

    check()
    assert ran >= (10_000 if NIGHTLY else 400)
