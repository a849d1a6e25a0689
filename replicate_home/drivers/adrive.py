"""The loop that waits, for event loops: it does what the state says and returns the outcome to it. It decides nothing.

Its twin for threads is :mod:`.drive`: the same names in the same order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any, assert_never

from ..clock import Clock
from ..exceptions import Disconnected, ProtocolError, TransportError
from ..lifecycle.machine import Came, Lost, Pausing, Reading, Sending, Settled, State
from ..lifecycle.policy import LEAVING
from ..transports.async_base import AsyncBody, AsyncTransport, sleep_on
from .driving import Driving, hears_of_create, holds_body
from .gate import Gate

if TYPE_CHECKING:
    from ..protocol.sse import ServerSentEvent

Leaving = set["asyncio.Task[None]"]
"""The tasks that leave lives; closing a client waits for them."""


class AsyncDrive(Driving[AsyncTransport, AsyncBody]):
    """One life under way, in a task that awaits it.

    A task that is canceled leaves, and waits for that at most two seconds, or until it is canceled again; leaving goes
    on in a task of its own.
    """

    __slots__ = ("_create", "_impatient", "_leaving", "_leaving_tasks")

    def __init__(
        self, state: State, transport: AsyncTransport, clock: Clock, gate: Gate, leaving: Leaving
    ) -> None:
        super().__init__(state, transport, clock, gate)
        self._create: asyncio.Task[Came] | None = None
        self._leaving_tasks = leaving
        self._leaving: asyncio.Task[None] | None = None
        self._impatient = False

    async def settle(self) -> Settled:
        """Go on to the end, whatever the news."""
        while not isinstance(self.state, Settled):
            await self.step()
        return self.state

    async def step(self) -> State:
        """Do what the state says, once; on any exception, leave and raise it."""
        before = self.state
        if isinstance(before, Settled):
            return before
        try:
            state = self._become(before, await self._advance(before))
            if type(state) is Settled and (self.logs or state.error):  # a call that goes well is to make few calls
                self.end(state)
        except GeneratorExit:  # the event loop is gone, and nothing can be awaited
            self.left = True
            self.close_body()
            raise
        except BaseException as error:
            creates = self.creates
            await self.leave()
            self.explain(error, creates)
            raise
        self.news = iter(() if self.left else state.news)
        return state

    async def leave(self) -> None:
        """Close the stream and cancel what this life created, within two seconds or in the background."""
        self.left = True
        if self._impatient or (self.body is None and isinstance(self.state, Settled)):
            return
        patience = LEAVING if self._create is None else 2 * LEAVING  # for the create, and then for the cancel
        leaving = self.start_leaving()
        try:
            await asyncio.wait({leaving}, timeout=patience)
        finally:
            self._impatient = not leaving.done()
        if leaving.done() and not leaving.cancelled():
            leaving.result()

    def start_leaving(self) -> asyncio.Task[None]:
        """Leave in a task, without waiting."""
        self.left = True
        if self._leaving is None or self._leaving.cancelled() or not _is_of_this_loop(self._leaving):
            self._leaving = asyncio.ensure_future(self._leave())
            self._leaving_tasks.add(self._leaving)
            self._leaving.add_done_callback(self._leaving_tasks.discard)
        return self._leaving

    async def read(self, until: float | None) -> bytes:
        """What has arrived of the open body; ``b""`` at its end, or if none is open."""
        body = self.body
        return b"" if body is None else await body.read(self.deadline_for(until))

    def has_to_cancel(self) -> bool:
        """Whether leaving now would send a cancel."""
        return isinstance(self.state.leave(self.clock.now()), Sending) or self._create is not None

    def _advance(self, state: Sending | Pausing | Reading) -> Awaitable[State]:
        match state:
            case Sending():
                return self._send(state)
            case Pausing():
                return self._pause(state)
            case Reading():
                return self._read_on(state)
        assert_never(state)

    async def _send(self, sending: Sending) -> State:
        self.close_body()
        now = self.clock.now()
        moment = self.gate.moment(sending, now)
        if moment > now:
            return sending.delayed(moment, now)
        if not hears_of_create(sending):
            return self.heard(sending, await self._exchange(sending))
        self._create = create = asyncio.create_task(self._exchange(sending), name="replicate_home create")
        await _end_of(create)
        self._create = None
        lost = Disconnected("left", phase="wait", may_have_been_processed=True) if create.cancelled() else None
        return self.heard(sending, lost or create.result())

    async def _pause(self, pausing: Pausing) -> State:
        if pausing.failure is not None and not self.gate.lends(pausing.failure):
            return pausing.denied()
        await sleep_on(self.clock, pausing.until - self.clock.now())
        return pausing.next(self.clock.now())

    async def _read_on(self, reading: Reading) -> State:
        arrived = await self._take(reading)
        return reading.next(arrived, self.clock.now(), None if self.decoder is None else self.decoder.retry)

    def _become(self, before: State, after: State) -> State:
        """Take on the next state, unless another task has left meanwhile."""
        if self.state is before and not self.left:
            self.state = after
        if self.body is not None and (self.left or not holds_body(self.state)):
            self.close_body()
        return self.state

    async def _exchange(self, sending: Sending) -> Came:
        answered = self.asked(sending) if self.logs else None
        came: Came
        try:
            came, self.body = await self.transport.send(sending.request, self.deadline_for(sending.until))
            self.decoder = None
        except (TransportError, ProtocolError) as lost:
            came = lost.with_traceback(None)
        if answered is not None:
            answered(came)
        return came

    async def _take(self, reading: Reading) -> list[ServerSentEvent] | Lost | None:
        try:
            return self.decoded(await self.read(reading.until))
        except (TransportError, ProtocolError) as lost:
            return lost.with_traceback(None)

    async def _hear_of_create(self) -> None:
        """Wait for the response to a create under way: without it there is no id to cancel."""
        create, self._create = self._create, None
        before = self.state
        if create is None or not isinstance(before, Sending) or not _is_of_this_loop(create):
            return
        try:
            await asyncio.wait({create}, timeout=LEAVING)
        finally:
            create.cancel()
        if create.done() and not create.cancelled() and create.exception() is None:
            self.state = before.next(create.result(), self.clock.now())

    async def _leave(self) -> None:
        """The state changes only at the end, so that leaving can be repeated if the event loop ends."""
        await self._hear_of_create()
        self.close_body()
        state = self.state.leave(self.clock.now())
        while not isinstance(state, Settled):
            state = await self._advance(state)
        self.state = state


def _end_of(create: asyncio.Task[Came]) -> asyncio.Future[None]:
    """The end of a create, which goes on if the task that awaits it is canceled: its id may be needed.

    A future rather than a coroutine: one frame less in each of thousands of waiting calls.
    """
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    create.add_done_callback(partial(_wake, ended))
    return ended


def _wake(waiter: asyncio.Future[None], _: asyncio.Task[Any]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _is_of_this_loop(task: asyncio.Task[Any]) -> bool:
    return task.get_loop() is asyncio.get_running_loop()
