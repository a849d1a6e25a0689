"""The loop that waits: does what the state says, and hands the outcome back to it. It decides nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import assert_never

from ..clock import Clock, at_rest, at_work
from ..exceptions import ProtocolError, TransportError
from ..lifecycle.life import News
from ..lifecycle.machine import Came, Kind, Lost, Pausing, Reading, Sending, Settled, State
from ..protocol.sse import Decoder, ServerSentEvent
from ..transports.base import Transport
from ..wire import Body

UNHEARD_OF = "while creating a prediction: it may exist, and nothing has canceled it"
"""The note on what comes in the middle of a create."""


class Drive:
    """One life under way: iterate for its news; afterwards ``state`` is :class:`Settled`.

    Not a generator, so that whoever drops it decides how it ends: nothing is sent by the garbage collector.
    Another thread may call :meth:`leave` while one waits in it.
    """

    def __init__(self, state: State, transport: Transport, clock: Clock) -> None:
        self.state = state
        self.left = False
        self.body: Body | None = None
        self._decoder = Decoder()
        self._transport = transport
        self._clock = clock
        self._lock = threading.RLock()  # reentrant, for Ctrl-C may come while it is held, and leaving takes it
        self._process = os.getpid()
        self._news: Iterator[News] = iter(state.news)

    def __iter__(self) -> Drive:
        return self

    def __next__(self) -> News:
        while True:
            for news in self._news:
                return news
            if self.left or isinstance(self.state, Settled):
                raise StopIteration
            self._news = iter(self.step().news)

    def settle(self) -> Settled:
        """Go on to the end, whatever the news."""
        while not isinstance(self.state, Settled):
            self.step()
        return self.state

    def step(self) -> State:
        """Do what the state says, once; on any exception leave, and let it pass."""
        at_work(self._clock)
        try:
            return self._become(self.state, self._advance(self.state))
        except BaseException as error:
            creates = isinstance(self.state, Sending) and self.state.kind is Kind.CREATE
            self.leave()
            if creates and self.state.life.snapshot is None:
                error.add_note(UNHEARD_OF)
            if self.state.life.snapshot is not None:
                error.add_note(f"while waiting for prediction {self.state.life.snapshot.id}")
            raise
        finally:
            if isinstance(self.state, Settled):
                at_rest(self._clock)

    def leave(self) -> None:
        """The caller goes: close the stream and cancel what is ours. Leaving while leaving is over at once."""
        self.left = True
        with self._lock:
            self.state = self._left()
        self.close_body()
        while not isinstance(self.state, Settled):
            self.step()

    def read(self, until: float | None) -> bytes:
        """What has arrived of the open body; ``b""`` at its end, or where there is none."""
        body = self.body
        return b"" if body is None else body.read(self._moment(until))

    def has_to_cancel(self) -> bool:
        """Whether leaving now would send a cancel."""
        return isinstance(self._left(), Sending)

    def close_body(self) -> None:
        """Give up the open body, if any; may be called from another thread."""
        body, self.body = self.body, None
        if body is not None:
            body.close()

    def close_transport(self) -> None:
        """Close idle connections too, at the end of the interpreter: their pool's own finalizer has run already."""
        self._transport.close()

    def _left(self) -> State:
        if self._process != os.getpid():  # the copy in a forked child: the prediction is its parent's
            return Settled(self.state.life)
        return self.state.leave(self._clock.now())

    def _advance(self, state: State) -> State:
        match state:
            case Sending():
                return state.next(self._send(state), self._clock.now())
            case Pausing():
                self._clock.sleep(state.until - self._clock.now())
                return state.next(self._clock.now())
            case Reading():
                arrived = self._take(state)
                return state.next(arrived, self._clock.now(), self._decoder.retry)
            case Settled():
                return state
        assert_never(state)

    def _become(self, before: State, after: State) -> State:
        """Take on the next state; where another thread has left meanwhile, only a prediction that came of it."""
        with self._lock:
            late = self.state is not before
            if not late or (isinstance(self.state, Settled) and self.state.life.snapshot is None):
                self.state = after
        if late and self.state is after:
            self.leave()  # it was created while somebody left, who knew of nothing to cancel
        if self.body is not None and not _holds_body(self.state):
            self.close_body()
        return self.state

    def _send(self, sending: Sending) -> Came:
        self.close_body()
        try:
            response, self.body = self._transport.send(sending.request, self._moment(sending.until))
        except (TransportError, ProtocolError) as lost:
            return lost.with_traceback(None)
        if self.body is not None:
            self._decoder = Decoder()
        return response

    def _take(self, reading: Reading) -> list[ServerSentEvent] | Lost | None:
        try:
            data = self.read(reading.until)
            return self._decoder.feed(data) if data else None
        except (TransportError, ProtocolError) as lost:
            return lost.with_traceback(None)

    def _moment(self, until: float | None) -> float | None:
        """``until`` on the transport's own clock, which need not be the caller's; one without a clock has his."""
        clock = getattr(self._transport, "clock", self._clock)
        return until if until is None or clock is self._clock else until - self._clock.now() + clock.now()


def _holds_body(state: State) -> bool:
    """A stream that is being read, or the answer to a download."""
    return isinstance(state, Reading) or (isinstance(state, Settled) and state.answer is not None)
