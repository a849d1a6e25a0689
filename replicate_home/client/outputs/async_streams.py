"""The stream for event loops: it steps one life, and leaves it when the stream is closed or dropped.

It is an object rather than a generator, so that a dropped one is ended here and not by the garbage collector.
"""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from ...drivers.adrive import AsyncDrive
from ...drivers.leaving import adropped
from ...exceptions import StreamInterrupted
from ...lifecycle.life import News, Output
from ...lifecycle.machine import Settled
from ...records.events import Event, OutputEvent
from ...records.prediction import Snapshot
from ..engine.async_engine import AsyncEngine
from ..engine.calls import RunOptions
from ..engine.routing import Route
from .download import AsyncFiles
from .results import Result
from .streams import Delivery, Format

Begin = Callable[[], Awaitable[AsyncDrive]]
"""Makes the requests that prepare the input, and returns the life of the prediction."""


class AsyncStream(AsyncIterator[str]):
    """The output of a prediction, as it arrives; the same as :class:`Stream`, for ``async for``.

    Nothing is sent until you iterate it or await one of its methods. After a ``break`` it stays open for as long as it
    is referenced; ``async with`` or :meth:`aclose` closes it at once.

    Closing or dropping it before its end, or canceling its task, cancels the prediction within two seconds, unless
    ``cancel_on_exit=False``. Canceling the task a second time ends that wait.
    """

    if not TYPE_CHECKING:

        def __iter__(self) -> Any:
            raise TypeError("a stream of AsyncClient is iterated with `async for`")

    __slots__ = (
        "__weakref__", "_batch", "_begin", "_closed", "_delivery", "_ended", "_engine", "_finalizer", "_life",
        "_moving", "_route",
    )  # fmt: skip

    def __init__(self, engine: AsyncEngine, route: Route, format: Format, begin: Begin) -> None:
        self._engine = engine
        self._route = route
        self._delivery = Delivery(format)
        self._life: AsyncDrive | None = None
        self._batch: Iterator[Any] = iter(())
        self._ended = False
        self._begin: Begin | None = begin
        self._moving = False
        self._closed = False
        self._finalizer: weakref.finalize[..., AsyncStream] | None = None

    @classmethod
    def of(cls, engine: AsyncEngine, options: RunOptions, *, delivers: bool) -> AsyncStream:
        """The stream of a new prediction; ``delivers`` is whether its output is handed out as it grows."""
        route = engine.route(options.model)
        begin = partial(engine.begin, options, route, delivers=delivers)
        return cls(engine, route, Format.of(options, route.dialect.base_url, AsyncFiles(engine, route)), begin)

    @property
    def prediction(self) -> Snapshot | None:
        """The latest snapshot; None until the prediction has been created."""
        return self._delivery.prediction

    def __await__(self) -> Generator[Any, None, AsyncStream]:
        """The stream itself, at once: the official client's ``async_stream()`` is awaited first."""
        return _itself(self).__await__()

    def __aiter__(self) -> AsyncStream:
        if self._ended:
            raise self._delivery.ended()
        return self

    async def __anext__(self) -> str:
        while True:
            for item in self._batch:
                return item  # type: ignore[no-any-return]  # text, or what the class says
            await self._next_news()

    def events(self) -> AsyncEvents:
        """The typed events: status, output, logs and, after success, done."""
        return AsyncEvents(aiter(self), self._next_event)

    async def text(self) -> str:
        """Wait for the end and return all text; raises ValueError if the output is not text."""
        return (await self.result()).text or self._delivery.text()  # the server may have removed what was delivered

    async def result(self) -> Result:
        """Wait for the end and return the whole output, as ``run()`` does."""
        self._batch = iter(())
        try:
            while True:
                await self._next_news(keeps=False)
        except StopAsyncIteration:
            snapshot, terms = self._delivery.succeeded()
        format, engine = self._delivery.format, self._engine
        asking = format.asking(engine, terms, snapshot)
        return format.result(snapshot, () if asking is None else await engine.perform(asking, self._route))

    async def cancel(self) -> None:
        """Cancel the prediction, from any task; iterating the stream then raises :class:`ModelCanceled`.

        If there is no prediction yet, the stream is closed.
        """
        prediction = self.prediction
        if self._life is None or prediction is None:
            await self.aclose()
        elif not isinstance(self._life.state, Settled):
            await self._engine.cancel(prediction, self._route)

    async def aclose(self) -> None:
        """Stop reading, and cancel the prediction unless ``cancel_on_exit=False``."""
        self._closed = self._ended = True
        if self._life is not None:
            await self._life.leave()
            self._detach()  # not earlier: if the event loop ends meanwhile, the finalizer takes over

    close = aclose

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not GeneratorExit:  # then the event loop has ended, and the finalizer takes over
            await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncStream(prediction={self.prediction!r}; await .text() or .result() for its end)"

    def __reduce__(self) -> Any:
        raise TypeError("a stream cannot be pickled or copied: it can be read only once; pass on .result()")

    async def _next_event(self) -> Event:
        while True:
            for item in self._batch:  # the stream's own, so that iterating it later skips nothing
                return OutputEvent(item)
            news = await self._next_news()
            if not isinstance(news, Output):
                return news

    async def _next_news(self, *, keeps: bool = True) -> News:
        """The next news, its items kept for iteration; raises at the end, and if another task is reading."""
        if self._moving:  # two tasks stepping one life would send its requests twice
            raise self._delivery.busy()
        self._moving = True
        try:
            life = self._life or await self._started()
            left_before = life.left
            while True:
                for news in life.news:
                    if keeps and isinstance(news, Output):
                        self._batch = iter(self._delivery.format.items(news.items))
                    report = self._delivery.report()
                    if inspect.isawaitable(report):
                        await report
                    return news
                if life.is_over:
                    break
                await life.step()
        except GeneratorExit:
            raise
        except BaseException:
            if self._life is not None:  # otherwise it has not begun, and may be tried again
                await self.aclose()
            raise
        finally:
            self._moving = False
        raise self._end(life, left_before)

    def _end(self, life: AsyncDrive, left_before: bool) -> BaseException:
        """StopAsyncIteration if the life succeeded, its error otherwise."""
        self._ended = True
        self._detach()
        if isinstance(life.state, Settled) and life.state.error is not None:
            return life.state.error
        if life.left and not left_before:
            return self._delivery.interrupted("the stream was closed by another task")
        return StopAsyncIteration()

    async def _started(self) -> AsyncDrive:
        """The life, after the requests that prepare the input."""
        if self._closed:
            raise StopAsyncIteration
        assert self._begin is not None
        life = await self._begin()
        if self._closed:
            raise StreamInterrupted("the stream was closed by another task before it began")
        self._life = self._delivery.life = life
        self._begin = None
        self._finalizer = weakref.finalize(self, adropped, life, asyncio.get_running_loop())
        return life

    def _detach(self) -> None:
        if self._finalizer is not None:
            self._finalizer.detach()


async def _itself(stream: AsyncStream) -> AsyncStream:
    return stream


class AsyncEvents(AsyncIterator[Event]):
    """The typed events of a stream, for ``async for``."""

    def __init__(self, stream: AsyncStream, next_event: Callable[[], Awaitable[Event]]) -> None:
        self._stream = stream  # kept alive while its events are read
        self._next_event = next_event

    async def __anext__(self) -> Event:
        return await self._next_event()
