"""How tasks write to the journal: in one thread, which commits all that waits at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from ...threads import ThreadPool
from ...transports.threaded import in_thread
from .journal import Journal

P = ParamSpec("P")
T = TypeVar("T")


class EndsBatch(Exception):
    """Raised in a task for what no item can be blamed for: ``error`` ends the whole batch."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


class _Job(Generic[T]):
    """An operation that waits for its commit, and then what it returned."""

    def __init__(self, operation: Callable[[], T]) -> None:
        self._operation = operation
        self.result: T | None = None
        self.is_done = False

    def __call__(self) -> None:
        self.result = self._operation()


class Writer:
    """Writes to a journal, or to none at all."""

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal
        self._queued: deque[_Job[Any]] = deque()
        self._thread = ThreadPool(1, "replicate-home-journal")

    @property
    def writes(self) -> bool:
        """Whether there is a journal."""
        return self._journal is not None

    async def write(
        self, operation: Callable[Concatenate[Journal, P], T], *args: P.args, **options: P.kwargs
    ) -> T | None:
        """Have an operation committed, and return what it returned; None where there is no journal.

        Raises :class:`EndsBatch` where the disk is full, or the file cannot be written.
        """
        if self._journal is None:
            return None
        job = _Job(partial(operation, self._journal, *args, **options))
        self._queued.append(job)
        await in_thread(self._thread, self._commit, job)
        return job.result

    def close(self) -> None:
        """Close the journal, after what is being written."""
        self._thread.end()
        self._thread.join(10.0)
        if self._journal is not None:
            self._journal.close()

    def _commit(self, job: _Job[Any]) -> None:
        """Commit this job and all others that wait, unless one of them did so already."""
        if job.is_done:
            return
        assert self._journal is not None
        jobs = [self._queued.popleft() for _ in range(len(self._queued))]
        try:
            self._journal.commit(list(jobs))
        except OSError as error:
            self._queued.extendleft(reversed([other for other in jobs if other is not job]))
            raise EndsBatch(error) from None
        for done in jobs:
            done.is_done = True
