"""The seam to the network for event loops: the twin of :mod:`.transport`, awaited, with the same contract.

Any blocking transport is made one of these by :class:`~.threaded.ThreadedTransport`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from ..clock import Clock, FakeClock, NotYet, SystemClock, not_waiting
from ..wire import Request, Response

T = TypeVar("T")

_TURNS = 10  # of the event loop, in which nothing is done, before time passes on a fake clock
_LONG_TURN = 0.005  # real seconds, the length of a turn while a thread works for the event loop


class AsyncBody(Protocol):
    """The body of an answer that is still arriving."""

    async def read(self, deadline: float | None) -> bytes:
        """As :meth:`Body.read <replicate_home.Body.read>`."""
        ...

    def close(self) -> None:
        """Give up the rest, at once; a task that waits in :meth:`read` gets a :class:`~replicate_home.Disconnected`.

        May be called from any thread, also when the event loop has ended, and more than once.
        """
        ...


class AsyncTransport(Protocol):
    """Sends one request, once, and tells the truth about what happened to it; see :class:`~.transport.Transport`."""

    @property
    def clock(self) -> Clock:
        """The clock that deadlines are read on."""
        ...

    async def send(self, request: Request, deadline: float | None) -> tuple[Response, AsyncBody | None]:
        """As :meth:`Transport.send <replicate_home.Transport.send>`.

        A task that is canceled meanwhile frees the connection at once, where the transport itself is not blocking.
        """
        ...

    async def close(self) -> None:
        """Give up pooled connections; the transport may be used again afterwards."""
        ...


def is_async(transport: Any) -> bool:
    """Whether it is a transport for event loops."""
    return inspect.iscoroutinefunction(getattr(transport, "send", None))


async def sleep_on(clock: Clock, seconds: float) -> None:
    """Let ``seconds`` pass on ``clock`` without holding up the event loop."""
    if isinstance(clock, SystemClock):
        await asyncio.sleep(max(0.0, seconds))
    elif isinstance(clock, FakeClock):
        await _sleepers(clock).sleep_until(clock, clock.now() + seconds)
    else:
        await asyncio.to_thread(clock.sleep, seconds)


async def ask_on(clock: FakeClock, ask: Callable[[], T]) -> T:
    """What ``ask`` returns; where it raises :class:`~replicate_home.clock.NotYet`, it is asked again at that moment."""
    sleepers = _sleepers(clock)
    while True:
        sleepers.stir(clock)
        await asyncio.sleep(0)
        try:
            with not_waiting():
                return ask()
        except NotYet as later:
            ask, moment = later.again or ask, later.moment
        finally:
            sleepers.stir(clock)
        await sleepers.sleep_until(clock, moment)


@contextmanager
def awaiting_thread() -> Iterator[None]:
    """A thread works for this event loop meanwhile: no time passes on a fake clock, unless it works for long."""
    loop = asyncio.get_running_loop()
    _threads[loop] = _threads.get(loop, 0) + 1
    try:
        yield
    finally:
        _threads[loop] -= 1


class _Sleepers:
    """What sleeps on one fake clock in one event loop.

    The first goes on when the loop has turned some times with nothing done: the loop does not say when it is idle, and
    what has just come to its end may need a few turns to begin something else.
    """

    def __init__(self) -> None:
        self._asleep: list[tuple[float, int, asyncio.Future[None]]] = []  # a heap: the first goes on first
        self._order = count()
        self._turns = 0
        self._watching = False

    async def sleep_until(self, clock: FakeClock, moment: float) -> None:
        """Return when this moment has come on the clock."""
        seconds = moment - clock.now()
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        clock.sleeps.append(seconds)
        woken = asyncio.get_running_loop().create_future()
        heappush(self._asleep, (moment, next(self._order), woken))
        self.stir(clock)
        await woken

    def stir(self, clock: FakeClock) -> None:
        """Something was done: no time passes before it is clear what comes of it."""
        self._turns = 0
        if self._asleep and not self._watching:
            self._watching = True
            asyncio.get_running_loop().call_soon(self._watch, clock)

    def _watch(self, clock: FakeClock) -> None:
        loop = asyncio.get_running_loop()
        self._turns += 1
        if self._turns > _TURNS:
            self._wake_first(clock)
        self._watching = bool(self._asleep)
        if self._watching and _threads.get(loop):
            loop.call_later(_LONG_TURN, self._watch, clock)
        elif self._watching:
            loop.call_soon(self._watch, clock)

    def _wake_first(self, clock: FakeClock) -> None:
        asleep = self._asleep
        while asleep and asleep[0][2].done():  # canceled
            heappop(asleep)
        if asleep:
            self._turns = 0
            clock.advance_to(asleep[0][0])
        while asleep and asleep[0][0] <= clock.now():
            woken = heappop(asleep)[2]
            if not woken.done():
                woken.set_result(None)


_all_sleepers: WeakKeyDictionary[FakeClock, WeakKeyDictionary[asyncio.AbstractEventLoop, _Sleepers]]
_all_sleepers = WeakKeyDictionary()
_threads: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()  # that work for an event loop


def _sleepers(clock: FakeClock) -> _Sleepers:
    """What sleeps on the clock in the event loop that runs."""
    loop = asyncio.get_running_loop()
    in_loops = _all_sleepers.get(clock)
    if in_loops is None:
        in_loops = _all_sleepers[clock] = WeakKeyDictionary()
    if loop not in in_loops:
        in_loops[loop] = _Sleepers()
    return in_loops[loop]


def run_in_new_loop(work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns, run in an event loop of its own, in a thread in which none runs.

    As ``asyncio.run``, which nest_asyncio replaces by one that leaves the loop and its connections open.
    """
    with asyncio.Runner() as runner:
        return runner.run(work)
