"""The answer as http.client reads it, from a socket that keeps a deadline and tells an end from a cut."""

from __future__ import annotations

import http.client
import io
from typing import Any

from ..errors import Cut, Malformed
from .exchange import Exchange

HEAD_LIMIT = 64 * 1024
INTERIM_LIMIT = 16
"""How many 1xx answers may come before the real one."""
RECEIVE_SIZE = 64 * 1024


class Source(io.RawIOBase):
    """The bytes of one answer, as they come over a socket.

    ``dry`` has a read give nothing rather than wait.
    """

    dry = False

    def __init__(self, sock: Any, exchange: Exchange, answer: Answer) -> None:
        self._sock = sock
        self.exchange = exchange
        self._answer = answer
        self._head = 0
        # A socket that is closed stays open for its files: http.client counts on that.
        self._file = getattr(sock, "socket", sock).makefile("rb", buffering=0)
        if hasattr(sock, "suppress_ragged_eofs"):  # under TLS only its own farewell is an end
            sock.suppress_ragged_eofs = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Receive what has arrived, waiting for the first byte of it."""
        exchange, answer = self.exchange, self._answer
        if self.dry:
            return None
        if answer.headers is None and self._head > HEAD_LIMIT:
            raise Malformed(f"the response headers are longer than {HEAD_LIMIT} bytes")
        if exchange.early:
            count = min(len(exchange.early), len(buffer))
            buffer[:count], exchange.early = exchange.early[:count], exchange.early[count:]
        else:
            self._sock.settimeout(exchange.left())
            exchange.arrived = count = self._sock.recv_into(buffer)
        if not count and (answer.headers is None or answer.chunked or answer.length):
            raise Cut("it ended before all of it had come")
        if answer.headers is None:
            self._head += count
            if exchange.phase in ("send", "wait"):
                exchange.phase = "headers"
        return count

    def close(self) -> None:
        """Let go of the socket."""
        if not self.closed:
            self._file.close()
        super().close()


class Buffer(io.BufferedReader):
    """What has arrived and was not read yet."""

    raw: Source

    def close(self) -> None:
        """End reading, and tell the connection where the server sent more than its answer."""
        connection = self.raw.exchange.connection
        if connection is not None and not self.closed and self.held():
            connection.is_spoiled = True
        super().close()

    def held(self) -> bytes:
        """It, without waiting for more."""
        self.raw.dry = True
        try:
            return self.peek(1)
        finally:
            self.raw.dry = False


class Answer(http.client.HTTPResponse):
    """http.client's answer over a connection of ours."""

    fp: Buffer | None  # type: ignore[assignment]

    def __init__(self, sock: Any, exchange: Exchange, method: str | None) -> None:
        self._over = sock, exchange
        super().__init__(self, method=method)  # type: ignore[arg-type]  # it only asks for a file

    def makefile(self, mode: str) -> Buffer:  # noqa: ARG002  # as sockets have it
        """What http.client reads from."""
        return Buffer(Source(*self._over, self), RECEIVE_SIZE)

    def begin(self) -> None:
        """Read the head, after any 1xx."""
        for _ in range(INTERIM_LIMIT):
            super().begin()
            if self.msg.defects:
                raise Malformed("a header line of the response is malformed")
            if self.status >= 200:
                return
            if self.status == 101:
                raise Malformed("the server switched protocols without being asked")
            self.headers = self.msg = None  # type: ignore[assignment]
        raise Malformed("the server sent too many interim responses")
