"""The seam to the network for event loops: the twin of :mod:`.transport`, awaited, with the same contract.

Any blocking transport is made one of these by :class:`~.threaded.ThreadedTransport`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from ..clock import Clock, FakeClock, SystemClock
from ..wire import Request, Response

T = TypeVar("T")


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

        A task that is cancelled meanwhile frees the connection at once, where the transport itself is not blocking.
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
        clock.sleep(seconds)
        await asyncio.sleep(0)
    else:
        await asyncio.to_thread(clock.sleep, seconds)


def run_in_new_loop(work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns, run in an event loop of its own, in a thread in which none runs.

    As ``asyncio.run``, which nest_asyncio replaces by one that leaves the loop and its connections open.
    """
    with asyncio.Runner() as runner:
        return runner.run(work)
