"""Connections of aiohttp that are watched, so that it is known how far an exchange got.

Only what aiohttp and asyncio offer in public is used: a connector's ``connect``, a resolver, a TLS context, and
``transport.set_protocol``, through which everything that arrives passes by here.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import aiohttp
from yarl import URL

from .deadline_connection import CREATE_REUSE_SECONDS, IDEMPOTENT
from .http1 import INTERIM_LIMIT, Malformed, split_head

CURRENT: ContextVar[Exchange | None] = ContextVar("replicate_home_exchange", default=None)
"""The exchange that the running task is at, for the parts of aiohttp that are not handed it."""


class SentOnce(Exception):
    """aiohttp wanted to send a request again."""


class Exchange:
    """One request and its answer: until when, how far it got, what went wrong on our side.

    ``connect`` is how many seconds reaching the server may take.
    """

    def __init__(self, method: str, deadline: float | None, connect: float | None) -> None:
        self.method = method
        self.deadline = deadline
        self.connect = connect
        self.phase = "connect"
        self.proxied = False
        self.uploads = False
        self.error: Exception | None = None
        self.watcher: Watcher | None = None
        self.salvage: Callable[[], None] = _nothing
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


def _nothing() -> None:
    """There is no body yet."""


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
        async with asyncio.timeout(exchange.connect):
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
    """Stands between a connection and the protocol of aiohttp that reads from it, and sees what comes by.

    It finds the end of the head, as aiohttp does again, and counts what comes after it.
    """

    def __init__(self, protocol: Any, transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self._transport = transport
        self._exchange: Exchange | None = None
        self._head = b""
        self._heads = 0
        self._count = 0
        self._end = b""
        self._heard_at: float | None = None

    def begin(self, exchange: Exchange) -> None:
        """From now on this exchange goes over the connection."""
        self._exchange = exchange
        self._head = self._end = b""
        self._heads = self._count = 0
        exchange.watcher = self
        exchange.phase = "send" if exchange.uploads else "wait"

    def has_idled(self, seconds: float) -> bool:
        """Whether nothing was heard on a connection that was used before for so long."""
        return self._heard_at is not None and time.monotonic() - self._heard_at > seconds

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def finish(self, exchange: Exchange, length: int | None) -> None:
        """The body is complete: close the connection if more came than it, of this length, None for one in chunks."""
        more_came = self._count > length if length is not None else self._end != b"\r\n\r\n"
        if self._exchange is exchange:
            self._exchange = None
            if more_came:
                self.abort()

    def data_received(self, data: bytes) -> None:
        """Note that the server speaks."""
        self._heard_at = time.monotonic()
        exchange = self._exchange
        if exchange is not None and exchange.error is None:
            try:
                self._follow(data, exchange)
            except Malformed as error:
                exchange.fail(error)
        if exchange is None or exchange.error is None:
            self._protocol.data_received(data)

    def _follow(self, data: bytes, exchange: Exchange) -> None:
        if exchange.phase in ("send", "wait"):
            exchange.phase = "headers"
        while exchange.phase == "headers":
            searched, self._head = len(self._head), self._head + data
            parts = split_head(self._head, searched)
            if parts is None:
                return
            head, data = parts
            self._head = b""
            self._heads += 1
            if self._heads > INTERIM_LIMIT:
                raise Malformed("the server sends interim answers without end")
            if head[9:10] != b"1":
                exchange.phase = "body"
            elif not data:
                return
        self._count += len(data)
        self._end = (self._end + data[-4:])[-4:]

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._protocol.eof_received()  # type: ignore[no-any-return]  # aiohttp's protocol

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on, but take what came before and was not read: aiohttp would forget it."""
        if self._exchange is not None:
            self._exchange.salvage()
        self._protocol.connection_lost(exc)

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
