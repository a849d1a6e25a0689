"""The loop that waits: does what the state says, and hands the outcome back to it. It decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from ..edges.clock import Clock
from ..edges.transport import Transport
from ..rules.lifecycle import Came, Lost, News, Pausing, Reading, Sending, Settled, State
from ..rules.sse import Decoder, ServerSentEvent
from ..words.errors import ProtocolError, TransportError
from ..words.wire import Body


class Drive:
    """One life under way: iterate for its news; afterwards ``state`` is :class:`Settled`.

    Not a generator, so that whoever drops it decides how it ends: nothing is sent by the garbage collector.
    """

    def __init__(self, state: State, transport: Transport, clock: Clock) -> None:
        self.state = state
        self.body: Body | None = None
        self._decoder = Decoder()
        self._transport = transport
        self._clock = clock
        self._news: Iterator[News] = iter(state.news)

    def __iter__(self) -> Drive:
        return self

    def __next__(self) -> News:
        while True:
            for news in self._news:
                return news
            if isinstance(self.state, Settled):
                raise StopIteration
            self._news = iter(self.step().news)

    def step(self) -> State:
        """Do what the state says, once; on any exception leave and let it pass."""
        try:
            match self.state:
                case Sending() as sending:
                    came = self._send(sending)
                    self.state = sending.next(came, self._clock.now())
                case Pausing() as pausing:
                    self._clock.sleep(pausing.until - self._clock.now())
                    self.state = pausing.next(self._clock.now())
                case Reading() as reading:
                    arrived = self._take(reading)
                    self.state = reading.next(arrived, self._clock.now(), self._decoder.retry)
                case Settled():
                    pass
                case _:
                    assert_never(self.state)
            if self.body is not None and not isinstance(self.state, Reading):
                self.close_body()
        except BaseException:
            self.leave()
            raise
        return self.state

    def settle(self) -> Settled:
        """Go on to the end, whatever the news."""
        while not isinstance(self.state, Settled):
            self.step()
        return self.state

    def leave(self) -> None:
        """The caller goes: close the stream and cancel what is ours. Leaving while leaving is over at once."""
        self.close_body()
        self.state = self.state.leave(self._clock.now())
        self._news = iter(())
        while not isinstance(self.state, Settled):
            self.step()

    def close_body(self) -> None:
        """Give up the open stream, if any; may be called from another thread."""
        body, self.body = self.body, None
        if body is not None:
            body.close()

    def _send(self, sending: Sending) -> Came:
        self.close_body()
        try:
            response, self.body = self._transport.send(sending.request, self._moment(sending.until))
        except (TransportError, ProtocolError) as lost:
            return lost.with_traceback(None)
        self._decoder = Decoder()
        return response

    def _take(self, reading: Reading) -> list[ServerSentEvent] | Lost | None:
        if self.body is None:
            return None
        try:
            data = self.body.read(self._moment(reading.until))
            return self._decoder.feed(data) if data else None
        except (TransportError, ProtocolError) as lost:
            return lost.with_traceback(None)

    def _moment(self, until: float | None) -> float | None:
        """``until`` on the transport's own clock, which need not be the caller's."""
        clock = self._transport.clock
        return until if until is None or clock is self._clock else until - self._clock.now() + clock.now()
