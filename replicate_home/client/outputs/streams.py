"""The stream that people iterate: it moves one life on, and leaves it when it is left."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...drivers.drive import Drive
from ...exceptions import ReplicateHomeError, StreamInterrupted
from ...lifecycle.life import News, Output
from ...lifecycle.machine import Settled, State
from ...records.events import DoneEvent, Event, OutputEvent
from ...records.prediction import Snapshot
from ..engine.core import Dressing, Errand
from .results import Result

if TYPE_CHECKING:
    from ..client import Client


class StreamFacts:
    """What a stream knows without waiting; the same for threads and for event loops."""

    __slots__ = ("_batch", "_client", "_dressing", "_drive", "_reported")

    def __init__(self, client: Any, drive: Any, dressing: Dressing) -> None:
        self._client = client
        self._drive = drive
        self._dressing = dressing
        self._batch: Iterator[Any] = iter(())
        self._reported: Snapshot | None = None

    @property
    def prediction(self) -> Snapshot | None:
        """The latest snapshot; None until the prediction was created."""
        if self._drive is None:
            return None
        return self._drive.state.life.snapshot  # type: ignore[no-any-return]  # the drive of either kind

    def _report(self) -> Any:
        """Tell ``on_update`` of a snapshot that it has not seen, and return what it returns."""
        snapshot, report = self.prediction, self._dressing.report
        if report is None or snapshot is None or snapshot == self._reported:
            return None
        self._reported = snapshot
        return report(snapshot)

    def _outcome(self) -> Result:
        """The result of a life that has settled; raises what it ended with."""
        drive, snapshot = self._drive, self.prediction
        if drive is not None and isinstance(drive.state, Settled) and drive.state.error is not None:
            raise drive.state.error
        if drive is None or snapshot is None or not _is_done(drive.state):
            message = "the stream was closed before its end: there is no result"
            raise ReplicateHomeError(message, prediction=snapshot)
        return self._dressing.finish(snapshot)

    def _said(self) -> str:
        """All text that the life has delivered."""
        return "".join(str(item) for item in self._drive.state.life.delivered)

    def _cancelling(self, prediction: Snapshot) -> Errand[Snapshot]:
        return self._client._cancelling(prediction.id, self._dressing.route.dialect.name)  # type: ignore[no-any-return]  # the client of either kind

    def __repr__(self) -> str:
        return f"{type(self).__name__}(prediction={self.prediction!r})"


class Stream(StreamFacts):
    """The output of a prediction, as it grows.

    Iterating yields ``str`` for text, other JSON items as they are, files as :class:`FileOutput`. It ends when
    the prediction has succeeded and every piece was delivered, and raises otherwise: a stream that is cut never
    looks as if it were done. It has one consumer; ``break`` leaves it open as long as it is referenced.

    Closed or dropped before its end it cancels the prediction, unless ``cancel_on_exit=False``.
    """

    _client: Client
    _drive: Drive

    def __init__(self, client: Client, drive: Drive, dressing: Dressing) -> None:
        super().__init__(client, drive, dressing)
        self._finalizer = weakref.finalize(self, _dropped, drive)
        self._moving = threading.Lock()

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        while True:
            for item in self._batch:
                return item
            self._next_news()

    def events(self) -> Iterator[Event]:
        """The typed events: status, output, logs and, after success, done."""
        while True:
            for item in self._batch:
                yield OutputEvent(item)
            try:
                news = self._next_news()
            except StopIteration:
                return
            if not isinstance(news, Output):  # pieces are not kept here: the caller may go on by iterating the stream
                yield news

    def text(self) -> str:
        """All text of the stream, after waiting for its end; ValueError where the output is no text."""
        return self.result().text or self._said()  # what was said may be removed by now

    def result(self) -> Result:
        """The whole output as ``run()`` returns it, after waiting for the end."""
        self._drain()
        return self._outcome()

    def cancel(self) -> None:
        """Have the prediction canceled, from any thread; whoever iterates gets :class:`ModelCanceled`.

        Where there is no prediction yet, the stream is closed.
        """
        if self.prediction is None:
            self.close()
        elif not isinstance(self._drive.state, Settled):
            self._client._do(self._cancelling(self.prediction))

    def close(self) -> None:
        """Give up what is still to come, and cancel the prediction unless ``cancel_on_exit=False``."""
        self._finalizer.detach()
        self._drive.leave()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drain(self) -> None:
        self._batch = iter(())
        with contextlib.suppress(StopIteration):
            while True:
                self._next_news(keeps=False)

    def _next_news(self, *, keeps: bool = True) -> News:
        """The next news, its pieces kept for whoever iterates; raises as :meth:`_moved_on`, and for a second thread."""
        if not self._moving.acquire(blocking=False):  # to wait would hand each thread some of the pieces
            raise ReplicateHomeError("this stream is being iterated: it has one consumer", prediction=self.prediction)
        try:
            news = self._moved_on()
            if keeps and isinstance(news, Output):
                # Those not taken yet come first: another thread may have come here between two of this one's steps.
                self._batch = iter([*self._batch, *self._dressing.shape(news.items)])
            return news
        finally:
            self._moving.release()

    def _moved_on(self) -> News:
        """The next news; StopIteration at the end of a success, the life's error at the end of anything else."""
        closed_before = self._drive.left
        try:
            for news in self._drive:
                self._report()
                return news
        except BaseException:
            self.close()
            raise
        self._finalizer.detach()
        state = self._drive.state
        if isinstance(state, Settled) and state.error is not None:
            raise state.error
        if self._drive.left and not closed_before:
            raise StreamInterrupted(
                "the stream was closed by another thread", partial_text=self._said(), prediction=self.prediction
            )
        raise StopIteration


def _is_done(state: State) -> bool:
    """Whether a life has come to a good end by itself, rather than by being left; closing it later changes nothing."""
    return isinstance(state, Settled) and any(isinstance(news, DoneEvent) for news in state.news)


def _dropped(drive: Drive) -> None:
    """A stream was thrown away: the collector must not wait for the network, so a thread does."""
    drive.close_body()
    if not drive.has_to_cancel():
        return
    if not threading.main_thread().is_alive():  # the interpreter is ending, and would not wait for a thread
        drive.leave()
        drive.close_transport()
        return
    threading.Thread(target=drive.leave, name="replicate-home-leaving", daemon=True).start()
