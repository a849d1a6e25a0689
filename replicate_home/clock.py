"""Where time comes from. Nothing else in the package reads a clock or sleeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, NamedTuple, Protocol

_SLICE = 0.005  # real seconds
# For how many slices a thread without a sign of life is waited for: a working one for 50 ms, so that a model that waits
# for a thread does not hang a test; one that came to an end for long enough to start again.
_AT_WORK = 10
_AT_REST = 2

_thread = threading.local()


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


class NotYet(BaseException):
    """Raised instead of a wait on a :class:`FakeClock` that would block an event loop.

    It is not an error, so ``except Exception`` does not catch it. The caller repeats its request at ``moment``; if part
    of it is done, it calls only ``again``.
    """

    def __init__(self, moment: float) -> None:
        super().__init__(f"there is nothing to see before {moment}")
        self.moment = moment
        self.again: Callable[[], Any] | None = None


class _Sleeper(NamedTuple):
    """A thread that sleeps; ``woken`` is notified when its moment or its turn to move the time has come.

    ``slices`` is for how long it is waited for once awake: not at all if it never said that it is at work.
    """

    moment: float
    number: int
    thread: int
    slices: int
    woken: threading.Condition


class FakeClock:
    """A clock whose time passes only while everything that uses it sleeps; it starts at 0.

    A single sleep returns at once. Of several, the one that ends first goes on first, and the next one only when the
    first has nothing left to do: a thousand runs of one second, at once, take a second. In an event loop that is exact,
    and the same every time. Threads are scheduled by the operating system: no run is late because another waits, unless
    nothing shows a sign of life for 50 real milliseconds.

    ``sleeps`` lists how long each sleep was. Safe to share between threads.
    """

    _EPOCH = 1_700_000_000.0

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self.sleeps: list[float] = []
        self._lock = threading.Lock()
        self._asleep: list[_Sleeper] = []  # a heap: the first goes on first
        self._order = count()
        self._awaited: dict[int, int] = {}  # threads, and for how many slices
        self._silence = 0  # slices since the last sign of life

    def now(self) -> float:
        """Seconds that have passed on this clock."""
        return self._now

    def time(self) -> float:
        """A date in 2023 that moves with this clock."""
        return self._EPOCH + self._now

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass: at once, unless another thread has something to do before then."""
        with self._lock:
            self._sleep_until(self._now + seconds)

    def advance_to(self, moment: float) -> None:
        """Move the time on to ``moment`` at once, unless it is already later."""
        with self._lock:
            if moment > self._now:
                self._pass_to(moment)

    def _await(self, slices: int) -> None:
        """Have this thread waited for before time passes, for so many slices without a sign of life."""
        with self._lock:
            self._awaited[threading.get_ident()] = slices
            self._silence = 0

    def _sleep_until(self, moment: float) -> None:
        if moment <= self._now:
            return
        self.sleeps.append(moment - self._now)
        me = threading.get_ident()
        slices = self._awaited.pop(me, 0)
        sleeper = _Sleeper(moment, next(self._order), me, slices, threading.Condition(self._lock))
        heappush(self._asleep, sleeper)
        self._silence = 0
        if not self._awaited:
            self._call_first()
        try:
            while self._now < moment:
                self._await_turn(sleeper)
        finally:
            if self._now < moment:  # interrupted
                self._asleep.remove(sleeper)
                heapify(self._asleep)
                self._call_first()

    def _await_turn(self, sleeper: _Sleeper) -> None:
        """Go on if nothing comes first; otherwise wait a little."""
        if self._asleep[0] is not sleeper:
            sleeper.woken.wait()
        elif not self._awaited:
            self._pass_to(sleeper.moment)
        elif not sleeper.woken.wait(_SLICE):
            self._silence += 1
            self._awaited = {thread: slices for thread, slices in self._awaited.items() if slices > self._silence}

    def _pass_to(self, moment: float) -> None:
        """Move the time on and wake what slept until then; more time passes only when that is done."""
        self._now = moment
        while self._asleep and self._asleep[0].moment <= moment:
            sleeper = heappop(self._asleep)
            if sleeper.slices:
                self._awaited[sleeper.thread] = sleeper.slices
            sleeper.woken.notify()
        self._call_first()

    def _call_first(self) -> None:
        if self._asleep:
            self._asleep[0].woken.notify()


def at_work(clock: Clock) -> None:
    """Tell a :class:`FakeClock` that this thread has something to do: no time passes until it sleeps."""
    if isinstance(clock, FakeClock):
        clock._await(_AT_WORK)


def at_rest(clock: Clock) -> None:
    """Tell a :class:`FakeClock` that this thread is done, unless it is at work again in a moment."""
    if isinstance(clock, FakeClock):
        clock._await(_AT_REST)


def wait_until(clock: FakeClock, moment: float) -> None:
    """Sleep until ``moment``; within :func:`not_waiting`, raise :class:`NotYet` if it has not come."""
    if getattr(_thread, "not_waiting", False) and moment > clock.now():
        raise NotYet(moment)
    with clock._lock:
        clock._sleep_until(moment)


def not_waiting() -> AbstractContextManager[None]:
    """Keep this thread, which runs an event loop, from waiting: what would wait raises :class:`NotYet`."""
    return _mode(not_waiting=True)


def waiting() -> AbstractContextManager[None]:
    """Let this thread wait again: it runs a model, which cannot be run twice."""
    return _mode(not_waiting=False)


@contextmanager
def _mode(*, not_waiting: bool) -> Iterator[None]:
    before = getattr(_thread, "not_waiting", False)
    _thread.not_waiting = not_waiting
    try:
        yield
    finally:
        _thread.not_waiting = before


SYSTEM_CLOCK = SystemClock()
