"""A blocking transport under an event loop: threads serve it, each for one exchange at a time and not for a prediction.

Open streams hold a thread while they are read, and so have a pool of their own. Where it is full, a GET is told that
the stream cannot be opened, and polls; a POST, whose answer is the stream, waits for a place. In virtual time nothing
blocks, and no thread is used.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from ..clock import SYSTEM_CLOCK, Clock, FakeClock
from ..exceptions import ConnectFailed, RequestTimeout
from ..threads import ThreadPool
from ..wire import Body, Request, Response
from .base import Transport

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
        result = error = None
        try:
            result = function(*args)
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
    :class:`~replicate_home.ConnectFailed`, or waits where it is the answer to a POST. A task that is cancelled leaves at once, its thread after the exchange.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._virtual = isinstance(getattr(transport, "clock", None), FakeClock)
        self._exchanges = ThreadPool(EXCHANGES, "replicate-home-exchange")
        self._streams = ThreadPool(STREAMS, "replicate-home-stream")
        self._open = 0
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()
        self._lock = threading.Lock()

    @property
    def clock(self) -> Clock:
        """The clock of the transport that does the work."""
        return getattr(self.transport, "clock", SYSTEM_CLOCK)

    async def send(self, request: Request, deadline: float | None) -> tuple[Response, ThreadedBody | None]:
        """Send ``request`` once, in a thread."""
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
        """Read from a body in one of the streams' threads."""
        return await self.run(self._streams, body.read, deadline)

    async def run(self, pool: ThreadPool, function: Callable[..., T], *args: Any, **options: Any) -> T:
        """Call what may block in a thread; what does not, here."""
        if not self._virtual:
            return await in_thread(pool, function, *args, **options)
        await asyncio.sleep(0)
        return function(*args)

    async def _take_place(self, request: Request, deadline: float | None) -> None:
        """Take one of the streams' places; where there is none a POST waits, for it has no other way to its answer."""
        loop = asyncio.get_running_loop()
        place: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if self._open < STREAMS:
                self._open += 1
                return
            if request.method == "POST":
                self._waiting.append((loop, place))
        if request.method != "POST":
            raise ConnectFailed(f"{STREAMS} streams are open, which is as many as have a thread", request=request)
        try:
            await asyncio.wait_for(place, None if deadline is None else max(0.0, deadline - self.clock.now()))
        except TimeoutError:
            self._stop_waiting(loop, place)
            raise RequestTimeout(f"{STREAMS} streams were open all the time", request=request, phase="connect") from None
        except BaseException:
            self._stop_waiting(loop, place)
            raise

    def _stop_waiting(self, loop: asyncio.AbstractEventLoop, place: asyncio.Future[None]) -> None:
        """Wait no more; a place that was given meanwhile is passed on."""
        with self._lock:
            waits = (loop, place) in self._waiting
            if waits:
                self._waiting.remove((loop, place))
        if not waits:
            self._give_back()

    def _give_back(self) -> None:
        """Free a place, or hand it to the one that has waited longest."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._open -= 1
                    return
                loop, place = self._waiting.popleft()
            try:
                loop.call_soon_threadsafe(_grant, place)
            except RuntimeError:  # its loop has ended meanwhile
                continue
            return

    def __repr__(self) -> str:
        return f"ThreadedTransport({self.transport!r})"


def _grant(place: asyncio.Future[None]) -> None:
    if not place.done():
        place.set_result(None)


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
