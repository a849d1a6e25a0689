"""Where time comes from. Nothing else in the package reads a clock or sleeps."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """A source of time and sleep, in seconds."""

    def now(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...

    def time(self) -> float:
        """Seconds since the epoch, for dates in headers."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` have passed on this clock."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Seconds on the machine's monotonic clock."""
        return time.monotonic()

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds`` of real time."""
        if seconds > 0:
            time.sleep(seconds)


class FakeClock:
    """A clock whose time passes only when somebody sleeps on it; it starts at 0.

    ``sleeps`` lists what was slept. Safe to share between threads: a sleep in one moves the time of all.
    """

    _EPOCH = 1_700_000_000.0

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._lock = threading.Lock()
        self.sleeps: list[float] = []

    def now(self) -> float:
        """Seconds that have passed on this clock."""
        return self._now

    def time(self) -> float:
        """A date in 2023 that moves with this clock."""
        return self._EPOCH + self._now

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass at once."""
        if seconds > 0:
            with self._lock:
                self._now += seconds
                self.sleeps.append(seconds)

    def advance_to(self, moment: float) -> None:
        """Move the time on to ``moment``, where it is not already later."""
        self.sleep(moment - self._now)


SYSTEM_CLOCK = SystemClock()
