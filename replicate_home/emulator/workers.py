"""The threads of real time: one per running prediction, none when nothing runs."""

from __future__ import annotations

import threading
from collections import deque

from .timeline import RealRun

RUNNING_AT_ONCE = 32  # further predictions stay ``starting`` until one ends


class Workers:
    """Runs predictions, each in a thread that ends with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[RealRun] = deque()
        self._threads: set[threading.Thread] = set()

    def start(self, run: RealRun) -> None:
        """Run it now, or when one of the many that run has ended."""
        with self._lock:
            if len(self._threads) >= RUNNING_AT_ONCE:
                self._waiting.append(run)
                return
            thread = threading.Thread(target=self._work, args=(run,), name=f"prediction-{run.id}", daemon=True)
            self._threads.add(thread)
        thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the threads that run now, ``seconds`` for each at most."""
        with self._lock:
            threads = self._threads - {threading.current_thread()}
        for thread in threads:
            thread.join(seconds)

    def _work(self, run: RealRun) -> None:
        going: RealRun | None = run
        while going is not None:
            going.work()
            with self._lock:
                going = self._waiting.popleft() if self._waiting else None
                if going is None:
                    self._threads.discard(threading.current_thread())
