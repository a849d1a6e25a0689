"""urllib3's connections and pools, as far as they do differently while an :class:`Exchange` is at them.

One that was given an ordinary timeout is plain urllib3, so that a session's owner can go on using it.
"""

from __future__ import annotations

import os
import queue
import socket
import ssl
import sys
import time
from collections import deque
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Retry
from urllib3.util.connection import allowed_gai_family
from urllib3.util.wait import wait_for_read, wait_for_socket

from ...wire import IDEMPOTENT
from ..errors import Malformed
from ..prepared import CREATE_REUSE_SECONDS, REUSE_SECONDS
from .answers import Answer
from .exchange import Exchange

SEND_SIZE = 16 * 1024
"""How much is sent between two looks at the clock: one TLS record."""

_ONCE = Retry(0, read=False)


class _ObeysExchange:
    """What a connection does differently while an exchange is at it."""

    exchange: Exchange | None = None
    is_spoiled = False
    """Whether the server sent more than its answer, or did not take all of the request."""
    idle_since = float("-inf")
    owner = 0
    sock: Any

    @property
    def timeout(self) -> Any:
        """The seconds left at this moment."""
        return self._ordinary_timeout if self.exchange is None else self.exchange.left()

    @timeout.setter
    def timeout(self, value: Any) -> None:
        """Begin the value's exchange; a connection that is not fit for it is closed, to be opened anew."""
        self._ordinary_timeout = value
        exchange = getattr(value, "exchange", None)
        if exchange is self.exchange:
            return
        self.exchange = exchange
        if exchange is None:
            self.__dict__.pop("debuglevel", None)
            return
        self.debuglevel = 0  # what is printed would show the token
        if self.sock is not None and not self._is_fit_for(exchange.method):
            self.close()  # type: ignore[attr-defined]
        exchange.connection = self
        exchange.watches, exchange.fresh = True, self.sock is None
        exchange.phase = "resolve"

    def _is_fit_for(self, method: str) -> bool:
        """Whether this idle connection may carry such a request; urllib3 has seen that nothing waits on its socket.

        A connection that another process opened before it forked is closed here and stays open there.
        """
        idle = time.monotonic() - self.idle_since
        allowed = REUSE_SECONDS if method in IDEMPOTENT else CREATE_REUSE_SECONDS
        return idle <= allowed and self.owner == os.getpid() and not self.is_spoiled and not _holds_more(self.sock)

    # Reaching the server

    def connect(self) -> None:
        """Connect, through a tunnel and under TLS where that is the way."""
        self.owner, self.is_spoiled = os.getpid(), False
        super().connect()  # type: ignore[misc]
        if self.exchange is not None:
            self.exchange.phase = "send"

    def _new_conn(self) -> socket.socket:
        exchange = self.exchange
        if exchange is None:
            return super()._new_conn()  # type: ignore[misc, no-any-return]
        proxy = self.proxy  # type: ignore[attr-defined]  # a URL of urllib3
        exchange.proxy = None if proxy is None else str(proxy)
        found = _connected(self, exchange)
        sys.audit("http.client.connect", self, self.host, self.port)  # type: ignore[attr-defined]
        exchange.phase = "proxy" if exchange.proxy else "tls"
        try:
            found.settimeout(exchange.left())
        except TimeoutError:  # it connected at the last moment
            found.close()
            raise
        return found

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> Any:
        outer = super()._connect_tls_proxy(hostname, sock)  # type: ignore[misc]
        tunnels = self.exchange is not None and self.proxy_is_tunneling  # type: ignore[attr-defined]
        return _Timed(outer, self) if tunnels else outer

    def _tunnel(self) -> None:
        super()._tunnel()  # type: ignore[misc]
        if self.exchange is None:
            return
        if self.is_spoiled:
            raise Malformed("the proxy sent more than its response")
        self.exchange.phase = "tls"
        self.sock.settimeout(self.exchange.left())

    # The request and its answer

    def send(self, data: Any) -> None:
        """Send within the deadline; raises BrokenPipeError, which urllib3 forgives, to have the answer read."""
        exchange = self.exchange
        if exchange is None:
            super().send(data)  # type: ignore[misc]
            return
        if self.sock is None:
            self.connect()
        if exchange.phase != "proxy":
            if exchange.head == b"":
                exchange.head = data
                return
            if exchange.head is not None:
                data, exchange.head = exchange.head + data, None
            exchange.sends()
        try:
            if len(data) > SEND_SIZE and isinstance(self.sock, socket.socket):
                self._send_listening(data, exchange)
            else:
                self.sock.settimeout(exchange.left())
                super().send(data)  # type: ignore[misc]
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self.is_spoiled = True
            raise BrokenPipeError from None

    def _send_listening(self, data: bytes, exchange: Exchange) -> None:
        """Send much, unless the server answers before it has all of it."""
        sock, view = self.sock, memoryview(data)
        while view:
            if not wait_for_socket(sock, read=True, write=True, timeout=exchange.left()):
                raise TimeoutError("timed out")
            sock.settimeout(0)
            if wait_for_read(sock, 0) and _has_answered(sock, exchange):
                raise BrokenPipeError
            try:
                view = view[sock.send(view[:SEND_SIZE]) :]
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                wait_for_socket(sock, read=False, write=True, timeout=0.01)

    def response_class(self, sock: Any, debuglevel: int = 0, method: str | None = None) -> Any:
        """What http.client reads the answer with."""
        exchange = self.exchange
        if exchange is None:
            return super().response_class(sock, debuglevel, method)  # type: ignore[misc]
        if exchange.phase == "send" and not self.is_spoiled:
            exchange.phase = "wait"
        exchange.socket = sock
        try:
            exchange.answer = Answer(sock, exchange, method)
        except TypeError:  # it is none, but a mock's
            return super().response_class(sock, debuglevel, method)  # type: ignore[misc]
        return exchange.answer


def _holds_more(sock: Any) -> bool:
    """Whether something was received already without a request."""
    if hasattr(sock, "incoming"):  # urllib3's TLS within TLS
        return bool(sock.incoming.pending or sock.sslobj.pending())
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


def _has_answered(sock: socket.socket, exchange: Exchange) -> bool:
    """Whether the beginning of an answer is there that is not an interim one (1xx), or the end."""
    try:
        data = sock.recv(SEND_SIZE)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return False
    exchange.early += data
    return not data or exchange.early[9:10] not in (b"", b"1")


def _connected(connection: Any, exchange: Exchange) -> socket.socket:
    """A connected socket: the addresses of the host in turn, each with its share of the time left."""
    exchange.phase = "resolve"
    exchange.left()
    host = connection.host.strip("[]")
    addresses = socket.getaddrinfo(host, connection.port, allowed_gai_family(), socket.SOCK_STREAM)
    exchange.phase = "connect"
    exchange.allow_connecting()
    *others, last = addresses
    for number, address in enumerate(others):
        left = exchange.left()
        try:
            return _connected_to(address, connection, left and left / (len(addresses) - number))
        except OSError:
            continue  # the last one's error is the one to report
    return _connected_to(last, connection, exchange.left())


def _connected_to(address: Any, connection: Any, seconds: float | None) -> socket.socket:
    family, kind, protocol, _, place = address
    sock = socket.socket(family, kind, protocol)
    try:
        for option in connection.socket_options or ():
            sock.setsockopt(*option)
        sock.settimeout(seconds)
        if connection.source_address:
            sock.bind(connection.source_address)
        sock.connect(place)
    except BaseException:
        sock.close()
        raise
    return sock


class _Timed:
    """The TLS of a proxy under that of the server: each of its many reads and writes has the time that is left."""

    def __init__(self, sock: Any, connection: _ObeysExchange) -> None:
        self.socket = sock
        self._connection = connection

    def recv(self, *args: Any) -> Any:
        """Receive."""
        self.socket.settimeout(self._connection.timeout)
        return self.socket.recv(*args)

    def sendall(self, data: Any) -> None:
        """Send."""
        self.socket.settimeout(self._connection.timeout)
        self.socket.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.socket, name)


class DeadlineConnection(_ObeysExchange, HTTPConnection):  # type: ignore[misc]
    """A connection in the clear."""


class DeadlineTLSConnection(_ObeysExchange, HTTPSConnection):  # type: ignore[misc]
    """A connection under TLS."""


class IdleStack:
    """The idle connections of a pool, the latest on top. It takes no lock, which a fork might leave locked."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[Any] = deque()

    def get(self, block: bool = False, timeout: float | None = None) -> Any:  # noqa: ARG002  # as queue.Queue has it
        """The connection used last; raises ``queue.Empty``."""
        try:
            return self._items.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, item: Any, block: bool = False) -> None:  # noqa: ARG002
        """Keep a connection; raises ``queue.Full``."""
        if item is None:  # stands for a connection still to be made
            return
        if len(self._items) >= self._size:
            raise queue.Full
        self._items.append(item)

    def qsize(self) -> int:
        """How many there are; urllib3 says so where it has to close one, and recorders look."""
        return len(self._items)


_OURS = {HTTPConnection: DeadlineConnection, HTTPSConnection: DeadlineTLSConnection}


class _ServesExchange:
    """What a pool does differently while an exchange is at it."""

    @property
    def ConnectionCls(self) -> Any:
        current = super().ConnectionCls  # type: ignore[misc]  # a recorder may have put one of its own there
        return _OURS.get(current, current)

    def __init__(self, host: str, port: int | None = None, **options: Any) -> None:
        if not options.get("block"):
            self.QueueCls = IdleStack
        super().__init__(host, port, **options)  # type: ignore[call-arg]

    def urlopen(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        """Send once, whatever the retries say, and wait for a free connection no longer than the deadline."""
        exchange = getattr(options.get("timeout"), "exchange", None)
        if exchange is not None:
            exchange.phase = "resolve"
            options.update(retries=_ONCE, pool_timeout=exchange.left())
            exchange.phase = "wait"  # whose connection it will be is not known, so that the worst is assumed
        return super().urlopen(method, url, *args, **options)  # type: ignore[misc]


class DeadlinePool(_ServesExchange, HTTPConnectionPool):  # type: ignore[misc, override]
    """Connections in the clear to one host."""


class DeadlineTLSPool(_ServesExchange, HTTPSConnectionPool):  # type: ignore[misc, override]
    """Connections under TLS to one host."""


POOLS = {"http": DeadlinePool, "https": DeadlineTLSPool}
KEEPALIVE: list[tuple[int, int, int]] = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *((socket.IPPROTO_TCP, getattr(socket, name), value)
      for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5)) if hasattr(socket, name)),
]  # fmt: skip
"""A silent stream is probed every minute, so that no router on the way forgets it."""


def adopt(manager: Any) -> None:
    """Have a urllib3 ``PoolManager`` make pools that obey exchanges, unless it makes a kind of its own."""
    if list(manager.pool_classes_by_scheme.values()) == [HTTPConnectionPool, HTTPSConnectionPool]:
        manager.pool_classes_by_scheme = POOLS
        manager.clear()
