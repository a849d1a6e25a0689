"""What both drivers share: a life under way, and what is known of it without waiting."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..clock import Clock
from ..exceptions import ModelError, ReplicateHomeError
from ..lifecycle.life import News
from ..lifecycle.machine import Came, Kind, Reading, Sending, Settled, State
from .gate import Gate

LOGGER = logging.getLogger("replicate_home")
LOGGER.addHandler(logging.NullHandler())
if level := os.environ.get("REPLICATE_HOME_LOG"):
    from .log import show

    show(level)

if TYPE_CHECKING:
    from ..protocol.sse import Decoder, ServerSentEvent

T = TypeVar("T")
"""The kind of transport."""
B = TypeVar("B")
"""The kind of its bodies."""

MAY_EXIST = (
    "while creating a prediction: it may exist, and was not canceled; client.predictions.list() (newest first) or "
    "https://replicate.com/predictions shows whether it does"
)
"""The note on an exception that cut a create short."""


class Driving(Generic[T, B]):
    """One life under way: ``news`` is what the latest step brought; at the end ``state`` is :class:`Settled`.

    It is stepped rather than iterated, so that its owner decides how it ends: the garbage collector sends nothing.
    """

    __slots__ = ("body", "clock", "decoder", "gate", "left", "logs", "news", "state", "transport")

    def __init__(self, state: State, transport: T, clock: Clock, gate: Gate) -> None:
        self.state = state
        self.news: Iterator[News] = iter(state.news)
        self.left = False
        self.logs = LOGGER.isEnabledFor(logging.INFO)
        self.body: B | None = None
        self.decoder: Decoder | None = None
        self.transport = transport
        self.clock = clock
        self.gate = gate

    @property
    def is_over(self) -> bool:
        """Whether no step is left; the last news may not have been read yet."""
        return self.left or isinstance(self.state, Settled)

    def close_body(self) -> None:
        """Close the open body, if any; may be called from any thread."""
        body, self.body = self.body, None
        if body is not None:
            body.close()  # type: ignore[attr-defined]  # bodies of either kind have it

    def decoded(self, data: bytes) -> list[ServerSentEvent] | None:
        """The events that these bytes of the stream complete; None at its end."""
        if not data:
            return None
        if self.decoder is None:
            from ..protocol.sse import Decoder  # 3 ms, which a call without a stream saves

            self.decoder = Decoder()
        return self.decoder.feed(data)

    def deadline_for(self, until: float | None) -> float | None:
        """``until`` on the transport's clock, if it has one of its own."""
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

    def end(self, state: Settled) -> None:
        """Log the end, and make the exception of a model in this process the cause of its failure."""
        if state.error is not None:
            name_cause(state.error, self.transport)
        if self.logs:  # set when the life begins, which spares a call for each request
            from .log import ended

            ended(state)

    def asked(self, sending: Sending) -> Callable[[Came], None]:
        """Begin to time a request, for the log; what is returned is told what came of it."""
        from .log import asked

        return asked(sending, self.clock)

    def explain(self, error: BaseException, creates: bool) -> None:
        """Add a note to an exception: the prediction it is about, or that there may be one whose id is unknown."""
        snapshot = self.state.life.snapshot
        if snapshot is not None:
            error.add_note(f"while waiting for prediction {snapshot.id}")
        elif creates and not isinstance(error, ReplicateHomeError):  # such as a fake's, which creates nothing
            error.add_note(MAY_EXIST)


def name_cause(error: ReplicateHomeError, transport: Any) -> None:
    """Make the model's own exception the cause, if the transport knows it; a test's own is raised instead."""
    ask = getattr(transport, "cause_of", None)
    if isinstance(error, ModelError) and ask is not None:
        error.__cause__ = ask(error.prediction.id)


def holds_body(state: State) -> bool:
    """Whether the body stays open: a stream that is being read, or the response to a download."""
    return isinstance(state, Reading) or (isinstance(state, Settled) and state.answer is not None)


def hears_of_create(state: Any) -> bool:
    """Whether this is a create whose response must not be lost: the call needs the id in it to cancel."""
    return (
        isinstance(state, Sending)
        and state.kind is Kind.CREATE
        and state.life.terms.cancels
        and state.expected is None
    )
