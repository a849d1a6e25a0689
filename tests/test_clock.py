"""Virtual time: it passes only while everything sleeps, and then to the moment that comes first."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterable
from itertools import accumulate

import pytest

from replicate_home import FakeClock, SystemClock
from replicate_home.clock import NotYet, at_rest, at_work, not_waiting, wait_until, waiting

ENOUGH = 20.0


def in_threads(acts: Iterable[Callable[[], object]]) -> None:
    """Do all of these at once, each in a thread, to their end."""
    threads = [threading.Thread(target=act, daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(ENOUGH)
    assert not any(thread.is_alive() for thread in threads)


# ---- one at a time -------------------------------------------------------------------------------------------


def test_a_sleep_alone_is_over_at_once_and_listed():
    clock = FakeClock(5)
    began = time.monotonic()
    clock.sleep(600)
    clock.sleep(0)
    clock.sleep(-1)
    assert (clock.now(), clock.sleeps) == (605, [600])
    assert clock.time() - FakeClock().time() == 605
    assert time.monotonic() - began < ENOUGH


def test_it_moves_on_to_a_moment_but_never_back():
    clock = FakeClock()
    clock.advance_to(7)
    clock.advance_to(3)
    assert (clock.now(), clock.sleeps) == (7, [])


def test_a_moment_is_met_exactly_whatever_was_slept_before():
    clock = FakeClock()
    clock.sleep(0.1)
    wait_until(clock, 0.3)
    assert (clock.now(), clock.sleeps) == (0.3, [0.1, 0.3 - 0.1])
    wait_until(clock, 0.2)
    assert clock.now() == 0.3


def test_where_nothing_may_wait_it_is_said_when_to_ask_again():
    clock = FakeClock()
    with not_waiting():
        wait_until(clock, 0)
        with pytest.raises(NotYet) as later:
            wait_until(clock, 5)
        with waiting():
            wait_until(clock, 3)
        clock.sleep(1)
        with pytest.raises(NotYet):
            wait_until(clock, 5)
    assert (later.value.moment, later.value.again, clock.now()) == (5, None, 4)
    wait_until(clock, 5)
    assert clock.now() == 5


def test_that_is_said_to_this_thread_only():
    clock = FakeClock()
    with not_waiting():
        in_threads([lambda: wait_until(clock, 5)])
    assert clock.now() == 5


def test_the_machines_clock_need_not_know_who_works():
    at_work(SystemClock())
    at_rest(SystemClock())


# ---- threads -------------------------------------------------------------------------------------------------


def test_threads_that_sleep_wake_at_their_own_moments_and_none_is_late():
    clock, chance = FakeClock(), random.Random(7)
    naps = [[chance.choice([0.1, 1, 2.5, 60]) for _ in range(20)] for _ in range(20)]
    woke: dict[int, list[float]] = {}
    ready = threading.Barrier(len(naps))

    def nap(number: int) -> None:
        at_work(clock)
        ready.wait(ENOUGH)
        woke[number] = [(clock.sleep(seconds), clock.now())[1] for seconds in naps[number]]
        at_rest(clock)

    in_threads([lambda number=number: nap(number) for number in range(len(naps))])
    for number, seconds in enumerate(naps):
        assert woke[number] == pytest.approx(list(accumulate(seconds)))
    assert clock.now() == pytest.approx(max(map(sum, naps)))


def test_time_does_not_pass_while_another_thread_has_something_to_do():
    clock, told = FakeClock(), threading.Event()
    seen = []

    def work() -> None:
        at_work(clock)
        told.set()
        for _ in range(20):  # more than the patience of a sleep, but never silent for so long
            time.sleep(0.005)
            at_work(clock)
            seen.append(clock.now())
        clock.sleep(1)
        seen.append(clock.now())

    def sleep() -> None:
        told.wait(ENOUGH)
        clock.sleep(600)

    in_threads([work, sleep])
    assert seen == [*[0.0] * 20, 1.0]
    assert clock.now() == 600


def test_a_thread_that_is_silent_among_busy_ones_is_waited_for():
    clock, ready = FakeClock(), threading.Barrier(3)
    seen = []

    def silent() -> None:
        at_work(clock)
        ready.wait(ENOUGH)
        over.wait(ENOUGH)
        time.sleep(0.02)  # longer than one that has come to its end is waited for
        clock.sleep(1)
        seen.append(clock.now())

    def busy() -> None:
        at_work(clock)
        ready.wait(ENOUGH)
        for _ in range(30):
            time.sleep(0.005)
            at_work(clock)
        over.set()
        at_rest(clock)

    def sleep() -> None:
        ready.wait(ENOUGH)
        clock.sleep(600)

    over = threading.Event()
    in_threads([silent, busy, sleep])
    assert (seen, clock.now()) == ([1], 600)


def test_a_thread_that_has_come_to_its_end_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("replicate_home.clock._AT_WORK", 10**9)
    clock, told, over = FakeClock(), threading.Event(), threading.Event()

    def work() -> None:
        at_work(clock)
        at_rest(clock)
        told.set()
        over.wait(ENOUGH)

    def sleep() -> None:
        told.wait(ENOUGH)
        clock.sleep(600)
        over.set()

    in_threads([work, sleep])
    assert clock.now() == 600


def test_a_thread_that_is_silent_is_waited_for_once_and_briefly():
    clock, told, over = FakeClock(), threading.Event(), threading.Event()

    def work() -> None:
        at_work(clock)
        told.set()
        over.wait(ENOUGH)

    def sleep() -> None:
        told.wait(ENOUGH)
        for _ in range(1_000):
            clock.sleep(1)
        over.set()

    in_threads([work, sleep])
    assert clock.now() == 1_000


def test_a_thread_that_moves_the_time_wakes_those_that_slept_until_then():
    clock, told = FakeClock(), threading.Event()

    def move() -> None:
        at_work(clock)
        told.set()
        clock.advance_to(10)
        at_rest(clock)

    def sleep() -> None:
        told.wait(ENOUGH)
        clock.sleep(10 - clock.now())

    in_threads([move, *[sleep] * 5])
    assert clock.now() == 10


def test_a_sleep_that_is_interrupted_leaves_nothing_behind():
    clock, told, over = FakeClock(), threading.Event(), threading.Event()

    def work() -> None:
        while not over.is_set():
            at_work(clock)
            told.set()
            time.sleep(0.001)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    threads = [threading.Thread(target=act, daemon=True) for act in (work, lambda: clock.sleep(9))]
    before = signal.signal(signal.SIGALRM, interrupt)
    for thread in threads:
        thread.start()
    try:
        told.wait(ENOUGH)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(KeyboardInterrupt):
            clock.sleep(5)
        assert clock.now() == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        over.set()
        for thread in threads:
            thread.join(ENOUGH)
    assert (clock.now(), sorted(clock.sleeps)) == (9, [5, 9])
    clock.sleep(7)
    assert clock.now() == 16
