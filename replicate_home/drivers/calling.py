"""Calls of several requests, written once for both drivers: generators that yield lives and are sent their ends.

They neither wait nor know the time: what they yield becomes a state when it is about to be sent, so that each request's
limits count from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import TypeVar

from ..clock import Clock
from ..exceptions import ModelError, ProtocolError
from ..lifecycle.life import Terms
from ..lifecycle.machine import Settled, State, following, plain
from ..records.prediction import Snapshot
from ..wire import Request, Response
from .drive import Drive

T = TypeVar("T")

Beginning = Callable[[float], State]
"""Makes the state that a life begins with, from the time when it begins."""
Calling = Generator[Beginning, Settled, T]
"""A call of several requests, which returns its value."""


def call(steps: Calling[T], drive: Callable[[State], Drive], clock: Clock) -> T:
    """Make the requests of ``steps`` one after the other, and return its value."""
    over: Settled | None = None
    while True:
        begins, value = advanced(steps, over)
        if begins is None:
            return value  # type: ignore[return-value]  # the generator's own
        over = drive(begins(clock.now())).settle()


def advanced(steps: Calling[T], over: Settled | None) -> tuple[Beginning | None, T | None]:
    """The next life of ``steps``, or its value at the end, as StopIteration cannot pass through a future."""
    try:
        return (next(steps) if over is None else steps.send(over)), None
    except StopIteration as done:
        return None, done.value


def response_to(terms: Terms, request: Request, *, repeatable: bool = False) -> Calling[Response]:
    """One request of the API; raises the error it ended with. ``repeatable`` marks a POST that is harmless twice."""
    over = yield partial(plain, terms, request, repeatable=repeatable)
    if over.error is not None:
        raise over.error
    assert over.answer is not None
    return over.answer


def read(request: Request, reader: Callable[[], T]) -> T:
    """What ``reader`` makes of the response to ``request``; an error for one that makes no sense names the URL."""
    try:
        return reader()
    except ProtocolError as error:
        from ..protocol.problems import unreadable  # only errors need it

        failure = unreadable(request, error)
    raise failure


def ended(terms: Terms, snapshot: Snapshot) -> Calling[Snapshot]:
    """The prediction as it ends, failed or not; raises if it could not be followed to its end."""
    if snapshot.is_terminal:
        return snapshot
    over = yield partial(following, terms, snapshot)
    if isinstance(over.error, ModelError) and over.life.snapshot is not None:
        return over.life.snapshot
    return snapshot_of(over)


def snapshot_of(over: Settled) -> Snapshot:
    """The last snapshot of a life that succeeded; raises the error of any other."""
    if over.error is not None:
        raise over.error
    assert over.life.snapshot is not None
    return over.life.snapshot
