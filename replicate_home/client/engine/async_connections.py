"""What an async client sends over: the transport it was given, aiohttp if that is installed, or threads."""

from __future__ import annotations

import asyncio
import threading
from importlib.util import find_spec
from typing import Any

from ...clock import Clock, FakeClock
from ...drivers.adrive import Leaving
from ...lifecycle.policy import LEAVING
from ...threads import ThreadPool
from ...transports.async_base import AsyncTransport, is_async
from ...transports.threaded import ThreadedTransport
from .connections import Connections, Models


class AsyncConnections:
    """The connections of an async client and of those made from it with other options.

    ``shared`` are the same for threads; they are ``owned`` if no blocking client has them too.
    """

    def __init__(self, shared: Connections, *, owned: bool = True) -> None:
        self.shared = shared
        self.leaving: Leaving = set()
        self.readers = ThreadPool(4, "replicate-home-files")
        self._owned = owned
        self._lock = threading.Lock()
        self._native: AsyncTransport | None = None
        self._threaded: dict[str, ThreadedTransport] = {}

    @classmethod
    def over(cls, transport: Any, clock: Clock | None, models: Models | None) -> AsyncConnections:
        """Connections over a transport of either kind, or over one that is created."""
        blocking = _blocking(transport) if is_async(transport) else transport
        return cls(Connections(transport, clock, models, blocking=blocking))

    def is_native(self, connections: str) -> bool:
        """Whether calls on this route need no threads."""
        if self.shared.given is not None:
            return is_async(self.shared.given)
        return connections == "network" and self._owned and find_spec("aiohttp") is not None

    def holds_threads(self, connections: str) -> bool:
        """Whether an open event stream on this route keeps a thread waiting; in virtual time nothing waits."""
        return not (self.is_native(connections) or isinstance(self.shared.clock, FakeClock))

    def transport(self, connections: str) -> AsyncTransport:
        """The transport for a route."""
        if self.is_native(connections):
            return self.shared.given or self._made_native()
        blocking = self.shared.transport(connections)
        with self._lock:
            threaded = self._threaded.get(connections)
            if threaded is None or threaded.transport is not blocking:
                threaded = self._threaded[connections] = ThreadedTransport(blocking)
            return threaded

    async def close(self) -> None:
        """Wait for predictions that are being canceled; then close what was created here."""
        here = asyncio.get_running_loop()
        await asyncio.sleep(0)  # streams that were just dropped begin to leave
        leaving = {task for task in self.leaving if task.get_loop() is here}
        if leaving:
            await asyncio.wait(leaving, timeout=LEAVING)
        with self._lock:
            native, self._native = self._native, None
            threaded, self._threaded = self._threaded, {}
        if native is not None:
            await native.close()
        for transport in threaded.values():
            transport.end()
        self.readers.end()
        if self._owned:
            self.shared.close()

    def _made_native(self) -> AsyncTransport:
        from ...transports.over_aiohttp.transport import AiohttpTransport  # imports aiohttp

        with self._lock:
            self._native = self._native or AiohttpTransport()
            return self._native


def _blocking(transport: Any) -> Any:
    """The counterpart for threads that a transport for event loops names, if any."""
    named = getattr(transport, "blocking", None)
    return named() if callable(named) else None
