"""The loop that waits, for event loops: the twin of :mod:`.drive`. It decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from functools import partial
from typing import Any, assert_never

from ..clock import Clock
from ..exceptions import Disconnected, ProtocolError, TransportError
from ..lifecycle.life import News
from ..lifecycle.machine import Came, Kind, Lost, Pausing, Reading, Sending, Settled, State
from ..lifecycle.policy import LEAVING
from ..protocol.sse import Decoder, ServerSentEvent
from ..transports.async_base import AsyncBody, AsyncTransport, sleep_on
from .drive import UNHEARD_OF

Leaving = set["asyncio.Task[None]"]
"""The tasks that leave lives, for whoever closes the client to wait for."""


class AsyncDrive:
    """One life under way: ``news`` is what the latest step has brought; in the end ``state`` is :class:`Settled`.

    It is stepped and not iterated, as its twin is: a call that waits has one coroutine less.

    Whoever is cancelled while he waits in it leaves: for that he waits two seconds at most, two more where the server
    holds the create, and no longer where he is cancelled once more; the leaving goes on in a task of its own.
    """

    __slots__ = (
        "_all_leaving",
        "_clock",
        "_create",
        "_decoder",
        "_impatient",
        "_leaving",
        "_transport",
        "body",
        "left",
        "news",
        "state",
    )

    def __init__(self, state: State, transport: AsyncTransport, clock: Clock, leaving: Leaving) -> None:
        self.state = state
        self.left = False
        self.body: AsyncBody | None = None
        self._decoder: Decoder | None = None
        self._transport = transport
        self._clock = clock
        self.news: Iterator[News] = iter(state.news)
        self._all_leaving = leaving
        self._leaving: asyncio.Task[None] | None = None
        self._impatient = False
        self._create: asyncio.Task[Came] | None = None

    @property
    def is_over(self) -> bool:
        """Whether no step is left to take; its last news may still be there."""
        return self.left or isinstance(self.state, Settled)

    async def settle(self) -> Settled:
        """Go on to the end, whatever the news."""
        while not isinstance(self.state, Settled):
            await self.step()
        return self.state

    async def step(self) -> State:
        """Do what the state says, once; on any exception leave, and let it pass."""
        before = self.state
        if isinstance(before, Settled):
            return before
        try:
            state = self._become(before, await self._advance(before))
        except GeneratorExit:  # the event loop is gone, and nothing can be waited for
            self.left = True
            self.close_body()
            raise
        except BaseException as error:
            creates = isinstance(self.state, Sending) and self.state.kind is Kind.CREATE
            await self.leave()
            if creates and self.state.life.snapshot is None:
                error.add_note(UNHEARD_OF)
            if self.state.life.snapshot is not None:
                error.add_note(f"while waiting for prediction {self.state.life.snapshot.id}")
            raise
        self.news = iter(() if self.left else state.news)  # left by another task: what the state says is old
        return state

    async def leave(self) -> None:
        """The caller goes: close the stream and cancel what is ours, soon or in the background."""
        self.left = True
        if self._impatient or (self.body is None and isinstance(self.state, Settled)):
            return
        patience = LEAVING if self._create is None else LEAVING + min(LEAVING, self.state.life.terms.hold)
        leaving = self.start_leaving()
        try:
            await asyncio.wait({leaving}, timeout=patience)
        finally:
            self._impatient = not leaving.done()
        if leaving.done() and not leaving.cancelled():
            leaving.result()

    def start_leaving(self) -> asyncio.Task[None]:
        """Leave in a task, and wait for nothing."""
        self.left = True
        if self._leaving is None or self._leaving.cancelled() or not _is_of_this_loop(self._leaving):
            self._leaving = asyncio.ensure_future(self._leave())
            self._all_leaving.add(self._leaving)
            self._leaving.add_done_callback(self._all_leaving.discard)
        return self._leaving

    async def read(self, until: float | None) -> bytes:
        """What has arrived of the open body; ``b""`` at its end, or where there is none."""
        body = self.body
        return b"" if body is None else await body.read(self._moment(until))

    def has_to_cancel(self) -> bool:
        """Whether leaving now would send a cancel."""
        return isinstance(self.state.leave(self._clock.now()), Sending) or self._create is not None

    def close_body(self) -> None:
        """Give up the open body, if any; may be called from any thread."""
        body, self.body = self.body, None
        if body is not None:
            body.close()

    async def _leave(self) -> None:
        """Until it is done the state stays what it was, so that it can be done again where the event loop ends."""
        await self._hear_of_create()
        self.close_body()
        state = self.state.leave(self._clock.now())
        while not isinstance(state, Settled):
            state = await self._advance(state)
        self.state = state

    def _advance(self, state: Sending | Pausing | Reading) -> Awaitable[State]:
        match state:
            case Sending():
                return self._send(state)
            case Pausing():
                return self._pause(state)
            case Reading():
                return self._read_on(state)
        assert_never(state)

    async def _pause(self, pausing: Pausing) -> State:
        await sleep_on(self._clock, pausing.until - self._clock.now())
        return pausing.next(self._clock.now())

    async def _read_on(self, reading: Reading) -> State:
        arrived = await self._take(reading)
        return reading.next(arrived, self._clock.now(), None if self._decoder is None else self._decoder.retry)

    def _become(self, before: State, after: State) -> State:
        """Take on the next state, unless somebody else has left meanwhile."""
        if self.state is before and not self.left:
            self.state = after
        if self.body is not None and (self.left or not _holds_body(self.state)):
            self.close_body()
        return self.state

    async def _send(self, sending: Sending) -> State:
        self.close_body()
        if sending.kind is not Kind.CREATE or not sending.life.terms.cancels:
            return sending.next(await self._exchange(sending), self._clock.now())
        # Not torn off where the caller is cancelled: without the answer there is no id to cancel the prediction by.
        create = self._create = asyncio.create_task(self._exchange(sending), name="replicate_home create")
        heard = asyncio.get_running_loop().create_future()
        create.add_done_callback(partial(_tell, heard))
        await heard
        self._create = None
        lost = Disconnected("left", phase="wait", may_have_been_processed=True) if create.cancelled() else None
        return sending.next(lost or create.result(), self._clock.now())

    async def _hear_of_create(self) -> None:
        """Wait for the answer to a create that is under way, as long as the server may hold it, and take it in."""
        create, self._create = self._create, None
        if create is None or not _is_of_this_loop(create):
            return
        before = self.state
        try:
            await asyncio.wait({create}, timeout=before.life.terms.hold + LEAVING)
        finally:
            create.cancel()
        if create.done() and not create.cancelled() and isinstance(before, Sending):
            self.state = before.next(create.result(), self._clock.now())

    async def _exchange(self, sending: Sending) -> Came:
        try:
            response, self.body = await self._transport.send(sending.request, self._moment(sending.until))
        except (TransportError, ProtocolError) as lost:
            return lost.with_traceback(None)
        self._decoder = None
        return response

    async def _take(self, reading: Reading) -> list[ServerSentEvent] | Lost | None:
        try:
            data = await self.read(reading.until)
            if not data:
                return None
            self._decoder = self._decoder or Decoder()
            return self._decoder.feed(data)
        except (TransportError, ProtocolError) as lost:
            return lost.with_traceback(None)

    def _moment(self, until: float | None) -> float | None:
        """``until`` on the transport's own clock, which need not be the caller's; one without a clock has his."""
        clock = getattr(self._transport, "clock", self._clock)
        return until if until is None or clock is self._clock else until - self._clock.now() + clock.now()


def _tell(waiter: asyncio.Future[None], _: asyncio.Task[Any]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _is_of_this_loop(task: asyncio.Task[Any]) -> bool:
    return task.get_loop() is asyncio.get_running_loop()


def _holds_body(state: State) -> bool:
    """A stream that is being read, or the answer to a download."""
    return isinstance(state, Reading) or (isinstance(state, Settled) and state.answer is not None)
