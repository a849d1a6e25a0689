"""Connections of aiohttp that are watched, so that it is known how far an exchange got.

Only what aiohttp and asyncio offer in public is used: a connector's ``connect``, a resolver, a TLS context, and
``transport.set_protocol``, through which everything that arrives passes by here.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextvars import ContextVar
from typing import Any

import aiohttp
from yarl import URL

from .deadline_connection import CONNECT_SECONDS, CREATE_REUSE_SECONDS, IDEMPOTENT
from .http1 import HEAD_LIMIT, INTERIM_LIMIT, Malformed

LONGEST_HEADS = HEAD_LIMIT * INTERIM_LIMIT
CURRENT: ContextVar[Exchange | None] = ContextVar("replicate_home_exchange", default=None)
"""The exchange that the running task is at, for the parts of aiohttp that are not handed it."""


class SentOnce(Exception):
    """aiohttp wanted to send a request again."""


class Exchange:
    """One request and its answer: until when, how far it got, what went wrong on our side."""

    def __init__(self, method: str, deadline: float | None) -> None:
        self.method = method
        self.deadline = deadline
        self.phase = "connect"
        self.proxied = False
        self.uploads = False
        self.error: Exception | None = None
        self.watcher: Watcher | None = None
        self._handshakes_with_proxy = 0

    def left(self) -> float | None:
        """The seconds that are left, perhaps none."""
        return None if self.deadline is None else self.deadline - time.monotonic()

    def way(self, proxy: URL | None) -> None:
        """Say over which proxy it goes."""
        self.proxied = proxy is not None
        self._handshakes_with_proxy = int(proxy is not None and proxy.scheme == "https")
        if proxy is not None:
            self.phase = "proxy"

    def shakes_hands(self) -> None:
        """A TLS handshake begins."""
        if self._handshakes_with_proxy:
            self._handshakes_with_proxy -= 1
        else:
            self.phase = "tls"

    def fail(self, error: Exception) -> None:
        """Note what went wrong on our side, and give the connection up."""
        self.error = error.with_traceback(None)
        if self.watcher is not None:
            self.watcher.abort()


class WatchedConnector(aiohttp.TCPConnector):
    """Hands out connections that are watched, to each exchange one, and to a create none that has idled long."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        """A connection for ``req``, from the pool or a new one."""
        exchange = CURRENT.get()
        assert exchange is not None
        if exchange.watcher is not None:
            raise SentOnce
        async with asyncio.timeout(CONNECT_SECONDS):
            while True:
                connection = await super().connect(req, traces, timeout)
                watcher = _watcher_of(connection)
                if exchange.method in IDEMPOTENT or not watcher.has_idled(CREATE_REUSE_SECONDS):
                    break
                connection.close()
        watcher.begin(exchange)
        return connection


def _watcher_of(connection: aiohttp.connector.Connection) -> Watcher:
    transport = connection.transport
    assert transport is not None
    watcher = transport.get_protocol()
    if not isinstance(watcher, Watcher):
        assert isinstance(watcher, asyncio.Protocol)
        watcher = Watcher(watcher, transport)
        transport.set_protocol(watcher)
    return watcher


class Watcher(asyncio.Protocol):
    """Stands between a connection and the protocol of aiohttp that reads from it.

    The loss of a connection is held back while data that came before it was not read: aiohttp would forget these.
    """

    def __init__(self, protocol: Any, transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self._transport = transport
        self._exchange: Exchange | None = None
        self._heads = 0
        self._heard_at: float | None = None
        self._lost: tuple[Exception | None] | None = None
        self.holds_loss = False

    def begin(self, exchange: Exchange) -> None:
        """From now on this exchange goes over the connection."""
        self._exchange = exchange
        self._heads = 0
        self.holds_loss = False
        exchange.watcher = self
        exchange.phase = "send" if exchange.uploads else "wait"

    def has_idled(self, seconds: float) -> bool:
        """Whether nothing was heard on a connection that was used before for so long."""
        return self._heard_at is not None and time.monotonic() - self._heard_at > seconds

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Note that the server speaks."""
        self._heard_at = time.monotonic()
        exchange = self._exchange
        if exchange is not None and exchange.phase != "body":
            exchange.phase = "headers"
            self._heads += len(data)
            if self._heads > LONGEST_HEADS:
                exchange.fail(Malformed(f"the answer's headers are longer than {LONGEST_HEADS} bytes"))
                return
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._protocol.eof_received()  # type: ignore[no-any-return]  # aiohttp's protocol

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on, or keep it until what came before was read."""
        self._lost = (exc,)
        closed_on_this_side = self._protocol.transport is None
        if closed_on_this_side or not self.holds_loss:
            self.tell_loss()

    def tell_loss(self) -> None:
        """Pass on that the connection is lost, where it is."""
        lost, self._lost = self._lost, None
        if lost is not None:
            self._protocol.connection_lost(lost[0])

    def pause_writing(self) -> None:
        """Pass it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._protocol.resume_writing()


class Resolver(aiohttp.ThreadedResolver):
    """The system's, which says that it is at it."""

    async def resolve(self, *args: Any, **options: Any) -> Any:
        """The addresses of a host."""
        exchange = CURRENT.get()
        if exchange is None or exchange.proxied:
            return await super().resolve(*args, **options)
        exchange.phase = "resolve"
        found = await super().resolve(*args, **options)
        exchange.phase = "connect"
        return found


class WatchedTLS(ssl.SSLContext):
    """A context that says when a handshake begins."""

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """What asyncio makes for each handshake."""
        exchange = CURRENT.get()
        if exchange is not None:
            exchange.shakes_hands()
        return super().wrap_bio(*args, **options)
