"""The stream that callers iterate: it steps one life, and leaves it when the stream is closed or dropped."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Container, Iterator
from typing import Any

import attrs

from ...drivers.calling import Calling
from ...drivers.drive import Drive
from ...drivers.driving import Driving
from ...drivers.leaving import dropped
from ...exceptions import ReplicateHomeError, StreamInterrupted
from ...lifecycle.life import News, Output, Terms
from ...lifecycle.machine import Settled
from ...records.events import DoneEvent, Event, OutputEvent
from ...records.prediction import Snapshot
from ..engine.calls import Report, RunOptions
from ..engine.engine import BaseEngine, Engine
from ..engine.routing import Route
from .download import Files, FileSource
from .file_output import items_with_files, may_be_file
from .results import Result, result_of

ENDED = "this stream has ended, and a stream can be read only once: keep .result() or .text(), or run the model again"


@attrs.frozen
class Format:
    """How the output of one call reaches the caller, item by item or as a whole, and its progress.

    ``base_url`` is the API that the output comes from; without a ``source``, files stay URLs.
    """

    base_url: str
    source: FileSource | None
    report: Report | None = None

    @classmethod
    def of(cls, options: RunOptions, base_url: str, source: FileSource) -> Format:
        """The format that the options ask for."""
        report = options.on_update
        if options.progress:
            from .progress import reporting  # few calls need it

            report = reporting(report, options.progress)
        return cls(base_url, source if options.use_file_output else None, report)

    def items(self, items: list[Any]) -> list[Any]:
        """Items of the output as the caller gets them."""
        return items if self.source is None else items_with_files(items, self.base_url, self.source)

    def asking(self, engine: BaseEngine, terms: Terms, snapshot: Snapshot) -> Calling[frozenset[str]] | None:
        """What asks the model's schema which URLs in the output are files; None where they are known without it."""
        if self.source is None or not may_be_file(snapshot.output, self.base_url):
            return None
        from .by_schema import urls_of_files  # few outputs need it

        return urls_of_files(engine, terms, snapshot)

    def result(self, snapshot: Snapshot, known: Container[str] = ()) -> Result:
        """The whole output as the caller gets it; ``known`` is what the schema said of it."""
        return result_of(snapshot, self.base_url, self.source, known)


class Delivery:
    """What a stream knows about its life without waiting; shared by ``Stream`` and ``AsyncStream``.

    ``life`` is None until it has begun.
    """

    __slots__ = ("format", "life", "reported")

    def __init__(self, format: Format, life: Driving[Any, Any] | None = None) -> None:
        self.format = format
        self.life = life
        self.reported: Snapshot | None = None

    @property
    def prediction(self) -> Snapshot | None:
        """The latest snapshot; None until the prediction has been created."""
        return None if self.life is None else self.life.state.life.snapshot

    def report(self) -> Any:
        """Call ``on_update`` with a snapshot that it has not seen, and return its result."""
        report = self.format.report
        if report is None:
            return None
        snapshot = self.prediction
        if snapshot is None or snapshot == self.reported:
            return None
        self.reported = snapshot
        return report(snapshot)

    def succeeded(self) -> tuple[Snapshot, Terms]:
        """The prediction of a settled life, and what held for it; raises the error it ended with."""
        life, snapshot = self.life, self.prediction
        state = None if life is None else life.state
        if isinstance(state, Settled) and state.error is not None:
            raise state.error
        # A life that was left is settled too, but not done.
        done = isinstance(state, Settled) and DoneEvent in map(type, state.news)
        if not done or life is None or snapshot is None:
            raise ReplicateHomeError("the stream was closed before its end, so there is no result", prediction=snapshot)
        return snapshot, life.state.life.terms

    def text(self) -> str:
        """All text that was delivered."""
        return "" if self.life is None else "".join(str(item) for item in self.life.state.life.delivered)

    def interrupted(self, why: str) -> StreamInterrupted:
        """The error for a stream that was closed while it was being read."""
        return StreamInterrupted(why, partial_text=self.text(), prediction=self.prediction)

    def ended(self) -> ReplicateHomeError:
        """The error for reading after the end: the one it ended with, or one that says that the stream has ended."""
        error = getattr(None if self.life is None else self.life.state, "error", None)
        return error or ReplicateHomeError(ENDED, prediction=self.prediction)

    def busy(self) -> ReplicateHomeError:
        """The error for a second consumer."""
        message = "this stream is already being iterated, and can have only one consumer"
        return ReplicateHomeError(message, prediction=self.prediction)


class Stream(Iterator[str]):
    """The output of a prediction, as it arrives.

    Iterating yields ``str`` for text, :class:`FileOutput` for files, and other items as they are. It ends when the
    prediction has succeeded and all of its output was delivered, and raises otherwise: a stream that was cut off never
    looks complete. A stream can be read only once; after a ``break`` it stays open for as long as it is referenced.

    Closing or dropping it before its end cancels the prediction, unless ``cancel_on_exit=False``.
    """

    def __init__(self, engine: Engine, route: Route, format: Format, life: Drive) -> None:
        self._engine = engine
        self._route = route
        self._delivery = Delivery(format, life)
        self._life = life
        self._batch: Iterator[Any] = iter(())
        self._ended = False
        self._finalizer = weakref.finalize(self, dropped, life)
        self._moving = threading.Lock()

    @classmethod
    def of(cls, engine: Engine, options: RunOptions, *, delivers: bool) -> Stream:
        """The stream of a new prediction; ``delivers`` is whether its output is handed out as it grows."""
        route = engine.route(options.model)
        life = engine.begin(options, route, delivers=delivers)
        return cls(engine, route, Format.of(options, route.dialect.base_url, Files(engine, route)), life)

    @property
    def prediction(self) -> Snapshot | None:
        """The latest snapshot; None until the prediction has been created."""
        return self._delivery.prediction

    def __iter__(self) -> Stream:
        if self._ended:
            raise self._delivery.ended()
        return self

    def __next__(self) -> str:
        while True:
            for item in self._batch:
                return item  # type: ignore[no-any-return]  # text, or what the class says
            self._next_news()

    def events(self) -> Iterator[Event]:
        """The typed events: status, output, logs and, after success, done."""
        iter(self)  # raises if it has ended
        while True:
            for item in self._batch:
                yield OutputEvent(item)
            try:
                news = self._next_news()
            except StopIteration:
                return
            if not isinstance(news, Output):  # items stay in the batch: the caller may continue by iterating the stream
                yield news

    def text(self) -> str:
        """Wait for the end and return all text; raises ValueError if the output is not text."""
        return self.result().text or self._delivery.text()  # the server may have removed what was delivered

    def result(self) -> Result:
        """Wait for the end and return the whole output, as ``run()`` does."""
        self._batch = iter(())
        try:
            while True:
                self._next_news(keeps=False)
        except StopIteration:
            snapshot, terms = self._delivery.succeeded()
        format, engine = self._delivery.format, self._engine
        asking = format.asking(engine, terms, snapshot)
        return format.result(snapshot, () if asking is None else engine.perform(asking, self._route))

    def cancel(self) -> None:
        """Cancel the prediction, from any thread; iterating the stream then raises :class:`ModelCanceled`.

        If there is no prediction yet, the stream is closed.
        """
        if self.prediction is None:
            self.close()
        elif not isinstance(self._life.state, Settled):
            self._engine.cancel(self.prediction, self._route)

    def close(self) -> None:
        """Stop reading, and cancel the prediction unless ``cancel_on_exit=False``."""
        self._ended = True
        self._finalizer.detach()
        self._life.leave()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Stream(prediction={self.prediction!r}; .text() and .result() wait for its end)"

    def __reduce__(self) -> Any:
        raise TypeError("a stream cannot be pickled or copied: it can be read only once; pass on .result()")

    def _next_news(self, *, keeps: bool = True) -> News:
        """The next news, its items kept for iteration; raises like ``_moved_on``, and if another thread is reading."""
        if not self._moving.acquire(blocking=False):  # waiting instead would give each thread some of the items
            raise self._delivery.busy()
        try:
            news = self._moved_on()
            if keeps and isinstance(news, Output):
                # Items not taken yet go first: another thread may have been here between two of this one's steps.
                self._batch = iter([*self._batch, *self._delivery.format.items(news.items)])
            return news
        finally:
            self._moving.release()

    def _moved_on(self) -> News:
        """The next news; raises StopIteration if the life succeeded, its error otherwise."""
        life = self._life
        left_before = life.left
        try:
            while True:
                for news in life.news:
                    self._delivery.report()
                    return news
                if life.is_over:
                    break
                life.step()
        except BaseException:
            self.close()
            raise
        self._ended = True
        self._finalizer.detach()
        if isinstance(life.state, Settled) and life.state.error is not None:
            raise life.state.error
        if life.left and not left_before:
            raise self._delivery.interrupted("the stream was closed by another thread")
        raise StopIteration
