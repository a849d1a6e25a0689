"""An async transport as a blocking one, so that both can be held to one contract: a loop in a thread serves it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from replicate_home.clock import Clock
from replicate_home.transports.async_base import AsyncBody, AsyncTransport
from replicate_home.wire import Body, Request, Response


class Blocking:
    """Serves ``make()`` from an event loop of its own, until it is ended."""

    def __init__(self, make: Callable[[], AsyncTransport], new_loop: Any = asyncio.new_event_loop) -> None:
        self.transport = make()
        self._runner = asyncio.Runner(loop_factory=new_loop)
        self.loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    @property
    def clock(self) -> Clock:
        return self.transport.clock

    def send(self, request: Request, deadline: float | None) -> tuple[Response, Body | None]:
        response, body = self.run(self.transport.send(request, deadline))
        return response, None if body is None else BlockingBody(body, self)

    def close(self) -> None:
        self.run(self.transport.close())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def end(self) -> None:
        """End the loop as asyncio.run() would."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self._runner.close()

    def __repr__(self) -> str:
        return repr(self.transport)


class BlockingBody:
    def __init__(self, body: AsyncBody, owner: Blocking) -> None:
        self._body = body
        self._owner = owner

    def read(self, deadline: float | None) -> bytes:
        return self._owner.run(self._body.read(deadline))

    def close(self) -> None:
        self._body.close()
