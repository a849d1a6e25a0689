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
# For how many slices without a sign of life a thread is waited for: one at work for 50 ms, lest a model that waits for
# a thread hang a test; one that has come to its end for long enough to begin anew.
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
    """Raised instead of a wait on a :class:`FakeClock` that would hold up an event loop; no error, and caught as none.

    What was asked is to be asked again at ``moment``; where a part of it is done, only ``again`` is to be called.
    """

    def __init__(self, moment: float) -> None:
        super().__init__(f"there is nothing to see before {moment}")
        self.moment = moment
        self.again: Callable[[], Any] | None = None


class _Sleeper(NamedTuple):
    """A thread that sleeps; ``woken`` is notified when its moment or its turn to move the time has come.

    ``slices`` is for how long it is awaited when it is awake: not at all where it never said that it is at work.
    """

    moment: float
    number: int
    thread: int
    slices: int
    woken: threading.Condition


class FakeClock:
    """A clock whose time passes only while everything that uses it sleeps; it starts at 0.

    A sleep alone returns at once. Of several, the one that ends first goes on first, and the next only when that has
    nothing left to do: a thousand runs of one second, at once, take a second. In an event loop that is exact, and the
    same every time. Threads are run by the operating system: there the promise is that no run is late because another
    waits, unless nothing shows a sign of life for 50 real milliseconds.

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
        """Let ``seconds`` pass: at once, unless another thread has something to do before."""
        with self._lock:
            self._sleep_until(self._now + seconds)

    def advance_to(self, moment: float) -> None:
        """Move the time on to ``moment`` at once, where it is not already later."""
        with self._lock:
            if moment > self._now:
                self._pass_to(moment)

    def _await(self, slices: int) -> None:
        """This thread is to be waited for before time passes, for so many slices without a sign of life."""
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
        """Go on if nothing comes before; else wait a while."""
        if self._asleep[0] is not sleeper:
            sleeper.woken.wait()
        elif not self._awaited:
            self._pass_to(sleeper.moment)
        elif not sleeper.woken.wait(_SLICE):
            self._silence += 1
            self._awaited = {thread: slices for thread, slices in self._awaited.items() if slices > self._silence}

    def _pass_to(self, moment: float) -> None:
        """Move the time on, and wake what has slept until then; that is waited for before more time passes."""
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
    """Tell a :class:`FakeClock` that this thread has something to do: no time passes before it sleeps."""
    if isinstance(clock, FakeClock):
        clock._await(_AT_WORK)


def at_rest(clock: Clock) -> None:
    """Tell a :class:`FakeClock` that this thread has come to an end, unless it is at work again in a moment."""
    if isinstance(clock, FakeClock):
        clock._await(_AT_REST)


def wait_until(clock: FakeClock, moment: float) -> None:
    """Sleep until ``moment``; within :func:`not_waiting`, raise :class:`NotYet` where it has not come."""
    if getattr(_thread, "not_waiting", False) and moment > clock.now():
        raise NotYet(moment)
    with clock._lock:
        clock._sleep_until(moment)


def not_waiting() -> AbstractContextManager[None]:
    """Nothing that this thread asks meanwhile may wait, for the thread runs an event loop."""
    return _mode(not_waiting=True)


def waiting() -> AbstractContextManager[None]:
    """What this thread asks meanwhile may wait again: a model asks it, which cannot be run twice."""
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
