"""Short-lived threads: started when there is work, ended soon after the last of it."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable

IDLE_SECONDS = 1.0


class ThreadPool:
    """At most ``size`` daemon threads, each of which ends after ``idle`` seconds (1) without work; further jobs wait.

    It also works in a forked child.

    ``concurrent.futures`` is not used because its threads live as long as the pool, and delay the interpreter's exit.
    """

    def __init__(self, size: int, name: str, idle: float | None = None) -> None:
        self._size = size
        self._idle_seconds = idle
        self._name = name
        self._begin()

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job`` in a thread; an exception it raises goes to ``threading.excepthook``."""
        if self._process != os.getpid():
            self._begin()  # the parent's locks and threads do not work in a child
        with self._changed:
            self._jobs.append(job)
            if len(self._jobs) <= self._idle or len(self._threads) >= self._size:
                self._changed.notify()
                return
            thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._threads.add(thread)
        thread.start()

    def end(self) -> None:
        """End idle threads now, and the others after their current job."""
        with self._changed:
            self._ended += 1
            self._changed.notify_all()

    def join(self, seconds: float) -> None:
        """Wait for the threads that are running now, at most ``seconds`` for each."""
        with self._changed:
            threads = self._threads - {threading.current_thread()}
        for thread in threads:
            thread.join(seconds)

    def _begin(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._jobs: deque[Callable[[], None]] = deque()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._ended = 0

    def _work(self) -> None:
        ended = self._ended
        while (job := self._next(ended)) is not None:
            ended = self._ended
            job()
            del job  # so that an idle thread keeps nothing alive

    def _next(self, ended: int) -> Callable[[], None] | None:
        with self._changed:
            if not self._jobs:
                self._idle += 1
                seconds = IDLE_SECONDS if self._idle_seconds is None else self._idle_seconds
                self._changed.wait_for(lambda: self._jobs or self._ended != ended, seconds)
                self._idle -= 1
            if self._jobs:
                return self._jobs.popleft()
            self._threads.discard(threading.current_thread())
            return None
