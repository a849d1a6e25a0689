"""A batch as callers see it: an iterator of items, for threads and event loops, that pulls inputs as it needs them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sized
from typing import Any

import attrs

from ...dialects.refs import ModelRef
from ...exceptions import CreateOutcomeUnknown, InvalidInput
from ..engine.async_connections import AsyncConnections
from ..engine.async_engine import AsyncEngine
from ..engine.calls import MapOptions
from ..engine.engine import BaseEngine, Engine
from ..engine.routing import Route
from ..outputs.download import AsyncFiles, Files, FileSource
from ..outputs.streams import Format
from .common import Common
from .items import BatchItem, Pending, Summary, Tally
from .journal import Journal
from .loop_thread import LoopThread
from .work import Work

_NO_MORE = object()
_OF_EACH = frozenset({"wait", "webhook", "webhook_events_filter", "use_file_output", "file_encoding_strategy"})
"""The options of ``use()`` that hold for each prediction of ``f.map()``."""


class BaseBatch:
    """What both kinds of batches know without waiting."""

    _work: Work

    def __init__(self, engine: BaseEngine, options: MapOptions, each: Mapping[str, Any]) -> None:
        self._engine = engine
        self._options = options
        self._each = each
        self._tally = Tally()
        self._bar: Any = None

    @property
    def summary(self) -> Summary:
        """How it went so far."""
        self._tally.canceled = self._work.canceled
        return self._tally.summary(self._engine.clock.now())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary})"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from ..outputs.notebook import table  # only notebooks need it

        return table(attrs.asdict(self.summary))

    def __reduce__(self) -> Any:
        raise TypeError("a batch cannot be pickled or copied; with the same journal=, map() continues it")

    def _common(self, connections: AsyncConnections, route: Route, source: FileSource) -> Common:
        ModelRef.parse(self._options.model, aliases=route.dialect.aliases)
        base_url = route.dialect.base_url
        format = Format(base_url, source if self._each.get("use_file_output", True) else None)
        path = self._options.journal
        journal = None
        if path is not None:
            facts = {"model": str(self._options.model), "backend": route.dialect.name, "base_url": base_url}
            journal = Journal(path, facts)
        each = {name: value for name, value in self._each.items() if name in _OF_EACH}
        try:
            return Common(self._engine.settings, connections, route, self._options, each, journal, format)
        except BaseException:
            if journal is not None:
                journal.close()
            raise

    def _may_pull(self, pulled: int) -> bool:
        """Whether one more input is to be pulled: at most two where an item is ready already."""
        if self._work.common.stopped is not None:
            return False
        under_way = self._tally.taken - self._tally.handed_out
        return under_way < 2 * self._options.concurrency and (pulled < 2 or not self._work.has_ready)

    def _pending(self, given: Any) -> Pending:
        """The next input that was pulled; a :class:`Pending` is one of an earlier run of this batch."""
        self._begin()
        index = self._tally.taken
        self._tally.taken += 1
        return given if isinstance(given, Pending) else Pending(index, _checked(given, index))

    def _begin(self) -> None:
        if self._tally.began is not None:
            return
        self._tally.began = self._engine.clock.now()
        if self._options.progress:
            from ..outputs.progress import tqdm_class  # only needed if it is shown

            total = len(self._options.inputs) if isinstance(self._options.inputs, Sized) else None
            self._bar = tqdm_class(self._options.progress)(total=total, unit="item")

    def _counted(self, item: BatchItem) -> BatchItem | None:
        """The item, counted; None for one that is to be skipped. Raises its error where the caller wants that."""
        self._tally.count(item)
        if self._bar is not None:
            self._bar.update()
        if item.error is None or self._options.on_error == "collect":
            is_unknown = isinstance(item.error, CreateOutcomeUnknown)
            return None if is_unknown and self._options.on_unknown == "skip" else item
        if isinstance(item.error, CreateOutcomeUnknown) and self._options.on_unknown == "skip":
            return None
        item.error.add_note(f"item {item.index} of the batch")
        raise item.error

    def _over(self) -> None:
        """It has come to its end, or was left."""
        if self._tally.ended is None:
            self._tally.ended = self._engine.clock.now()
        if self._bar is not None:
            self._bar.close()


class Batch(BaseBatch, Iterator[BatchItem]):
    """The items of a batch, as they finish, or in order. ``Client.map`` makes it.

    Inputs are pulled as items are taken, at most twice ``concurrency`` ahead. Leaving it before its end cancels what it
    created, unless ``cancel_on_exit=False``: by ``close()``, at the end of a ``with`` block, after an exception in the
    iterator, or when it is dropped.
    """

    def __init__(self, engine: Engine, options: MapOptions, each: Mapping[str, Any]) -> None:
        super().__init__(engine, options, each)
        self._inputs = _iterator(options.inputs)
        self._blocking = engine
        route = engine.route(options.model)
        connections = AsyncConnections(engine.connections, owned=False)
        self._work = Work(self._common(connections, route, Files(engine, route)))
        self._thread = LoopThread(engine.clock)
        self._process = os.getpid()
        self._finalizer = weakref.finalize(self, _dropped, self._thread, self._work, self._process)

    def __iter__(self) -> Batch:
        return self

    def __next__(self) -> BatchItem:
        if self._tally.ended is not None:
            raise StopIteration
        if os.getpid() != self._process:
            raise InvalidInput("this batch belongs to the process that made it, and not to one that was forked from it")
        try:
            while True:
                self._pull()
                item = self._thread.call(self._work.take()) if self._thread.is_running else None
                if item is None:
                    break
                counted = self._counted(item)
                if counted is not None:
                    return counted
        except BaseException:
            self.close()
            raise
        self._end()
        if self._work.common.stopped is not None:
            raise self._work.common.stopped
        raise StopIteration

    def close(self) -> None:
        """Cancel what is under way, unless ``cancel_on_exit=False``; a journal keeps what is known of it."""
        if self._tally.ended is None:
            self._over()
            if self._finalizer.detach() is not None and os.getpid() == self._process:
                _leave(self._thread, self._work)

    def retry_failed(self) -> Batch:
        """A batch of the inputs that failed, with the same options; those whose creates are unknown are not among them.

        Ends this batch.
        """
        self.close()
        return Batch(self._blocking, _again(self._options, self._work), self._each)

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pull(self) -> None:
        pulled = 0
        while self._may_pull(pulled):
            given = next(self._inputs, _NO_MORE)
            if given is _NO_MORE:
                return
            pending = self._pending(given)
            if not self._thread.is_running:
                self._thread.start()
            self._thread.soon(self._work.add, pending)
            pulled += 1

    def _end(self) -> None:
        self._over()
        self._finalizer.detach()
        if self._thread.is_running:
            self._thread.call(_ended(self._work))
            self._thread.stop()
        else:
            self._work.end()


class AsyncBatch(BaseBatch, AsyncIterator[BatchItem]):
    """The items of a batch, for ``async for``; see :class:`Batch`. ``AsyncClient.map`` makes it."""

    def __init__(self, engine: AsyncEngine, options: MapOptions, each: Mapping[str, Any]) -> None:
        super().__init__(engine, options, each)
        self._inputs = _any_iterator(options.inputs)
        self._own = engine
        route = engine.route(options.model)
        self._work = Work(self._common(engine.async_connections, route, AsyncFiles(engine, route)))
        self._finalizer: Any = weakref.finalize(self, self._work.end)
        self._has_begun = False

    def __aiter__(self) -> AsyncBatch:
        return self

    async def __anext__(self) -> BatchItem:
        if self._tally.ended is not None:
            raise StopAsyncIteration
        if not self._has_begun:
            self._has_begun = True
            self._finalizer.detach()
            self._finalizer = weakref.finalize(self, _adropped, asyncio.get_running_loop(), self._work)
        try:
            while True:
                await self._pull()
                item = await self._work.take()
                if item is None:
                    break
                counted = self._counted(item)
                if counted is not None:
                    return counted
        except BaseException:
            await self.close()
            raise
        self._over()
        self._finalizer.detach()
        self._work.end()
        if self._work.common.stopped is not None:
            raise self._work.common.stopped
        raise StopAsyncIteration

    async def close(self) -> None:
        """Cancel what is under way, unless ``cancel_on_exit=False``; a journal keeps what is known of it."""
        if self._tally.ended is None:
            self._over()
            self._finalizer.detach()
            await self._work.leave()

    aclose = close

    def retry_failed(self) -> AsyncBatch:
        """A batch of the inputs that failed, with the same options; see :meth:`Batch.retry_failed`.

        This batch must have ended.
        """
        if self._tally.ended is None:
            raise InvalidInput("retry_failed() is for a batch that has ended: iterate it to its end, or await close()")
        return AsyncBatch(self._own, _again(self._options, self._work), self._each)

    async def __aenter__(self) -> AsyncBatch:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not GeneratorExit:  # then the event loop has ended, and with it the tasks
            await self.close()

    async def _pull(self) -> None:
        pulled = 0
        while self._may_pull(pulled):
            given = await anext(self._inputs, _NO_MORE)
            if given is _NO_MORE:
                return
            self._work.add(self._pending(given))
            pulled += 1


def _checked(given: Any, index: int) -> dict[str, Any]:
    if isinstance(given, str):
        return {"prompt": given}
    if isinstance(given, Mapping):
        return dict(given)
    raise TypeError(
        f"input {index} must be a mapping such as {{'prompt': '...'}}, or a prompt, got {type(given).__name__}"
    )


def _iterator(inputs: Any) -> Iterator[Any]:
    if isinstance(inputs, AsyncIterable):
        raise TypeError("these inputs need an event loop: give them to AsyncClient.map()")
    return iter(inputs)


async def _any_iterator(inputs: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Any]:
    if isinstance(inputs, AsyncIterable):
        async for given in inputs:
            yield given
    else:
        for given in inputs:
            yield given


def _again(options: MapOptions, work: Work) -> MapOptions:
    failed: list[Any] = list(work.failed)
    return attrs.evolve(options, inputs=failed)


def _leave(thread: LoopThread, work: Work) -> None:
    if thread.is_running:
        thread.call(_left(work))
        thread.stop()
    else:
        work.end()


async def _left(work: Work) -> None:
    await work.leave()
    await work.common.engine.close()


async def _ended(work: Work) -> None:
    work.end()
    await work.common.engine.close()


def _dropped(thread: LoopThread, work: Work, process: int) -> None:
    """The batch is gone, with things under way: the garbage collector must not wait for them."""
    if os.getpid() != process:  # a forked child leaves what is its parent's alone
        return
    if not thread.is_running or not threading.main_thread().is_alive():
        _leave(thread, work)
    else:
        threading.Thread(target=_leave, args=(thread, work), name="replicate-home-leaving").start()


def _adropped(loop: asyncio.AbstractEventLoop, work: Work) -> None:
    """The same in an event loop; where that has ended, it has canceled its tasks, and these have left."""

    def leave() -> None:
        task = loop.create_task(work.leave())
        leaving = work.common.engine.async_connections.leaving
        leaving.add(task)
        task.add_done_callback(leaving.discard)

    if loop.is_running():
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(leave)
            return
    work.end()
