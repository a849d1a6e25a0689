"""One request and its answer over a connection of urllib3's, spoken here and held to a deadline.

Every receive and send first sets the socket's timeout to what is left, which bounds connecting, TLS, dripping headers
and bodies without a thread. An exchange reaches the connections that obey it through the thread that sends, because
``HTTPAdapter.send`` stands between.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from urllib3.util.connection import allowed_gai_family

from ..wire import Upload
from . import http1

RECEIVE_SIZE = 64 * 1024
SEND_SIZE = 16 * 1024
"""One TLS record, so that a piece of a request that could not be sent has not been sent in part."""

_HERE = threading.local()


def at_hand() -> Exchange | None:
    """The exchange that this thread is at."""
    return getattr(_HERE, "exchange", None)


class Broken(Exception):
    """Carries nothing: says that the exchange failed and holds its error. Passes through requests unchanged."""


class ProxyRefused(Exception):
    """The proxy did not open a tunnel; the message has its status."""


class UploadFailed(Exception):
    """The source of an upload failed or does not have the length it declared."""


class Exchange:
    """One request and its answer over one connection: until when, how far it got, what has come back.

    ``phase`` is the word for what it is at, ``sent`` is whether a byte of the request may have left. ``connect`` is the
    most seconds that all addresses together may take to connect, and again the handshakes with proxy and server;
    ``forwarded`` is whether a proxy was sent the request itself, rather than asked for a tunnel.
    """

    __slots__ = (
        "_by",
        "body",
        "connect",
        "connection",
        "deadline",
        "error",
        "forwarded",
        "method",
        "phase",
        "pool",
        "proxied",
        "received",
        "sent",
    )

    def __init__(
        self, method: str, body: bytes | Upload | None, deadline: float | None, connect: float | None = None
    ) -> None:
        self.method = method
        self.body = body
        self.deadline = deadline
        self.connect = connect
        self.phase = "resolve"
        self.sent = False
        self.proxied = False
        self.forwarded = False
        self.error: Exception | None = None
        self.received = b""
        self.connection: Any = None
        self.pool: Any = None
        self._by = deadline

    def __enter__(self) -> Exchange:
        _HERE.exchange = self
        return self

    def __exit__(self, *_: object) -> None:
        _HERE.exchange = None

    # Time

    def left(self) -> float | None:
        """The seconds that the step at hand may still take."""
        if self._by is None:
            return None
        seconds = self._by - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the time allowed is over")
        return seconds

    def allow(self, deadline: float | None) -> None:
        """Set the end of what follows; None for no limit."""
        self._by = self.deadline = deadline

    def _allow_connecting(self) -> None:
        limits = [self.deadline, None if self.connect is None else time.monotonic() + self.connect]
        self._by = min((limit for limit in limits if limit is not None), default=None)

    # Reaching the server

    def open_socket(self, connection: Any) -> socket.socket:
        """A connected socket: the addresses of the host in turn, each with its share of the time left."""
        self.phase = "resolve"
        self.left()
        host = connection._dns_host.strip("[]")
        addresses = socket.getaddrinfo(host, connection.port, allowed_gai_family(), socket.SOCK_STREAM)
        self.phase = "connect"
        self._allow_connecting()
        found = self._first_answering(addresses, connection)
        sys.audit("http.client.connect", connection, connection.host, connection.port)
        self.phase = "proxy" if connection.proxy_is_tunneling else "tls"
        self._allow_connecting()
        try:
            found.settimeout(self.left())
        except TimeoutError:  # it connected at the last moment
            found.close()
            raise
        return found

    def _first_answering(self, addresses: list[Any], connection: Any) -> socket.socket:
        *others, last = addresses
        for number, address in enumerate(others):
            left = self.left()
            try:
                return _connected(address, connection, left and left / (len(addresses) - number))
            except OSError:
                continue  # the last one's error is the one to report
        return _connected(last, connection, self.left())

    def tunnel(self, connection: Any) -> None:
        """Ask the proxy for a tunnel; its credentials go here and nowhere else."""
        authority = f"{_bracketed(connection._tunnel_host)}:{connection._tunnel_port}"
        headers = {"Host": authority, **_for_proxy(connection._tunnel_headers)}
        self.connection = connection
        connection.sock.settimeout(self.left())
        connection.sock.sendall(http1.request_head("CONNECT", authority, headers))
        head = self.receive_head()
        if head.status != 200:
            raise ProxyRefused(f"{head.status} {head.reason}")
        if self.received:
            raise http1.Malformed("the proxy sent more than its answer")
        self.phase = "tls"
        connection.sock.settimeout(self.left())

    # The request

    def run(self, pool: Any, target: str, headers: Mapping[str, str]) -> Answer:
        """Send the request over a connection of ``pool`` and receive the head of the answer.

        Raises :class:`Broken`, with the reason in ``error``. It is raised outside of any ``except``, so that
        no frame of what failed, and with it no header, hangs on to it.
        """
        try:
            return self._run(pool, target, headers)
        except Exception as error:
            self.error = error.with_traceback(None)
            self.error.__context__ = self.error.__cause__ = None
        except BaseException:
            self.drop()
            raise
        self.drop()
        raise Broken

    def _run(self, pool: Any, target: str, headers: Mapping[str, str]) -> Answer:
        self.pool = pool
        self.phase = "resolve"
        connection = pool._get_conn()
        self.connection = connection
        self.proxied = pool.proxy is not None
        self.forwarded = self.proxied and not target.startswith("/")
        if connection.sock is None:
            pool.reach(connection, tunnel=self.proxied and not self.forwarded)
        self.phase = "send"
        self._by = self.deadline
        if self.forwarded:
            headers = {**headers, **_for_proxy(pool.proxy_headers)}
        refused = self._send(http1.request_head(self.method, target, headers))
        self.phase = "wait"
        try:
            head = self.receive_head()
        except (http1.Cut, OSError):
            if refused:  # it never took the whole request, and had no answer to tell why
                self.phase = "send"
            raise
        if refused:
            head.keeps_alive = False
        return Answer(self, head)

    def _send(self, head: http1.ConcealedBytes) -> bool:
        """Send head and body; True where the server stopped listening half-way, which it may do to answer early."""
        body = self.body
        if body is None:
            pieces: Iterable[bytes] = (head,)
        elif not isinstance(body, bytes):
            pieces = _chain(head, upload_pieces(body))
        elif len(body) <= SEND_SIZE:
            pieces = (http1.ConcealedBytes(head + body),)
        else:
            pieces = (head, body)
        for piece in pieces:
            try:
                self._send_piece(piece)
            except (BrokenPipeError, ConnectionResetError):
                if not self.sent:
                    raise
                return True
        return False

    def _send_piece(self, piece: bytes) -> None:
        sock = self.connection.sock
        view = memoryview(piece)
        while view:
            sock.settimeout(self.left())
            count = sock.send(view[:SEND_SIZE])
            self.sent = self.sent or count > 0
            view = view[count:]

    # The answer

    def receive(self) -> bytes:
        """What has arrived, waiting for the first byte of it; nothing at the end of the connection."""
        sock = self.connection.sock
        if sock is None:
            return b""
        sock.settimeout(self.left())
        data: bytes = sock.recv(RECEIVE_SIZE)
        return data

    def receive_head(self) -> http1.Head:
        """The head of the answer; what came after it is in ``received``."""
        reader = http1.HeadReader()
        while True:
            data = self.receive()
            if not data:
                raise http1.Cut
            if self.phase == "wait":
                self.phase = "headers"
            head = reader.feed(data)
            if head is not None:
                self.received = reader.rest
                return head

    # The connection

    def release(self) -> None:
        """Give the connection back for the next request."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.idle_since = time.monotonic()
            self.pool._put_conn(connection)

    def drop(self) -> None:
        """Close the connection; nobody may use it again."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()
            if self.pool is not None:
                self.pool._put_conn(None)  # a pool that counts its connections may make another

    def interrupt(self) -> None:
        """Wake up the thread that waits on this connection; only that thread may close it."""
        connection = self.connection
        sock = connection and connection.sock
        sock = getattr(sock, "socket", sock)  # TLS within the TLS of a proxy is a layer of its own
        if isinstance(sock, socket.socket):
            with suppress(OSError):  # the peer may have been quicker
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not SSLSocket's own, which would take TLS away from it


class Answer:
    """The head of an answer and the exchange that receives its body, in the place of urllib3's response."""

    __slots__ = ("exchange", "head", "headers", "reason", "status")
    _original_response = None

    def __init__(self, exchange: Exchange, head: http1.Head) -> None:
        self.exchange = exchange
        self.head = head
        self.status = head.status
        self.reason = head.reason
        self.headers = head.headers


def _connected(address: Any, connection: Any, seconds: float | None) -> socket.socket:
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


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _for_proxy(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: http1.Concealed(value) if name.lower() == "proxy-authorization" else value
        for name, value in headers.items()
        if name.lower() != "host"
    }


def _chain(head: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from pieces


def upload_pieces(upload: Upload) -> Iterator[bytes]:
    """The pieces of an upload, which must be as long together as it says; raises :class:`UploadFailed`."""
    left = upload.length
    try:
        for piece in upload.open():
            left -= len(piece)
            if left < 0:
                break
            yield piece
    except Exception as error:
        failure = f"its source failed: {type(error).__name__}: {error}"
    else:
        if left == 0:
            return
        failure = f"its source is {'shorter' if left > 0 else 'longer'} than the {upload.length} bytes it said it has"
    raise UploadFailed(failure)
