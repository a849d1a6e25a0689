"""Connections that aiohttp opens, tunnels, secures and pools, and the exchanges that are spoken over them here.

Only what aiohttp and asyncio offer in public is used: a connector's ``connect``, a resolver, a TLS context, and
``transport.set_protocol``, by which everything that arrives comes to a :class:`Line`. HTTP is read by :mod:`.http1`,
for the reasons given there, and because the machinery of an ``aiohttp.ClientSession`` weighs more than all the rest
of a prediction that waits.
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

from ..words.wire import Upload
from .deadline_connection import CREATE_REUSE_SECONDS, IDEMPOTENT
from .exchange import upload_pieces
from .http1 import ConcealedBytes, Cut, Head, HeadReader, has_answered

CURRENT: ContextVar[Exchange | None] = ContextVar("replicate_home_exchange", default=None)
"""The exchange that is reaching its server, for the parts of aiohttp that are not handed it."""
BUFFERED = 256 * 1024
"""How many bytes may have arrived and not been asked for before the server has to wait."""
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


class Exchange:
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
