"""One connection of aiohttp's: what goes over it, and what comes, kept until it is asked for.

Everything that arrives comes here by ``transport.set_protocol``, which asyncio offers in public.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp

from ..http1 import has_answered

BUFFERED = 256 * 1024
"""How many bytes may have arrived and not been asked for before the server has to wait."""


class Line(asyncio.Protocol):
    """What goes over one connection, and what comes, kept until it is asked for; one task at a time waits on it.

    ``handler`` is aiohttp's own protocol: its pool learns from it that a connection has ended. What aiohttp lends is
    kept here as long as it is lent, and given back with the end of the connection: whoever asks may be collected as
    garbage in any order, and aiohttp warns of each that is.
    """

    __slots__ = (
        "_arrived",
        "_connection",
        "_ended",
        "_error",
        "_handler",
        "_heard_at",
        "_idle",
        "_is_full",
        "_is_paused",
        "_transport",
        "_waiter",
    )

    def __init__(self, handler: Any, transport: asyncio.Transport, idle: set[Line]) -> None:
        self._connection: aiohttp.connector.Connection | None = None
        self._handler = handler
        self._idle = idle
        self._transport = transport
        self._arrived = b""
        self._ended = False
        self._error: Exception | None = None
        self._is_full = False
        self._is_paused = False
        self._heard_at: float | None = None
        self._waiter: asyncio.Future[None] | None = None

    def has_idled(self, seconds: float) -> bool:
        """Whether nothing was heard on a connection that was used before for so long."""
        return self._heard_at is not None and time.monotonic() - self._heard_at > seconds

    @property
    def has_ended(self) -> bool:
        """Whether the server has said that it says no more."""
        return self._ended

    def take(self, connection: aiohttp.connector.Connection) -> None:
        """Begin an exchange; ``connection`` is how it is given back to the pool."""
        self._connection = connection
        self._idle.discard(self)

    def release(self) -> None:
        """Give it back to the pool, unless it has ended or something has arrived that nobody has asked for."""
        if self._arrived or self._ended:
            self.drop()
            return
        connection, self._connection = self._connection, None
        if connection is not None:
            self._idle.add(self)
            connection.release()

    def drop(self) -> None:
        """Close it at once."""
        self._transport.abort()
        self._hand_back()

    def _hand_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def write(self, data: bytes) -> None:
        """Send it, as soon as the connection takes it."""
        self._transport.write(data)

    async def takes_more(self, until: float | None) -> bool:
        """Wait until more may be written; False where the server has answered already, or is gone."""
        while self._is_full and not self._has_answered():
            await self._wait(until)
        return not self._has_answered() and not self._transport.is_closing()

    async def receive(self, until: float | None) -> bytes:
        """What has arrived, waiting for the first byte of it; nothing at the end of the connection."""
        while not self._arrived and not self._ended:
            await self._wait(until)
        data, self._arrived = self._arrived, b""
        if self._is_paused and not self._ended:
            self._is_paused = False
            self._transport.resume_reading()
        if not data and self._error is not None:
            raise self._error
        return data

    def put_back(self, data: bytes) -> None:
        """Have this received next."""
        self._arrived = data + self._arrived

    def _has_answered(self) -> bool:
        return self._ended or has_answered(self._arrived)

    async def _wait(self, until: float | None) -> None:
        """Wait until anything happens; raises TimeoutError when it is ``until``."""
        if self._waiter is not None:
            raise RuntimeError("another task waits on the same connection")
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer: asyncio.Handle | None = None
        if until is not None:
            left = until - time.monotonic()
            # A timer that is over comes after what has arrived, and a server that never pauses would outlast it.
            timer = loop.call_later(left, _give_up, waiter) if left > 0 else loop.call_soon(_give_up, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the connection says

    def data_received(self, data: bytes) -> None:
        """Keep it; what comes unasked ends the connection."""
        self._heard_at = time.monotonic()
        if self._connection is None:
            self._transport.abort()
            return
        self._arrived = self._arrived + data if self._arrived else data
        if len(self._arrived) >= BUFFERED and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """The server says no more; the connection is closed then."""
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more comes or goes."""
        self._ended = True
        self._error = exc
        self._idle.discard(self)
        self._handler.connection_lost(exc)
        self._hand_back()
        self._wake()

    def pause_writing(self) -> None:
        """Enough waits to be sent."""
        self._is_full = True

    def resume_writing(self) -> None:
        """More may be sent."""
        self._is_full = False
        self._wake()


def _give_up(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("the time allowed is over"))
