"""Connections to reach servers over: which of the idle ones may be used, and how one has ended."""

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
    """TLS that knows whether its peer has said that it is over; without that, anyone may have cut it."""

    said_goodbye = False

    def read(self, *arguments: Any) -> Any:
        """Decrypted bytes, or how many of them were put into a buffer."""
        data = super().read(*arguments)
        self.said_goodbye = self.said_goodbye or not data
        return data


@attrs.define(eq=False)
class Reached:
    """A connection: ``lost`` is done when it is, with the error that broke it."""

    protocol: Any
    transport: asyncio.Transport
    lost: asyncio.Future[None]
    tls: ssl.SSLObject | None
    idle_since: float | None = None

    def rest(self) -> None:
        """It was given back."""
        self.idle_since = time.monotonic()

    def is_fit(self, method: str) -> bool:
        """Whether a request may go over it: it is new, or nothing came since, and for a create not for long."""
        if self.idle_since is None:
            return True
        allowed = REUSE_SECONDS if method in IDEMPOTENT else CREATE_REUSE_SECONDS
        if self.protocol.should_close or time.monotonic() - self.idle_since > allowed:
            return False
        return not wait_for_read(self.transport.get_extra_info("socket"), timeout=0)

    def was_cut(self) -> bool:
        """Whether a body that ends with it may have ended too early."""
        if isinstance(self.tls, WatchedTLS) and not self.tls.said_goodbye:
            return True
        return self.lost.done() and self.lost.exception() is not None


class WatchfulConnector(aiohttp.TCPConnector):
    """Hands out no idle connection on which anything has come, or for a create one that was silent for long.

    aiohttp itself asks only whether it has heard of an end. What happened while the event loop was busy is in the
    kernel still, and an answer that nobody asked for would be taken for the answer to the next request.
    """

    def __init__(self) -> None:
        super().__init__(limit=0, keepalive_timeout=REUSE_SECONDS, resolver=aiohttp.ThreadedResolver())
        self._reached: dict[Any, Reached] = {}
        self.given: weakref.WeakKeyDictionary[Any, Reached] = weakref.WeakKeyDictionary()
        """The connection that each task was given last."""

    async def connect(self, req: aiohttp.ClientRequest, *arguments: Any, **options: Any) -> Connection:
        """A connection for ``req``, of the pool or new."""
        while True:
            connection = await super().connect(req, *arguments, **options)
            reached = self._reached.get(connection.protocol) or self._watched(connection)
            if reached.is_fit(req.method):
                self.given[asyncio.current_task()] = reached
                connection.add_callback(reached.rest)
                return connection
            abort(connection)

    async def close(self, **options: Any) -> None:
        """Close all connections, those too that wait for the other side to agree to it."""
        for reached in list(self._reached.values()):
            reached.transport.abort()
        await super().close(**options)

    def _watched(self, connection: Connection) -> Reached:
        protocol: Any = connection.protocol
        transport, lost = connection.transport, protocol.closed
        if transport is None or lost is None:
            connection.close()
            raise ConnectionResetError("the server closed the connection at once")
        reached = Reached(protocol, transport, lost, transport.get_extra_info("ssl_object"))
        self._reached[protocol] = reached
        lost.add_done_callback(lambda _: self._lost(protocol))
        return reached

    def _lost(self, protocol: Any) -> None:
        reached = self._reached.pop(protocol)
        with suppress(asyncio.CancelledError):
            reached.lost.exception()  # an end in an error is nobody's concern where no body waits for it


def abort(connection: Connection | None) -> None:
    """Close a connection without waiting for the other side to agree, which it may never do."""
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    if connection is not None:
        connection.close()
