"""An emulator behind HTTP/1.1, for any other client.

One thread per connection; all of them end when the server is closed, whatever they wait for. URLs in answers begin
with the address that the client used. Over a virtual clock, looking at a prediction that runs lets time pass until
there is something new, since a client across a socket waits by a clock of its own.
"""

from __future__ import annotations

import re
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.errors import FirstHeaderLineIsContinuationDefect, MalformedHeaderDefect, MissingHeaderBodySeparatorDefect
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import attrs

from ..clock import SYSTEM_CLOCK
from ..exceptions import Disconnected, ReplicateHomeError
from ..wire import Body, Request, Response
from .emulator import Emulator
from .faults import Ending, Fault, Playback, Wait
from .incoming import LARGEST_FORM
from .origins import LOOPBACK_NAMES, check_content_type, check_origin
from .problems import Problem, bad_request
from .rendering import Rendering
from .timeline import Peer

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?", re.ASCII)

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 1\r\n\r\n"
_UNREADABLE = (MissingHeaderBodySeparatorDefect, FirstHeaderLineIsContinuationDefect, MalformedHeaderDefect)
_NO_LINGER = struct.pack("ii", 1, 0)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body are sent in one packet
    server: _Server

    def setup(self) -> None:
        """Bound every wait for the client."""
        super().setup()
        self.connection.settimeout(self.server.patience)

    def handle_one_request(self) -> None:
        with self.server.peer() as peer:
            self.peer = peer
            super().handle_one_request()

    def _answer(self) -> None:
        try:
            self._check_head()
            request = self._request()
        except Problem as problem:
            self._refuse(problem)
            return
        except (ValueError, ConnectionError) as error:
            self._refuse(bad_request(str(error)))
            return
        try:
            check_content_type(request.method, request.headers)
        except Problem as problem:
            self._write(problem.response({}))
            return
        try:
            if (fault := self.server.emulator.fault_for(request)) is not None:
                self._play(fault, request)
            else:
                self._write(*self._handled(request))
        except Disconnected:
            self.close_connection = True

    def _handled(self, request: Request) -> tuple[Response, Body | None]:
        """The emulator's response; a fake without an answer says so."""
        try:
            return self.server.emulator.handle(request, None, self.peer)
        except Disconnected:
            raise
        except ReplicateHomeError as error:
            return Problem(500, type(error).__name__, str(error)).response({}), None

    def __getattr__(self, name: str) -> Any:
        # The base class looks for a method of this name; the emulator knows the methods of each path.
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse an unreadable request with a problem document too."""
        title = HTTPStatus(code).phrase
        self.close_connection = True
        self.command = self.command or ""
        self.request_version = "HTTP/1.1"  # HTTP/0.9, which is assumed until a version was read, has no head
        self._write(Problem(code, title, message or explain or title).response({}))

    def _refuse(self, problem: Problem) -> None:
        """Refuse; the rest of the request is not read, so the connection ends."""
        self.close_connection = True
        self._write(problem.response({}))

    # -- in

    def _check_head(self) -> None:
        """Refuse ambiguous headers, and requests from other sites' web pages."""
        if any(isinstance(defect, _UNREADABLE) for defect in self.headers.defects) or any(
            not _NAME.fullmatch(name) for name in self.headers
        ):
            raise bad_request("the headers cannot be read")
        if any("\n" in value or "\r" in value for value in self.headers.values()):
            raise bad_request("a header continues on a second line")
        if any(len(self.headers.get_all(name, ())) > 1 for name in ("host", "content-length", "transfer-encoding")):
            raise bad_request("a header that must appear only once is repeated")
        check_origin(self._lines(), self.server.names)

    def _lines(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _request(self) -> Request:
        given = self.headers.get("Host", "")
        host = given if _HOST.fullmatch(given) else self.server.address
        path = self.path if self.path.startswith("/") else "/" + self.path.partition("://")[2].partition("/")[2]
        headers = self._lines()
        return Request(self.command, f"http://{host}{path}", headers, self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        if (encoding := headers.get("transfer-encoding")) is not None:
            if (
                encoding.strip().lower() != "chunked"
                or "content-length" in headers
                or self.request_version == "HTTP/1.0"
            ):
                raise ValueError("a body is either chunked or has a Content-Length, not both")
            return b"".join(self._chunks())
        length = headers.get("content-length", "0").strip()
        if not (length.isascii() and length.isdigit()) or len(length) > 18:
            raise ValueError("Content-Length is not a number")
        # One byte more than is allowed is enough for the server to refuse it.
        size = min(int(length), LARGEST_FORM + 1)
        if size < int(length):
            self.close_connection = True
        body = self.rfile.read(size)
        if len(body) < size:
            raise ConnectionError("the body is shorter than its Content-Length")
        return body

    def _chunks(self) -> Iterator[bytes]:
        total = 0
        while size := self._chunk_size():
            total += size
            if total > LARGEST_FORM:
                raise ValueError("the body is too large")
            chunk = self.rfile.read(size)
            if len(chunk) < size or self.rfile.readline(3) != b"\r\n":
                raise ConnectionError("the chunked body is cut")
            yield chunk
        for _ in range(100):  # trailers, and the empty line after them
            if self.rfile.readline(1024) in (b"\r\n", b"\n", b""):
                return
        raise ValueError("too many trailers")

    def _chunk_size(self) -> int:
        digits = self.rfile.readline(1024).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,12}", digits):
            raise ValueError("the size of a chunk is not a number")
        return int(digits, 16)

    # -- out

    def _write(self, response: Response, body: Body | None = None) -> None:
        """Flush every chunk as it comes; if ours is cut, the last chunk is missing."""
        chunked = self.request_version != "HTTP/1.0"
        self.close_connection = self.close_connection or (body is not None and not chunked)
        rendering = self._rendering(response, body, chunked, self.close_connection)
        try:
            while chunk := rendering.read(None):
                self.wfile.write(chunk)
                self.wfile.flush()
        except Disconnected:
            self.close_connection = True
        finally:
            rendering.close()

    def _rendering(self, response: Response, body: Body | None, chunked: bool, closes: bool) -> Rendering:
        headers = {"date": self.date_time_string(), **response.headers}
        return Rendering(attrs.evolve(response, headers=headers), body, self.command, chunked=chunked, closes=closes)

    def _play(self, fault: Fault, request: Request) -> None:
        """Send the response as a fault changes it; then the connection ends."""
        self.close_connection = True
        if fault.effect.refuses:
            self._reset()
            return
        response, body = fault.effect.answer, None
        if response is None:
            response, body = self._handled(request)
        playback = Playback(self._rendering(response, body, True, True), fault.effect)
        try:
            while not isinstance(step := playback.next(None), Ending):
                if isinstance(step, Wait):
                    self._wait(step.seconds)
                else:
                    self.wfile.write(step)
                    self.wfile.flush()
            if step.is_reset:
                self._reset()
        except Disconnected:
            return
        finally:
            playback.rendering.close()

    def _wait(self, seconds: float) -> None:
        """Let real time pass, unless the client goes away or the server is closed."""
        if select.select([self.connection], [], [], seconds)[0]:
            raise Disconnected("gone", phase="body", may_have_been_processed=True)

    def _reset(self) -> None:
        """End the connection with a reset, which also discards unsent data."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing: the emulator has its own log."""


class _Server(HTTPServer):
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], emulator: Emulator, manners: Manners) -> None:
        self.emulator = emulator
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.patience = manners.patience
        self.names = None if manners.any_host else LOOPBACK_NAMES | {address[0].lower()}
        self._most = manners.connections
        self._lock = threading.Lock()
        self._closed = False
        self._peers: set[Peer] = set()
        self._connections: dict[threading.Thread, socket.socket] = {}
        super().__init__(address, _Handler)
        name = f"[{address[0]}]" if self.address_family == socket.AF_INET6 else address[0]
        self.address = f"{name}:{self.server_port}"

    def server_bind(self) -> None:
        # HTTPServer's method looks up the host's name, which may take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    @contextmanager
    def peer(self) -> Iterator[Peer]:
        """The peer of one request, closed with the server."""
        peer = Peer(moves_time=True)
        with self._lock:
            peer.closed = self._closed
            self._peers.add(peer)
        try:
            yield peer
        finally:
            with self._lock:
                self._peers.discard(peer)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection in order, unless it must be reset."""
        if request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_NO_LINGER)) == _NO_LINGER:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self._serve, args=(request, client_address), name="replicate-home-connection", daemon=True
        )
        with self._lock:
            fits = len(self._connections) < self._most
            if fits:
                self._connections[thread] = request
        if fits:
            thread.start()
            return
        with suppress(OSError):
            request.sendall(_FULL)
        self.shutdown_request(request)

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection; if no descriptors are left, wait before trying again."""
        try:
            return super().get_request()
        except OSError:
            SYSTEM_CLOCK.sleep(0.05)
            raise

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        with suppress(OSError):  # the client went away
            self.finish_request(request, client_address)
        self.shutdown_request(request)
        with self._lock:
            self._connections.pop(threading.current_thread(), None)

    def hang_up(self) -> None:
        """End every connection, and wait for their threads."""
        with self._lock:
            self._closed = True
            peers, connections = list(self._peers), dict(self._connections)
        for peer in peers:
            peer.close()
        for connection in connections.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in connections:
            thread.join(5.0)


class HttpServer:
    """A running server: ``url`` is where it listens. A context manager; closed, it leaves no socket and no thread."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self.url = f"http://{server.address}"
        self._thread = threading.Thread(
            target=server.serve_forever, args=(0.05,), name="replicate-home-server", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening and end every connection; the emulator itself goes on."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()

    def __enter__(self) -> HttpServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@attrs.frozen
class Manners:
    """What a server tolerates: ``patience`` in seconds with a silent client, ``connections`` at once, and
    with ``any_host`` requests for other names than those of this machine and the address it listens on.
    """

    patience: float = 60.0
    connections: int = 512
    any_host: bool = False


_ORDINARY = Manners()


def serve(emulator: Emulator, host: str = "127.0.0.1", port: int = 0, *, manners: Manners = _ORDINARY) -> HttpServer:
    """Serve ``emulator`` over HTTP; port 0 takes a free one. Clients may use ``url`` with or without ``/v1``.

    Raises ``OSError`` if the address is not available.
    """
    return HttpServer(_Server((host, port), emulator, manners))
