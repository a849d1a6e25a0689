"""Connections to servers: which idle ones may be reused, and how a connection ended."""

from __future__ import annotations

import asyncio
import ssl
import time
import weakref
from contextlib import suppress
from typing import Any

import aiohttp
import attrs
from aiohttp.connector import Connection
from urllib3.util.wait import wait_for_read

from ...wire import IDEMPOTENT
from ..prepared import CREATE_REUSE_SECONDS, REUSE_SECONDS


class WatchedTLS(ssl.SSLObject):
    """TLS that knows whether its peer sent ``close_notify``. Without that, anyone may have cut the connection."""

    closed_in_order = False

    def read(self, *arguments: Any) -> Any:
        """Decrypted bytes, or how many of them were put into a buffer."""
        data = super().read(*arguments)
        self.closed_in_order = self.closed_in_order or not data
        return data


@attrs.define(eq=False)
class WatchedConnection:
    """A connection of the pool. ``lost`` is done when the connection is lost, with the error that broke it."""

    protocol: Any
    transport: asyncio.Transport
    lost: asyncio.Future[None]
    tls: ssl.SSLObject | None
    idle_since: float | None = None

    def rest(self) -> None:
        """The connection was returned to the pool."""
        self.idle_since = time.monotonic()

    def is_fit(self, method: str) -> bool:
        """Whether it may carry a request: it is new, or nothing has arrived since. A create also needs a recent one."""
        if self.idle_since is None:
            return True
        allowed = REUSE_SECONDS if method in IDEMPOTENT else CREATE_REUSE_SECONDS
        if self.protocol.should_close or time.monotonic() - self.idle_since > allowed:
            return False
        return not wait_for_read(self.transport.get_extra_info("socket"), timeout=0)

    def was_cut(self) -> bool:
        """Whether a body that ends with the connection may be incomplete."""
        if isinstance(self.tls, WatchedTLS) and not self.tls.closed_in_order:
            return True
        return self.lost.done() and not self.lost.cancelled() and self.lost.exception() is not None


class WatchfulConnector(aiohttp.TCPConnector):
    """Reuses no connection on which anything has arrived since the last response, nor an old one for a create.

    aiohttp only checks whether it knows of an end. What arrived while the event loop was busy is still in the kernel,
    and an unsolicited response would be taken for the response to the next request.
    """

    def __init__(self) -> None:
        super().__init__(limit=0, keepalive_timeout=REUSE_SECONDS, resolver=aiohttp.ThreadedResolver())
        self._watched: dict[Any, WatchedConnection] = {}
        self.last_used: weakref.WeakKeyDictionary[Any, WatchedConnection] = weakref.WeakKeyDictionary()
        """The connection that each task got last."""

    async def connect(self, req: aiohttp.ClientRequest, *arguments: Any, **options: Any) -> Connection:
        """A connection for ``req``, from the pool or new."""
        while True:
            connection = await super().connect(req, *arguments, **options)
            watched = self._watched.get(connection.protocol) or self._watch(connection)
            if watched.is_fit(req.method):
                self.last_used[asyncio.current_task()] = watched
                connection.add_callback(watched.rest)
                return connection
            abort(connection)

    async def close(self, **options: Any) -> None:
        """Close all connections, including those that wait for the peer to end TLS."""
        for watched in list(self._watched.values()):
            watched.transport.abort()
        await super().close(**options)

    def _watch(self, connection: Connection) -> WatchedConnection:
        protocol: Any = connection.protocol
        transport, lost = connection.transport, protocol.closed
        if transport is None or lost is None:
            connection.close()
            raise ConnectionResetError("the server closed the connection at once")
        watched = WatchedConnection(protocol, transport, lost, transport.get_extra_info("ssl_object"))
        self._watched[protocol] = watched
        lost.add_done_callback(lambda _: self._lost(protocol))
        return watched

    def _lost(self, protocol: Any) -> None:
        watched = self._watched.pop(protocol)
        with suppress(asyncio.CancelledError):
            watched.lost.exception()  # or asyncio would log it


def abort(connection: Connection | None) -> None:
    """Close a connection without waiting for the peer to end TLS, which it may never do."""
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    if connection is not None:
        connection.close()
