"""An event loop in a thread of its own, for callers without one, or within one that runs already: a notebook's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from ...clock import Clock, FakeClock

T = TypeVar("T")
_Job = tuple[Coroutine[Any, Any, Any], "Future[Any]"]


class LoopThread:
    """Runs for as long as it is not stopped, so that deadlines hold while the caller is busy.

    In virtual time it runs only while the caller waits, so that a test is the same every time.
    """

    def __init__(self, clock: Clock) -> None:
        self._only_awaited = isinstance(clock, FakeClock)
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._awaited: asyncio.Task[Any] | None = None
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._run, name="replicate-home-batch", daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not stopped yet."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Have it run."""
        self._thread.start()
        self._started.result()

    def soon(self, function: Callable[..., object], *args: Any) -> None:
        """Have a function called there."""
        self._started.result().call_soon_threadsafe(function, *args)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` returns there; the caller waits for it."""
        if not self._only_awaited:
            return asyncio.run_coroutine_threadsafe(work, self._started.result()).result()
        done: Future[T] = Future()
        self._jobs.put((work, done))
        try:
            return done.result()
        except BaseException:
            self.soon(self._cancel)  # else what comes next, such as leaving, would wait for it
            raise

    def _cancel(self) -> None:
        """Cancel what the caller has waited for; what goes on beside it is not its business."""
        if self._awaited is not None:
            self._awaited.cancel()

    async def _await(self, work: Coroutine[Any, Any, T]) -> T:
        self._awaited = asyncio.current_task()
        try:
            return await work
        finally:
            self._awaited = None

    def stop(self) -> None:
        """Have it end, and wait for that."""
        if self._only_awaited:
            self._jobs.put(None)
        elif self.is_running:
            loop = self._started.result()
            loop.call_soon_threadsafe(loop.stop)
        if self.is_running and threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            self._started.set_result(loop)
            if not self._only_awaited:
                loop.run_forever()
                return
            while (job := self._jobs.get()) is not None:
                _do(runner, self._await(job[0]), job[1])


def _do(runner: asyncio.Runner, work: Coroutine[Any, Any, T], done: Future[T]) -> None:
    try:
        result = runner.run(work)
    except BaseException as error:
        done.set_exception(error)
    else:
        done.set_result(result)
