"""A server on a loopback socket that plays a script on each connection, faults included.

A script is a list of steps; the first connection plays the first script, the second the second, and so on. Requests
are recorded. Nothing outlives the ``with`` block: sockets are closed and threads are joined at its end.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Protocol

import attrs


@attrs.frozen
class Received:
    """A request as it arrived. ``connection`` counts from 0; ``complete`` is False if it was cut."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int
    complete: bool = True


class Step(Protocol):
    """One step on a connection."""

    def play(self, line: Line) -> None:
        """Do it; raises OSError or :class:`Over` if the connection has ended."""
        ...


class Over(Exception):
    """The connection is over: closed, reset, or the server is stopping."""


@attrs.frozen
class Receive:
    """Read one whole request and record it."""

    def play(self, line: Line) -> None:
        """Do it."""
        line.receive()


@attrs.frozen
class Take:
    """Read ``count`` bytes and no more, recording nothing."""

    count: int

    def play(self, line: Line) -> None:
        """Do it."""
        left = self.count
        while left:
            data = line.sock.recv(left)
            if not data:
                raise Over
            left -= len(data)


@attrs.frozen
class Send:
    """Send ``data``."""

    data: bytes = attrs.field(repr=lambda data: f"{len(data)} bytes")

    def play(self, line: Line) -> None:
        """Do it."""
        line.sock.sendall(self.data)


@attrs.frozen
class Drip:
    """Send ``data`` ``size`` bytes at a time, ``seconds`` apart."""

    data: bytes
    seconds: float = 0.02
    size: int = 1

    def play(self, line: Line) -> None:
        """Do it."""
        for start in range(0, len(self.data), self.size):
            line.sock.sendall(self.data[start : start + self.size])
            line.pause(self.seconds)


@attrs.frozen
class Flood:
    """Send ``data`` repeatedly for ``seconds``, or until the other side closes."""

    data: bytes
    seconds: float = 3.0

    def play(self, line: Line) -> None:
        """Do it."""
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and not line.server.stopping.is_set():
            line.sock.sendall(self.data)


@attrs.frozen
class Pause:
    """Do nothing for ``seconds``."""

    seconds: float

    def play(self, line: Line) -> None:
        """Do it."""
        line.pause(self.seconds)


@attrs.frozen
class Await:
    """Do nothing until the test sets ``event``."""

    event: threading.Event

    def play(self, line: Line) -> None:
        """Do it."""
        while not self.event.wait(0.005):
            line.pause(0)


@attrs.frozen
class Stall:
    """Do nothing until the other side closes or the server stops."""

    def play(self, line: Line) -> None:
        """Do it."""
        while line.sock.recv(65536):
            pass
        raise Over


@attrs.frozen
class Freeze:
    """Do nothing, not even read, until the server stops."""

    def play(self, line: Line) -> None:
        """Do it."""
        line.server.stopping.wait()
        raise Over


@attrs.frozen
class Cut:
    """Close the connection in order (FIN)."""

    def play(self, line: Line) -> None:  # noqa: ARG002  # the end of any script is the same
        """Do it."""
        raise Over


@attrs.frozen
class Reset:
    """Break the connection (RST)."""

    def play(self, line: Line) -> None:
        """Do it."""
        line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.sock.close()
        raise Over


@attrs.frozen
class Serve:
    """Answer every request with ``answer``, as long as there are any."""

    answer: Callable[[Received], bytes]

    def play(self, line: Line) -> None:
        """Do it."""
        while True:
            line.sock.sendall(self.answer(line.receive()))


class Line:
    """The server's end of one connection."""

    def __init__(self, server: ScriptedServer, sock: socket.socket, number: int) -> None:
        self.server = server
        self.sock = sock
        self.number = number
        self._held = b""

    def pause(self, seconds: float) -> None:
        """Wait, at most until the server stops."""
        if self.server.stopping.wait(seconds):
            raise Over

    def receive(self) -> Received:
        """The next request, recorded as far as it arrived."""
        while b"\r\n\r\n" not in self._held:
            self._more()
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", "0"))
        try:
            while len(self._held) < length:
                self._more()
        finally:
            body, self._held = self._held[:length], self._held[length:]
            received = Received(method, target, headers, body, self.number, len(body) == length)
            self.server.requests.append(received)
        return received

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise Over
        self._held += data

    def finish(self) -> None:
        """Close in order: unread data must not turn the end into a reset."""
        if self.sock.fileno() >= 0:
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
            while socket.socket.recv(self.sock, 65536):
                pass


class ScriptedServer:
    """A context manager; ``url`` is where it listens.

    ``requests`` and ``connections`` (a count) are what it received. Connections beyond the scripts play the last one
    again if ``repeat`` is set and are closed at once if not. ``tls`` is a server-side context to speak TLS with.
    """

    def __init__(self, *scripts: Sequence[Step], repeat: bool = False, tls: ssl.SSLContext | None = None) -> None:
        self.scripts = scripts
        self.repeat = repeat
        self.requests: list[Received] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._tls = tls
        self._failures: list[Exception] = []
        self._lines: list[tuple[threading.Thread, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._acceptor = threading.Thread(target=self._accept, name="scripted-server", daemon=True)

    @property
    def creates(self) -> int:
        """How many POST requests have started to arrive."""
        return sum(received.method == "POST" for received in self.requests)

    def __enter__(self) -> ScriptedServer:
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        with socket.socket() as wake:  # the acceptor, in a way that works on every system
            wake.connect(("127.0.0.1", self.port))
        self._acceptor.join()
        self._listener.close()
        for _, sock in self._lines:
            _wake(sock)
        for thread, sock in self._lines:
            thread.join(5)
            sock.close()
        stuck = [thread.name for thread, _ in self._lines if thread.is_alive()]
        if error is None and (stuck or self._failures):
            raise AssertionError(f"the scripted server failed: {[*self._failures, *stuck]!r}")

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self.stopping.is_set():
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number, self.connections = self.connections, self.connections + 1
            thread = threading.Thread(target=self._play, args=(sock, number), name=f"scripted-{number}", daemon=True)
            self._lines.append((thread, sock))
            thread.start()

    def _script(self, number: int) -> Iterable[Step]:
        if number < len(self.scripts):
            return self.scripts[number]
        return self.scripts[-1] if self.repeat else ()

    def _play(self, sock: socket.socket, number: int) -> None:
        line = Line(self, sock, number)
        try:
            if self._tls is not None:
                line.sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=True)
                self._lines.append((threading.current_thread(), line.sock))
            for step in self._script(number):
                step.play(line)
        except (Over, OSError):
            pass  # the other side or the script ended it
        except Exception as error:
            self._failures.append(error)
        try:
            line.finish()
        except OSError:
            pass  # it had already ended
        finally:
            line.sock.close()


def _wake(sock: socket.socket) -> None:
    with suppress(OSError):  # closed already
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def answer(
    status: int = 200,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    content_type: str = "application/json",
    framed: bool = True,
) -> bytes:
    """The bytes of a response; unless ``framed``, it does not say where its body ends."""
    lines = [f"HTTP/1.1 {status} Status", f"Content-Type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if framed:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunk(data: bytes) -> bytes:
    """``data`` as one HTTP chunk; an empty one is the last."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunked(*pieces: bytes, headers: Mapping[str, str] | None = None, content_type: str = "application/json") -> bytes:
    """The bytes of a whole response in chunks."""
    head = answer(headers={**(headers or {}), "Transfer-Encoding": "chunked"}, content_type=content_type, framed=False)
    return head + b"".join(map(chunk, pieces)) + chunk(b"")
