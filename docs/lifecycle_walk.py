"""What follows what in the life of a prediction, found by asking the states themselves.

Nothing here knows the rules: it hands every state that can be reached an example of everything that can come back,
and writes down what the state becomes. ``python docs/generate.py`` puts the outcome into docs/lifecycle.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

import attrs

from replicate_home.exceptions import RequestTimeout
from replicate_home.lifecycle.life import Life
from replicate_home.lifecycle.machine import Kind, Pausing, Reading, Sending, Settled, State
from replicate_home.records.prediction import TERMINAL

DEADLINE = 600.0
AT_THE_DEADLINE = "the deadline"
LEAVING = "the caller leaves"
_LATE = RequestTimeout("late", may_have_been_processed=True)

Outcome = tuple[str, Any]


class Examples(Protocol):
    """What one kind of server may say: an example of everything."""

    def starts(self, deadline: float) -> list[State]:
        """How lives on it begin."""
        ...

    def answers(self, sending: Sending) -> list[Outcome]:
        """What can come back for a request."""
        ...

    def arrivals(self, life: Life) -> list[Outcome]:
        """What can arrive on an open event stream."""
        ...


@attrs.frozen
class Edge:
    """From a state, when this came back, to a state."""

    before: str
    outcome: str
    after: str


def edges(server: Examples) -> list[Edge]:
    """Every edge of the lives that begin with ``server``, in the order of discovery."""
    found: dict[Edge, None] = {}
    waiting = deque((start, 0.0) for start in server.starts(DEADLINE))
    known = {_essence(start) for start, _ in waiting}
    while waiting:
        state, now = waiting.popleft()
        for outcome, later, after in _steps(server, state, now):
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
        name(state), getattr(then, "attempt", 0), _streams(then), life.tied, life.streams, life.reopen,
        bool(life.seen.last), life.cuts, life.poll_errors, bool(life.delivered), life.snapshot is None,
        type(getattr(then, "cause", None)),
    )  # fmt: skip


def _streams(state: State) -> bool:
    """Whether an event stream is asked for: a Cog server may be asked for the end alone instead."""
    return isinstance(state, Sending) and state.request.streams


def _steps(server: Examples, state: State, now: float) -> Iterator[tuple[str, float, State]]:
    """Every way on from a state: what came back, when, and what the state became."""
    match state:
        case Sending():
            for outcome, came in server.answers(state):
                yield outcome, now + 0.01, state.next(came, now + 0.01)
            # A poll that fails at the deadline after failing for a minute is worn out, which is another rule's matter.
            if state.kind in (Kind.CREATE, Kind.STREAM, Kind.POLL) and not state.life.poll_errors:
                yield AT_THE_DEADLINE, DEADLINE, state.next(_LATE, DEADLINE)
        case Reading():
            for outcome, arrived in server.arrivals(state.life):
                yield outcome, now + 0.01, state.next(arrived, now + 0.01)
            yield AT_THE_DEADLINE, DEADLINE, state.next(_LATE, DEADLINE)
        case Pausing():
            yield "the time has come", state.until, state.next(state.until)
            if state.then.kind is not Kind.CREATE:
                yield AT_THE_DEADLINE, DEADLINE, state.next(DEADLINE)
        case Settled():
            return
    yield LEAVING, now, state.leave(now)


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
