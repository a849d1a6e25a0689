"""The loop that waits, for threads: it does what the state says and returns the outcome to it. It decides nothing.

Its twin for event loops is :mod:`.adrive`: the same names in the same order.
"""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, assert_never

from ..clock import Clock, FakeClock, at_rest, at_work
from ..exceptions import ProtocolError, TransportError
from ..lifecycle.machine import Came, Lost, Pausing, Reading, Sending, Settled, State
from ..lifecycle.policy import LEAVING
from ..threads import ThreadPool
from ..wire import Body
from .driving import Driving, hears_of_create, holds_body
from .gate import Gate

if TYPE_CHECKING:
    from ..protocol.sse import ServerSentEvent
    from ..transports.base import Transport


class Drive(Driving["Transport", Body]):
    """One life under way, in a thread that waits for it; another thread may call :meth:`leave` meanwhile."""

    __slots__ = ("_create", "_lock", "_process")

    def __init__(self, state: State, transport: Transport, clock: Clock, gate: Gate) -> None:
        super().__init__(state, transport, clock, gate)
        self._create: Pending | None = None
        self._lock = threading.RLock()  # reentrant: Ctrl-C may come while it is held, and leaving takes it
        self._process = os.getpid()

    def settle(self) -> Settled:
        """Go on to the end, whatever the news."""
        while not isinstance(self.state, Settled):
            self.step()
        return self.state

    def step(self) -> State:
        """Do what the state says, once; on any exception, leave and raise it."""
        before = self.state
        if isinstance(before, Settled):
            return before
        at_work(self.clock)
        try:
            state = self._become(before, self._advance(before))
            if type(state) is Settled and (self.logs or state.error):  # a call that goes well is to make few calls
                self.end(state)
        except BaseException as error:
            creates = self.creates
            self.leave()
            self.explain(error, creates)
            raise
        finally:
            if isinstance(self.state, Settled):
                at_rest(self.clock)
        self.news = iter(() if self.left else state.news)
        return state

    def leave(self) -> None:
        """Close the stream and cancel what this life created. Leaving a second time returns at once."""
        self.left = True
        self._hear_of_create()
        with self._lock:
            self.state = self._left()
        self.close_body()
        while not isinstance(self.state, Settled):
            self.step()

    def read(self, until: float | None) -> bytes:
        """What has arrived of the open body; ``b""`` at its end, or if none is open."""
        body = self.body
        return b"" if body is None else body.read(self.deadline_for(until))

    def has_to_cancel(self) -> bool:
        """Whether leaving now would send a cancel."""
        return isinstance(self._left(), Sending) or self._create is not None

    def close_transport(self) -> None:
        """Close idle connections too, when the interpreter ends and their pool's own finalizer has already run."""
        self.transport.close()

    def _advance(self, state: Sending | Pausing | Reading) -> State:
        match state:
            case Sending():
                return self._send(state)
            case Pausing():
                return self._pause(state)
            case Reading():
                return self._read_on(state)
        assert_never(state)

    def _send(self, sending: Sending) -> State:
        self.close_body()
        now = self.clock.now()
        moment = self.gate.moment(sending, now)
        if moment > now:
            return sending.delayed(moment, now)
        if self._may_be_interrupted(sending):
            self._create = Pending(partial(self._exchange, sending))
            came = self._create.result()
            self._create = None
        else:
            came = self._exchange(sending)
        return self.heard(sending, came)

    def _pause(self, pausing: Pausing) -> State:
        if pausing.failure is not None and not self.gate.lends(pausing.failure):
            return pausing.denied()
        self.clock.sleep(pausing.until - self.clock.now())
        return pausing.next(self.clock.now())

    def _read_on(self, reading: Reading) -> State:
        arrived = self._take(reading)
        return reading.next(arrived, self.clock.now(), None if self.decoder is None else self.decoder.retry)

    def _become(self, before: State, after: State) -> State:
        """Take on the next state; if another thread has left meanwhile, only for a prediction that was created."""
        with self._lock:
            late = self.state is not before
            if not late or (isinstance(self.state, Settled) and self.state.life.snapshot is None):
                self.state = after
        if late and self.state is after:
            self.leave()  # it was created after the other thread had left
        if self.body is not None and not holds_body(self.state):
            self.close_body()
        return self.state

    def _exchange(self, sending: Sending) -> Came:
        answered = self.asked(sending) if self.logs else None
        came: Came
        try:
            came, self.body = self.transport.send(sending.request, self.deadline_for(sending.until))
            self.decoder = None
        except (TransportError, ProtocolError) as lost:
            came = lost.with_traceback(None)
        if answered is not None:
            answered(came)
        return came

    def _take(self, reading: Reading) -> list[ServerSentEvent] | Lost | None:
        try:
            return self.decoded(self.read(reading.until))
        except (TransportError, ProtocolError) as lost:
            return lost.with_traceback(None)

    def _may_be_interrupted(self, sending: Sending) -> bool:
        """Whether Ctrl-C could lose the id of a prediction that must be canceled; in virtual time nothing waits."""
        return (
            hears_of_create(sending)
            and threading.current_thread() is threading.main_thread()
            and not isinstance(getattr(self.transport, "clock", self.clock), FakeClock)
        )

    def _hear_of_create(self) -> None:
        """Wait for the response to a create under way: without it there is no id to cancel."""
        create, self._create = self._create, None
        before = self.state
        came = None if create is None else create.heard(LEAVING)
        if came is None or not isinstance(before, Sending):
            return
        after = before.next(came, self.clock.now())
        with self._lock:
            if self.state is before:
                self.state = after

    def _left(self) -> State:
        if self._process != os.getpid():  # the copy in a forked child: the prediction is its parent's
            return Settled(self.state.life)
        return self.state.leave(self.clock.now())


class Pending:
    """A request that another thread sends than the one that waits for it.

    An interrupt of the waiting thread does not pass through the transport, which would drop the connection and with it
    the response: it can be waited for a little longer.
    """

    def __init__(self, ask: Callable[[], Came]) -> None:
        self._pending = threading.Lock()  # a tenth of the cost of an Event
        self._pending.acquire()
        self._came: Came | None = None
        self._error: BaseException | None = None
        _creates.submit(partial(contextvars.copy_context().run, self._work, ask))

    def heard(self, seconds: float) -> Came | None:
        """The response, or why there is none; None if it does not come within so many seconds."""
        if self._pending.acquire(timeout=seconds):
            self._pending.release()
        return self._came

    def result(self) -> Came:
        """The response, or why there is none; raises what the transport should not have raised."""
        while not self._pending.acquire(timeout=1.0):  # on some systems only a wait with a timeout can be interrupted
            continue
        self._pending.release()
        if self._error is not None:
            raise self._error
        assert self._came is not None
        return self._came

    def _work(self, ask: Callable[[], Came]) -> None:
        try:
            self._came = ask()
        except BaseException as failure:
            self._error = failure
        self._pending.release()


_creates = ThreadPool(64, "replicate-home-create")
