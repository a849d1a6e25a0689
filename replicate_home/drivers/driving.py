"""What both drivers share: a life that is under way, and what can be told of it without waiting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from ..clock import Clock
from ..exceptions import ModelError, ReplicateHomeError
from ..lifecycle.life import News
from ..lifecycle.machine import Came, Kind, Reading, Sending, Settled, State
from .gate import Gate

T = TypeVar("T")
"""The kind of transport."""
B = TypeVar("B")
"""The kind of body that comes over it."""

MAY_EXIST = (
    "while creating a prediction: it may exist, and was not canceled; client.predictions.list() (newest first) or "
    "https://replicate.com/predictions shows whether it does"
)
"""The note on an exception that cut a create short."""


class Driving(Generic[T, B]):
    """One life under way: ``news`` is what the latest step brought; at the end ``state`` is :class:`Settled`.

    It is stepped rather than iterated, so that its owner decides how it ends: the garbage collector sends nothing.
    """

    __slots__ = ("body", "clock", "gate", "left", "news", "state", "transport")

    def __init__(self, state: State, transport: T, clock: Clock, gate: Gate) -> None:
        self.state = state
        self.news: Iterator[News] = iter(state.news)
        self.left = False
        self.body: B | None = None
        self.transport = transport
        self.clock = clock
        self.gate = gate

    @property
    def is_over(self) -> bool:
        """Whether no step is left to take; its last news may still be there."""
        return self.left or isinstance(self.state, Settled)

    def close_body(self) -> None:
        """Give up the open body, if any; may be called from any thread."""
        body, self.body = self.body, None
        if body is not None:
            body.close()  # type: ignore[attr-defined]  # bodies of either kind have it

    def deadline_for(self, until: float | None) -> float | None:
        """``until`` on the transport's own clock, which need not be the caller's; one without a clock has the same."""
        clock = getattr(self.transport, "clock", self.clock)
        return until if until is None or clock is self.clock else until - self.clock.now() + clock.now()

    @property
    def creates(self) -> bool:
        """Whether a create is under way."""
        return isinstance(self.state, Sending) and self.state.kind is Kind.CREATE

    def heard(self, sending: Sending, came: Came) -> State:
        """What to do after this answer, from which others learn too."""
        now = self.clock.now()
        self.gate.heard(sending, came, now)
        return sending.next(came, now)

    def name_cause(self, state: Settled) -> None:
        """Name the exception of a model in this process as what its failure was caused by."""
        if state.error is not None:
            name_cause(state.error, self.transport)

    def explain(self, error: BaseException, creates: bool) -> None:
        """Note on an exception which prediction it was about, or that there may be one whose id is unknown."""
        snapshot = self.state.life.snapshot
        if snapshot is not None:
            error.add_note(f"while waiting for prediction {snapshot.id}")
        elif creates and not isinstance(error, ReplicateHomeError):  # such as a fake's, which creates nothing
            error.add_note(MAY_EXIST)


def name_cause(error: ReplicateHomeError, transport: Any) -> None:
    """Where a model failed: the transport may know the exception, and may raise it itself where it is a test's own."""
    ask = getattr(transport, "cause_of", None)
    if isinstance(error, ModelError) and ask is not None:
        error.__cause__ = ask(error.prediction.id)


def holds_body(state: State) -> bool:
    """Whether the body stays open: a stream that is being read, or the response to a download."""
    return isinstance(state, Reading) or (isinstance(state, Settled) and state.answer is not None)


def hears_of_create(state: Any) -> bool:
    """Whether this is a create whose response must not be lost: it has the id by which the call cancels it."""
    return (
        isinstance(state, Sending)
        and state.kind is Kind.CREATE
        and state.life.terms.cancels
        and state.expected is None
    )
