"""A blocking transport under an event loop: threads serve it, each for one exchange at a time and not for a prediction.

Open streams hold a thread while they are read, and so have a pool of their own. Where it is full, a GET is told that
the stream cannot be opened, and polls; a POST, whose answer is the stream, waits for a place. In virtual time nothing
blocks: no thread is used, and any number of streams.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from ..clock import SYSTEM_CLOCK, Clock, FakeClock
from ..exceptions import ConnectFailed, RequestTimeout
from ..threads import ThreadPool
from ..wire import Body, Request, Response
from .async_base import ask_on, awaiting_thread
from .base import Transport
from .places import Places

T = TypeVar("T")

EXCHANGES = 64
STREAMS = 32


async def in_thread(
    pool: ThreadPool, function: Callable[..., T], *args: Any, discard: Callable[[T], None] | None = None
) -> T:
    """What ``function`` returns, run in a thread of ``pool``; ``discard`` takes a result that is awaited no more."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def job() -> None:
        if future.cancelled():
            return
        result = None
        error: BaseException | None = None
        try:
            result = function(*args)
        except StopIteration as stop:  # no future can hold it
            error = RuntimeError(f"{function!r} raised StopIteration")
            error.__cause__ = stop
        except BaseException as failure:
            error = failure
        try:
            loop.call_soon_threadsafe(_settle, future, result, error, discard)
        except RuntimeError:  # the loop has ended meanwhile
            if discard is not None and result is not None:
                discard(result)
        finally:
            del error  # it holds this frame

    pool.submit(job)
    with awaiting_thread():
        return await future


def _settle(
    future: asyncio.Future[T], result: Any, error: BaseException | None, discard: Callable[[T], None] | None
) -> None:
    if future.done():
        if discard is not None and error is None:
            discard(result)
    elif error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


class ThreadedTransport:
    """A blocking transport for event loops.

    Its threads serve at most 64 exchanges at a time and 32 streams; a stream beyond these is
    :class:`~replicate_home.ConnectFailed`, or waits where it is the answer to a POST. A task that is
    cancelled leaves at once, its thread after the exchange.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._virtual = clock if isinstance(clock := getattr(transport, "clock", None), FakeClock) else None
        self._exchanges = ThreadPool(EXCHANGES, "replicate-home-exchange")
        self._streams = ThreadPool(STREAMS, "replicate-home-stream")
        self._places = Places(STREAMS if self._virtual is None else math.inf)

    @property
    def clock(self) -> Clock:
        """The clock of the transport that does the work."""
        return getattr(self.transport, "clock", SYSTEM_CLOCK)

    async def send(self, request: Request, deadline: float | None) -> tuple[Response, ThreadedBody | None]:
        """Send ``request`` once, in a thread; see :meth:`Transport.send`."""
        if not request.streams:
            response, body = await self.run(self._exchanges, self.transport.send, request, deadline, discard=_close)
            assert body is None
            return response, None
        await self._take_place(request, deadline)
        try:
            response, body = await self.run(self._streams, self.transport.send, request, deadline, discard=_close)
        except BaseException:
            self._give_back()
            raise
        if body is None:
            self._give_back()
            return response, None
        return response, ThreadedBody(body, self)

    def cause_of(self, prediction_id: str) -> Exception | None:
        """The exception that a model in this process raised, where the transport knows it."""
        asked: Callable[[str], Exception | None] | None = getattr(self.transport, "cause_of", None)
        return None if asked is None else asked(prediction_id)

    async def close(self) -> None:
        """Have idle threads end, and give up pooled connections."""
        close = getattr(self.transport, "close", None)
        if close is not None:  # a transport that keeps nothing may do without
            close()
        self.end()

    def end(self) -> None:
        """Have idle threads end."""
        self._exchanges.end()
        self._streams.end()

    async def read(self, body: Body, deadline: float | None) -> bytes:
        """Read from ``body`` in one of the streams' threads; ``deadline`` is a time on the clock."""
        return await self.run(self._streams, body.read, deadline)

    async def run(self, pool: ThreadPool, function: Callable[..., T], *args: Any, **options: Any) -> T:
        """Call ``function`` in a thread of ``pool`` if it may block, and otherwise here."""
        if self._virtual is None:
            return await in_thread(pool, function, *args, **options)
        return await ask_on(self._virtual, partial(function, *args))

    async def _take_place(self, request: Request, deadline: float | None) -> None:
        if self._places.take():
            return
        if request.method != "POST":
            raise ConnectFailed(f"{STREAMS} streams are open, which is as many as have a thread", request=request)
        seconds = None if deadline is None else max(0.0, deadline - self.clock.now())
        try:
            await self._places.wait(seconds)
        except TimeoutError:
            message = f"{STREAMS} streams were open all the time, which is as many as have a thread"
        else:
            return
        raise RequestTimeout(message, request=request)

    def _give_back(self) -> None:
        self._places.free()

    def __repr__(self) -> str:
        return f"ThreadedTransport({self.transport!r})"


class ThreadedBody:
    """A body that is read in threads."""

    def __init__(self, body: Body, owner: ThreadedTransport) -> None:
        self._body = body
        self._owner = owner
        self._closed = False

    async def read(self, deadline: float | None) -> bytes:
        """The bytes that have arrived, waiting for the first of them in a thread."""
        return await self._owner.read(self._body, deadline)

    def close(self) -> None:
        """Give up the rest, which wakes the thread that reads."""
        closed, self._closed = self._closed, True
        if not closed:
            self._body.close()
            self._owner._give_back()


def _close(answer: tuple[Response, Body | None]) -> None:
    if answer[1] is not None:
        answer[1].close()
