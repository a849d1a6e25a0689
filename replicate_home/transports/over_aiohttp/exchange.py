"""Exchanges over the connections that aiohttp opens, tunnels, secures and pools.

Only what aiohttp offers in public is used: a connector's ``connect``, a resolver, a TLS context. HTTP is read by
:mod:`.http1`, for the reasons given there, and because the machinery of an ``aiohttp.ClientSession`` weighs more than
all the rest of a prediction that waits.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from typing import Any

import aiohttp
import attrs

from ...wire import IDEMPOTENT, Upload
from ..exchange import upload_pieces
from ..http1 import ConcealedBytes, Cut, Head, HeadReader
from ..over_requests.deadline_connection import CREATE_REUSE_SECONDS
from .line import Line

CURRENT: ContextVar[AsyncExchange | None] = ContextVar("replicate_home_exchange", default=None)
"""The exchange that is reaching its server, for the parts of aiohttp that are not handed it."""
OPENING = 64
"""How many connections to one origin are opened at once."""
_PIECE = 64 * 1024
_NO_TIMEOUTS = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


@attrs.frozen
class Way:
    """How an origin is reached: ``server`` is what aiohttp's connector is asked for.

    A proxy that forwards is sent whole URLs, and its credentials with every request; one that opens a tunnel gets them
    from the connector. ``turn`` is taken to have a connection made: of a thousand calls that begin together most wait
    for theirs, with the time that they have to connect not yet running. Where a line is ``idle`` there is no need to.
    """

    server: aiohttp.ClientRequest = attrs.field(repr=False)
    forwards: bool = False
    credentials: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    idle: set[Line] = attrs.field(factory=set, repr=False)
    turn: asyncio.Semaphore = attrs.field(factory=lambda: asyncio.Semaphore(OPENING), repr=False)


class AsyncExchange:
    """One request and its answer over one connection: until when, how far it got, what went wrong.

    ``phase`` is the word for what it is at, ``sent`` is whether a byte of the request may have left. ``connect`` is
    how many seconds reaching the server may take, ``head`` the request without its body, as long as it is not sent.
    """

    __slots__ = (
        "_handshakes_with_proxy",
        "_line",
        "connect",
        "deadline",
        "error",
        "head",
        "phase",
        "proxied",
        "sent",
    )

    def __init__(self, deadline: float | None, connect: float | None) -> None:
        self.deadline = deadline
        self.connect = connect
        self.phase = "resolve"
        self.sent = False
        self.proxied = False
        self.head = b""
        self.error: Exception | None = None
        self._line: Line | None = None
        self._handshakes_with_proxy = 0

    async def reach(self, connector: aiohttp.BaseConnector, way: Way, method: str) -> None:
        """Take a connection from the pool, for a create none that has idled long, or have one made."""
        proxy = way.server.proxy
        self.proxied = proxy is not None
        self._handshakes_with_proxy = int(proxy is not None and proxy.scheme == "https")
        self.phase = "proxy" if self.proxied else "connect"
        left = None if self.deadline is None else self.deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("the time allowed is over")
        was = CURRENT.set(self)
        try:
            turn = nullcontext() if way.idle else way.turn
            async with asyncio.timeout(left), turn, asyncio.timeout(self.connect):
                while self._line is None:
                    connection = await connector.connect(way.server, [], _NO_TIMEOUTS)
                    line = _line_of(connection, way)
                    if line is None:
                        connection.close()
                        raise Cut("the server spoke, or went, before it was asked")
                    line.take(connection)
                    self._line = line
                    if line.has_ended or (method not in IDEMPOTENT and line.has_idled(CREATE_REUSE_SECONDS)):
                        self.drop()
        finally:
            with suppress(ValueError):  # it is thrown away in another context than it began in
                CURRENT.reset(was)

    async def ask(self, body: bytes | Upload | None) -> Head:
        """Send the request and wait for the head of the answer."""
        line, refused = self._line, False
        assert line is not None
        self.phase, self.sent = "send", True
        if body is None or (isinstance(body, bytes) and len(body) <= _PIECE):
            line.write(ConcealedBytes(self.head + (body or b"")))
        else:
            line.write(self.head)
            refused = not await self._upload(line, body)
        self.head = b""  # thousands may wait here
        self.phase = "send" if refused else "wait"
        reader = HeadReader()
        while data := await line.receive(self.deadline):
            self.phase = "headers"
            answer = reader.feed(data)
            if answer is not None:
                line.put_back(reader.rest)
                answer.keeps_alive = answer.keeps_alive and not refused
                self.phase = "body"
                return answer
        if refused:  # it never took the whole request, and had no answer to tell why
            self.phase = "send"
        raise Cut

    async def _upload(self, line: Line, body: bytes | Upload) -> bool:
        """Send a long body piece by piece, those of an upload read in a thread; False where it was not all taken."""
        pieces = _cut(body) if isinstance(body, bytes) else upload_pieces(body)
        while True:
            if isinstance(body, bytes):
                piece = next(pieces, None)
                for _ in range(2):  # what has arrived is heard, since an early answer is lost where writing fails first
                    await asyncio.sleep(0)
            else:
                left = None if self.deadline is None else self.deadline - time.monotonic()
                async with asyncio.timeout(left):  # its source may stall
                    piece = await asyncio.to_thread(next, pieces, None)
            if piece is None:
                return True
            if not await line.takes_more(self.deadline):
                return False
            line.write(piece)

    async def receive(self, until: float | None) -> bytes:
        """What has arrived, waiting for the first byte of it; nothing at the end of the connection."""
        return b"" if self._line is None else await self._line.receive(until)

    def shakes_hands(self) -> None:
        """A TLS handshake begins."""
        if self._handshakes_with_proxy:
            self._handshakes_with_proxy -= 1
        else:
            self.phase = "tls"

    def release(self) -> None:
        """Give the connection back for the next request, unless the server has more to say."""
        line, self._line = self._line, None
        if line is not None:
            line.release()

    def drop(self) -> None:
        """Close the connection, which ends a wait on it; nobody may use it again."""
        line, self._line = self._line, None
        if line is not None:
            line.drop()


def _cut(body: bytes) -> Iterator[bytes]:
    return (body[start : start + _PIECE] for start in range(0, len(body), _PIECE))


def _line_of(connection: aiohttp.connector.Connection, way: Way) -> Line | None:
    """The line over a connection; None where it ended, or something came that aiohttp took, before there was one."""
    transport = connection.transport
    if transport is None:
        return None
    handler: Any = transport.get_protocol()
    if isinstance(handler, Line):
        return handler
    # Some versions of aiohttp say of every connection to a proxy that forwards that it should be closed.
    if not way.forwards and handler.should_close:
        return None
    line = Line(handler, transport, way.idle)
    transport.set_protocol(line)
    return line


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
