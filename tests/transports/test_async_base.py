"""Virtual time in an event loop: of many that sleep, the first goes on when nothing else is left to do."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref

import pytest

from replicate_home import FakeClock, SystemClock
from replicate_home.clock import NotYet, wait_until
from replicate_home.threads import ThreadPool
from replicate_home.transports.async_base import ask_on, sleep_on
from replicate_home.transports.threaded import in_thread

ENOUGH = 20.0


def test_on_the_machines_clock_the_event_loop_sleeps(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("the loop is held up"))
    asyncio.run(sleep_on(SystemClock(), 0.001))
    asyncio.run(sleep_on(SystemClock(), -1))


def test_another_clock_sleeps_in_a_thread():
    class Own(FakeClock.__base__):
        def sleep(self, seconds):
            self.slept = (seconds, threading.current_thread())

    clock = Own()
    asyncio.run(sleep_on(clock, 3))
    assert clock.slept[0] == 3
    assert clock.slept[1] is not threading.current_thread()


def test_on_a_fake_clock_a_sleep_alone_is_over_at_once():
    clock = FakeClock()
    asyncio.run(sleep_on(clock, 600))
    asyncio.run(sleep_on(clock, -1))
    assert (clock.now(), clock.sleeps) == (600, [600])


def test_those_that_sleep_wake_in_the_order_of_their_moments_then_of_their_sleeps():
    async def nap(name: str, *naps: float) -> None:
        for seconds in naps:
            await sleep_on(clock, seconds)
            woke.append((name, clock.now()))

    async def main() -> None:
        await asyncio.gather(nap("a", 3, 1, 4), nap("b", 1, 5), nap("c", 4), nap("d", 2, 2))

    clock = FakeClock()
    woke: list[tuple[str, float]] = []
    asyncio.run(main())
    assert woke == [("b", 1), ("d", 2), ("a", 3), ("c", 4), ("d", 4), ("a", 4), ("b", 6), ("a", 8)]


def test_no_time_passes_before_what_was_woken_had_a_few_turns_to_go_on():
    async def nap() -> None:
        for _ in range(3):
            await sleep_on(clock, 1)
            for _ in range(8):  # as through a gather, a queue and a wait_for
                await asyncio.sleep(0)
            woke.append(clock.now())

    async def main() -> None:
        await asyncio.gather(nap(), *(sleep_on(clock, 0.01 * number) for number in range(300)))

    clock = FakeClock()
    woke: list[float] = []
    asyncio.run(main())
    assert woke == [1, 2, 3]


def test_no_time_passes_while_a_thread_works_for_the_event_loop():
    async def work() -> list[float]:
        seen = []
        for _ in range(3):
            await in_thread(pool, time.sleep, 0.01)
            seen.append(clock.now())
            await sleep_on(clock, 1)
        return seen

    async def main() -> list[float]:
        long = asyncio.ensure_future(sleep_on(clock, 600))
        seen = await work()
        await long
        return seen

    clock, pool = FakeClock(), ThreadPool(1, "test")
    assert asyncio.run(main()) == [0, 1, 2]
    pool.end()
    assert clock.now() == 600


def test_a_thread_that_waits_for_the_time_to_pass_holds_it_up_for_a_moment_only():
    async def main() -> None:
        passed = threading.Event()
        waiting = asyncio.ensure_future(in_thread(pool, passed.wait, ENOUGH))
        await sleep_on(clock, 600)
        passed.set()
        assert await waiting

    clock, pool = FakeClock(), ThreadPool(1, "test")
    asyncio.run(main())
    pool.end()
    assert clock.now() == 600


def test_a_sleep_that_is_canceled_does_not_move_the_time():
    async def main() -> None:
        sleep = asyncio.ensure_future(sleep_on(clock, 5))
        await asyncio.sleep(0)
        sleep.cancel()
        await sleep_on(clock, 7)

    clock = FakeClock()
    asyncio.run(main())
    assert (clock.now(), clock.sleeps) == (7, [5, 7])


def test_time_that_is_moved_by_hand_wakes_what_has_slept_until_then():
    async def main() -> list[float]:
        sleeps = asyncio.gather(*(woken(seconds) for seconds in (1, 5, 600)))
        await asyncio.sleep(0)
        clock.sleep(100)
        return await sleeps

    async def woken(seconds: float) -> float:
        await sleep_on(clock, seconds)
        return clock.now()

    clock = FakeClock()
    assert asyncio.run(main()) == [100, 100, 600]


def test_what_is_not_yet_there_is_asked_for_again_at_its_moment():
    def ask(moments: list[float]) -> float:
        asked.append(clock.now())
        while moments and moments[0] <= clock.now():
            moments.pop(0)
        wait_until(clock, moments[0] if moments else 0)
        return clock.now()

    async def main() -> list[float]:
        return await asyncio.gather(ask_on(clock, lambda: ask(first)), ask_on(clock, lambda: ask(second)))

    clock = FakeClock()
    first, second = [0.1 + 0.2, 3], [2]
    asked: list[float] = []
    assert asyncio.run(main()) == [3, 2]
    assert asked == [0, 0, 0.1 + 0.2, 2, 3]


def test_of_what_is_partly_done_only_the_rest_is_asked_again():
    def begin() -> str:
        asked.append("begin")
        later = NotYet(5)
        later.again = rest
        raise later

    def rest() -> str:
        asked.append("rest")
        wait_until(clock, 9)
        return "done"

    clock = FakeClock()
    asked: list[str] = []
    assert asyncio.run(ask_on(clock, begin)) == "done"
    assert (asked, clock.now()) == (["begin", "rest", "rest"], 9)


def test_a_clock_that_is_dropped_is_forgotten():
    async def main(clock: FakeClock) -> None:
        await asyncio.gather(*(sleep_on(clock, 1) for _ in range(3)))

    clock = FakeClock()
    gone = weakref.ref(clock)
    asyncio.run(main(clock))
    del clock
    gc.collect()
    assert gone() is None
