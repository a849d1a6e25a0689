"""The stream for event loops: it moves one life on, and leaves it when it is left.

It is an object and no generator, so that whoever drops it decides how it ends: nothing is sent by the collector.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...drivers.adrive import AsyncDrive
from ...exceptions import ReplicateHomeError, StreamInterrupted
from ...lifecycle.life import News, Output
from ...lifecycle.machine import Settled, State
from ...records.events import Event, OutputEvent
from ...transports.async_base import run_in_new_loop
from ..engine.core import Dressing, Errand
from .results import Result
from .streams import StreamFacts

if TYPE_CHECKING:
    from ..async_client import AsyncClient


class AsyncStream(StreamFacts):
    """The output of a prediction, as it grows; the same as :class:`Stream`, for ``async for``.

    Nothing is sent before it is iterated, drained or awaited in any other way. ``break`` leaves it open as long as
    it is referenced: ``async with`` or :meth:`aclose` ends it where you stand.

    Closed, dropped or cancelled before its end it cancels the prediction, unless ``cancel_on_exit=False``: within two
    seconds, and without waiting for it where the task is cancelled once more.
    """

    __slots__ = ("__weakref__", "_begin", "_closed", "_finalizer", "_moving")
    _client: AsyncClient
    _drive: AsyncDrive | None

    def __init__(self, client: AsyncClient, begin: Callable[[], Errand[State]], dressing: Dressing) -> None:
        super().__init__(client, None, dressing)
        self._begin: Callable[[], Errand[State]] | None = begin
        self._moving = False
        self._closed = False
        self._finalizer: weakref.finalize[..., AsyncStream] | None = None

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> Any:
        while True:
            for item in self._batch:
                return item
            news = await self._next_news()
            if isinstance(news, Output):
                self._batch = iter(self._dressing.shape(news.items))

    def events(self) -> AsyncEvents:
        """The typed events: status, output, logs and, after success, done."""
        return AsyncEvents(self)

    async def text(self) -> str:
        """All text of the stream, after waiting for its end; ValueError where the output is no text."""
        return (await self.result()).text or self._said()  # what was said may be removed by now

    async def result(self) -> Result:
        """The whole output as ``run()`` returns it, after waiting for the end."""
        try:
            while True:
                await self._next_news()
        except StopAsyncIteration:
            return self._outcome()

    async def cancel(self) -> None:
        """Have the prediction canceled, from any task; whoever iterates gets :class:`ModelCanceled`.

        Where there is no prediction yet, the stream is closed.
        """
        prediction = self.prediction
        if self._drive is None or prediction is None:
            await self.aclose()
        elif not isinstance(self._drive.state, Settled):
            await self._client._do(self._cancelling(prediction))

    async def aclose(self) -> None:
        """Give up what is still to come, and cancel the prediction unless ``cancel_on_exit=False``."""
        self._closed = True
        if self._drive is not None:
            await self._drive.leave()
            self._detach()  # not before: where the event loop ends meanwhile, the finalizer sees to it

    close = aclose

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not GeneratorExit:  # then the event loop is gone, and the finalizer sees to it
            await self.aclose()

    async def _next_news(self) -> News:
        """The next news; StopAsyncIteration at the end of a success, the life's error at the end of anything else."""
        if self._moving:  # two tasks that move a life on would send its requests twice
            raise ReplicateHomeError("this stream is being iterated: it has one consumer", prediction=self.prediction)
        self._moving = True
        try:
            drive = self._drive or await self._started()
            closed_before = drive.left
            while True:
                for news in drive.news:
                    report = self._report()
                    if inspect.isawaitable(report):
                        await report
                    return news
                if drive.is_over:
                    break
                await drive.step()
        except GeneratorExit:
            raise
        except BaseException:
            if self._drive is not None:  # else it has not begun, and may be tried again
                await self.aclose()
            raise
        finally:
            self._moving = False
        self._detach()
        if isinstance(drive.state, Settled) and drive.state.error is not None:
            raise drive.state.error
        if drive.left and not closed_before:
            raise StreamInterrupted(
                "the stream was closed by another task", partial_text=self._said(), prediction=self.prediction
            )
        raise StopAsyncIteration

    async def _started(self) -> AsyncDrive:
        """The drive, after the requests that prepare the input."""
        if self._closed:
            raise StopAsyncIteration
        assert self._begin is not None
        drive = self._client._drive(await self._client._do(self._begin()), self._dressing.route)
        if self._closed:
            raise StreamInterrupted("the stream was closed by another task before it began")
        self._drive, self._begin = drive, None
        self._finalizer = weakref.finalize(self, _dropped, drive, asyncio.get_running_loop())
        return drive

    def _detach(self) -> None:
        if self._finalizer is not None:
            self._finalizer.detach()


class AsyncEvents:
    """The typed events of a stream, for ``async for``."""

    def __init__(self, stream: AsyncStream) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncEvents:
        return self

    async def __anext__(self) -> Event:
        stream = self._stream
        while True:
            for item in stream._batch:  # the stream's own, so that whoever iterates it next misses nothing
                return OutputEvent(item)
            news = await stream._next_news()
            if not isinstance(news, Output):
                return news
            stream._batch = iter(stream._dressing.shape(news.items))


def _dropped(drive: AsyncDrive, loop: asyncio.AbstractEventLoop) -> None:
    """A stream was thrown away: the collector must not wait, so its event loop does, or else a thread."""
    if loop.is_running():
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_leave_soon, drive)
            return
    drive.close_body()
    if drive.has_to_cancel():
        _leave_in_thread(drive)


def _leave_soon(drive: AsyncDrive) -> None:
    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()
        elif drive.has_to_cancel():
            _leave_in_thread(drive)  # the loop is ending, with the cancel unsent

    drive.start_leaving().add_done_callback(ended)


async def _left(drive: AsyncDrive) -> None:
    await drive.start_leaving()


def _leave_in_thread(drive: AsyncDrive) -> None:
    def leave() -> None:
        with contextlib.suppress(Exception):  # there is nobody to tell
            run_in_new_loop(_left(drive))

    try:
        threading.Thread(target=leave, name="replicate-home-leaving").start()
    except RuntimeError:  # the interpreter is ending and starts no more threads
        leave()
