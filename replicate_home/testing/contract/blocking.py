"""A transport for event loops as a blocking one, served by a loop in a thread, so that one contract tests both."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ...clock import Clock
from ...transports.async_base import AsyncBody, AsyncTransport
from ...wire import Body, Request, Response

T = TypeVar("T")


class Blocking:
    """Serves ``transport`` from an event loop of its own, until :meth:`end`."""

    def __init__(
        self,
        transport: AsyncTransport,
        new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> None:
        self.transport = transport
        self._runner = asyncio.Runner(loop_factory=new_loop)
        self.loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    @property
    def clock(self) -> Clock:
        """The transport's."""
        return self.transport.clock

    def send(self, request: Request, deadline: float | None) -> tuple[Response, Body | None]:
        """Send in the loop."""
        response, body = self.run(self.transport.send(request, deadline))
        return response, None if body is None else BlockingBody(body, self)

    def close(self) -> None:
        """Close in the loop."""
        self.run(self.transport.close())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` returns, run in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def end(self) -> None:
        """End the loop as ``asyncio.run`` would."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self._runner.close()

    def __repr__(self) -> str:
        return repr(self.transport)


class BlockingBody:
    """A body that is read in the loop."""

    def __init__(self, body: AsyncBody, owner: Blocking) -> None:
        self._body = body
        self._owner = owner

    def read(self, deadline: float | None) -> bytes:
        """Read in the loop."""
        return self._owner.run(self._body.read(deadline))

    def close(self) -> None:
        """Close from this thread, as from any."""
        self._body.close()
