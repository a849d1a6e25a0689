"""What follows what in the life of a prediction, found by asking the states themselves.

Nothing here knows the rules: it hands every state that can be reached an example of everything that can come back,
and writes down what the state becomes. ``python docs/generate.py`` puts the outcome into docs/lifecycle.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import attrs

from replicate_home.dialects.base import Create, encode_json
from replicate_home.dialects.refs import ModelRef
from replicate_home.dialects.replicate import Replicate
from replicate_home.exceptions import ConnectFailed, Disconnected, RequestTimeout
from replicate_home.lifecycle import policy
from replicate_home.lifecycle.life import Life, Terms
from replicate_home.lifecycle.machine import Came, Kind, Pausing, Reading, Sending, Settled, State, creating
from replicate_home.protocol.sse import Decoder, ServerSentEvent
from replicate_home.records.prediction import TERMINAL
from replicate_home.wire import Response

DEADLINE = 600.0
AT_THE_DEADLINE = "the deadline"
LEAVING = "the caller leaves"
_DIALECT = Replicate("https://api.example/v1")
_URLS = {"stream": "https://stream.example/v1/x"}

Outcome = tuple[str, Any]


@attrs.frozen
class Edge:
    """From a state, when this came back, to a state."""

    before: str
    outcome: str
    after: str


def edges() -> list[Edge]:
    """Every edge of a life that follows, delivers and cancels its own prediction, in the order of discovery."""
    terms = Terms(_DIALECT, deadline=DEADLINE, cancels=True)
    request = _DIALECT.create(Create(ModelRef.parse("owner/name"), {}))
    start = creating(terms, request, 0.0)
    found: dict[Edge, None] = {}
    known, waiting = {_essence(start)}, deque([(start, 0.0)])
    while waiting:
        state, now = waiting.popleft()
        for outcome, later, after in _steps(state, now):
            found[Edge(name(state), outcome, name(after))] = None
            if _essence(after) not in known:
                known.add(_essence(after))
                waiting.append((after, later))
    return list(found)


def name(state: State) -> str:
    """What a state is called on the page."""
    match state:
        case Sending():
            return f"Sending[{state.kind}]"
        case Pausing():
            return f"Pausing[{state.then.kind}]"
        case Reading():
            return "Reading"
        case Settled():
            ended = state.status if state.status in TERMINAL else "left"
            return f"Settled({type(state.error).__name__ if state.error else ended})"


def _essence(state: State) -> tuple[Any, ...]:
    """What of a state decides its future here: two that share it are explored once."""
    life = state.life
    then = state.then if isinstance(state, Pausing) else state
    return (
        name(state), getattr(then, "attempt", 0), life.streams, life.reopen, bool(life.seen.last), life.cuts,
        life.poll_errors, bool(life.delivered), life.snapshot is None, type(getattr(then, "cause", None)),
    )  # fmt: skip


def _steps(state: State, now: float) -> Iterator[tuple[str, float, State]]:
    """Every way on from a state: what came back, when, and what the state became."""
    match state:
        case Sending():
            for outcome, came in _answers(state):
                yield outcome, now + 0.01, state.next(came, now + 0.01)
            # A poll that fails at the deadline after failing for a minute is worn out, which is another rule's matter.
            if state.kind in (Kind.CREATE, Kind.STREAM, Kind.POLL) and not state.life.poll_errors:
                yield AT_THE_DEADLINE, DEADLINE, state.next(_lost(RequestTimeout, True), DEADLINE)
        case Reading():
            for outcome, arrived in _arrivals(state.life):
                yield outcome, now + 0.01, state.next(arrived, now + 0.01)
            yield AT_THE_DEADLINE, DEADLINE, state.next(_lost(RequestTimeout, True), DEADLINE)
        case Pausing():
            yield "the time has come", state.until, state.next(state.until)
            if state.then.kind is not Kind.CREATE:
                yield AT_THE_DEADLINE, DEADLINE, state.next(DEADLINE)
        case Settled():
            return
    yield LEAVING, now, state.leave(now)


def _answers(sending: Sending) -> list[Outcome]:
    """An example of everything that can come back for a request of this kind."""
    match sending.kind:
        case Kind.CREATE:
            worn_out = ", once too often" if sending.attempt >= sending.life.terms.max_retries else ""
            return [
                ("running, it has a stream", _prediction("starting", 201)),
                ("held, and its output is there", _prediction("processing", 201, output=["a"])),
                ("running, it has no stream", _prediction("starting", 201, urls={})),
                ("succeeded", _prediction("succeeded", 201, output=["a"])),
                ("failed", _prediction("failed", 201)),
                ("canceled", _prediction("canceled", 201)),
                (f"429{worn_out}", Response(429)),
                (f"not processed (it was never sent){worn_out}", _lost(ConnectFailed, False)),
                ("perhaps processed (no answer, 5xx)", _lost(RequestTimeout, True)),
                ("perhaps processed (no answer, 5xx)", Response(502)),
                ("refused: 401", Response(401)),
                ("refused: 404", Response(404)),
                ("refused: 422", Response(422)),
            ]
        case Kind.STREAM:
            return [
                ("an event stream", Response(200, {"content-type": "text/event-stream"})),
                ("anything else", Response(404)),
                ("anything else", _lost(Disconnected, True)),
            ]
        case Kind.POLL:
            return _polled(sending)
        case Kind.LAST_CANCEL | Kind.LAST_POLL:
            return [
                ("canceled", _prediction("canceled")),
                ("succeeded meanwhile", _succeeded(sending.life)),
                ("failed meanwhile", _prediction("failed")),
                ("no answer", _lost(Disconnected, True)),
            ]
    return [("whatever came back", _prediction("canceled"))]


def _polled(sending: Sending) -> list[Outcome]:
    life = sending.life
    lost = "no answer, 429, 5xx"
    if life.poll_errors + 1 >= policy.MOST_POLL_ERRORS:
        lost = "no answer, ten times in a row" + (" after some output" if life.delivered else "")
    outcomes = [
        (_running(life), _prediction("processing")),
        ("succeeded", _succeeded(life)),
        ("failed", _prediction("failed")),
        ("canceled", _prediction("canceled")),
        (lost, _lost(Disconnected, True)),
        ("refused: 401", Response(401)),
    ]
    if life.delivered:
        contradiction = [("running, but its output is another", _prediction("processing", output=["b"]))]
        outcomes += [] if life.streams else contradiction
        outcomes.append(("succeeded, but its output is another", _prediction("succeeded", output=["b"])))
    return outcomes


def _running(life: Life) -> str:
    if not (life.reopen and life.streams):
        return "running"
    if not life.seen.last:
        return "running, after a cut without ids"
    return "running, after a cut with ids" if life.cuts <= policy.MOST_CUTS else "running, after too many cuts"


def _arrivals(life: Life) -> list[Outcome]:
    """An example of everything that can arrive on an open event stream."""
    seen = life.seen.number
    outcomes: list[Outcome] = [
        ("output", _events(f"id: 1:{seen + 1}")),
        ("done", Decoder().feed(b"event: done\ndata: {}\n\n")),
        ("its end, a cut, silence", None),
        ("its end, a cut, silence", _lost(Disconnected, True)),
    ]
    if seen < 0:
        outcomes.append(("output", _events(": no id")))
    else:
        outcomes.append(("an id that jumps", _events(f"id: 1:{seen + 2}")))
    return outcomes


def _events(line: str) -> list[ServerSentEvent]:
    return Decoder().feed(f"event: output\n{line}\ndata: a\n\n".encode())


def _prediction(status: str, answer: int = 200, output: Any = None, urls: dict[str, str] = _URLS) -> Came:
    record = {"id": "x", "status": status, "output": output, "urls": urls}
    return Response(answer, {"content-type": "application/json"}, encode_json(record))


def _succeeded(life: Life) -> Came:
    return _prediction("succeeded", output=[*life.delivered, "a"])


def _lost(kind: Any, may_have_been_processed: bool) -> Came:
    error: Came = kind("lost", may_have_been_processed=may_have_been_processed)
    return error


def listing(found: list[Edge]) -> str:
    """The edges as a Markdown table: state, what came back, next state."""
    rows = ["| state | what comes back | next state |", "|---|---|---|"]
    for before in dict.fromkeys(edge.before for edge in found):
        shown = f"`{before}`"
        for after in dict.fromkeys(edge.after for edge in found if edge.before == before):
            outcomes = [edge.outcome for edge in found if (edge.before, edge.after) == (before, after)]
            rows.append(f"| {shown} | {'; '.join(outcomes)} | `{after}` |")
            shown = ""
    return "\n".join([*rows, ""])
