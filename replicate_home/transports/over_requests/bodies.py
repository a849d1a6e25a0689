"""Bodies of answers: read whole within a bound, or handed out as they arrive."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol

from urllib3.response import BaseHTTPResponse

from ...exceptions import Disconnected, ReplicateHomeError
from ...wire import Request
from ..decoding import Whole, check_framing, decoder
from ..errors import Malformed, failure_of, made
from .answers import RECEIVE_SIZE, Answer
from .exchange import Exchange

_FIND_NEXT_CHUNK = re.compile(rb"\r\n0*[1-9A-Fa-f][^\n]*\n.", re.DOTALL).match
"""Another chunk of which something has arrived, so that reading it does not wait."""


class Reader(Protocol):
    """One body as it comes. ``is_packed`` is whether its content encoding is still on it."""

    is_packed: bool

    def read(self) -> bytes:
        """What has arrived, waiting for the first byte of it; ``b""`` at the end of the body, and nowhere else."""
        ...

    def close(self) -> None:
        """Give up the rest."""
        ...


def reader_of(response: Any, exchange: Exchange, headers: Mapping[str, str]) -> Reader:
    """What reads this answer: ours is read where it arrives; what a mock or a recorder has is taken from its hands."""
    answer = exchange.answer
    if answer is None or answer.isclosed() or not isinstance(response.raw, BaseHTTPResponse):
        return GivenReader(response, exchange)
    return AnswerReader(response, answer, exchange, headers)


class AnswerReader:
    """The body of an answer over a connection of ours."""

    __slots__ = ("_answer", "_exchange", "_may_keep", "_response")
    is_packed = True

    def __init__(
        self, response: Any, answer: Answer, exchange: Exchange, headers: Mapping[str, str]
    ) -> None:
        self._response = response
        self._answer = answer
        self._exchange = exchange
        self._may_keep = check_framing(headers)
        if exchange.method == "HEAD":
            self._end()
        elif answer.status in (204, 304):
            self._may_keep = self._may_keep and not answer.chunked and "content-length" not in headers
            self._end()
        elif answer.length == 0:
            self._end()

    def read(self) -> bytes:
        """What has arrived, of all chunks together."""
        answer = self._answer
        if answer.isclosed():
            return b""
        data = answer.read1(RECEIVE_SIZE)
        if answer.chunked and data:
            return self._with_next_chunks(data)
        if not data or answer.length == 0:
            self._end()
        return data

    def _with_next_chunks(self, data: bytes) -> bytes:
        answer = self._answer
        if answer.chunk_left and answer.chunk_left < 0:
            raise Malformed("the answer has a chunk of a negative size")
        pieces = [data]
        while not answer.chunk_left and _FIND_NEXT_CHUNK(answer.fp.held()):  # type: ignore[union-attr]
            pieces.append(answer.read1(RECEIVE_SIZE))
        return data if len(pieces) == 1 else b"".join(pieces)

    def _end(self) -> None:
        """The last byte is there: let go of the connection, to serve again if it can."""
        exchange = self._exchange
        self._answer.close()
        if not self._may_keep or exchange.connection.is_spoiled:
            self.close()
            return
        connection, exchange.connection, exchange.response = exchange.connection, None, None
        connection.idle_since = time.monotonic()
        connection.timeout = None
        self._response.raw.release_conn()

    def close(self) -> None:
        """Close the connection."""
        self._exchange.drop()


class GivenReader:
    """The body of an answer that came some other way: from a mock, a recorder, a cache, another kind of pool."""

    def __init__(self, response: Any, exchange: Exchange) -> None:
        self._exchange = exchange
        raw = response.raw
        self._raw = raw if isinstance(raw, BaseHTTPResponse) and raw.connection is not None else None
        self._content: bytes = response.content if self._raw is None else b""
        self.is_packed = self._raw is not None

    def read(self) -> bytes:
        """What has arrived; all at once, where it came at once."""
        if self._raw is None:
            content, self._content = self._content, b""
            return content
        sock = getattr(self._raw.connection, "sock", None)
        if sock is not None:
            sock.settimeout(self._exchange.left())
        return self._raw.read1(RECEIVE_SIZE, decode_content=False)

    def close(self) -> None:
        """Close the connection, where there is one."""
        self._exchange.drop()


class ArrivingBody:
    """The body of an answer that is still arriving, decoded: what :class:`~replicate_home.Body` promises."""

    __slots__ = ("_closed", "_decoder", "_exchange", "_lock", "_reader", "_reading", "_request")

    def __init__(self, reader: Reader, exchange: Exchange, headers: Mapping[str, str], request: Request) -> None:
        self._closed = True  # until it is all there: see __del__
        self._reader = reader
        self._exchange = exchange
        self._request = request
        self._decoder = decoder(headers) if reader.is_packed else None
        self._lock = threading.Lock()
        self._reading = self._closed = False

    def read(self, deadline: float | None) -> bytes:
        """The bytes that have arrived, waiting for the first of them until ``deadline``; ``b""`` at the end."""
        with self._lock:
            self._reading = not self._closed
        self._exchange.allow(deadline)
        data, failure = b"", None
        try:
            if self._reading:
                data = self._next()
        except Exception as error:
            failure = failure_of(error, self._request, self._exchange)
        except BaseException:
            self._reading = False
            self.close()
            raise
        with self._lock:
            self._reading = False
            if self._closed:
                failure = self._was_closed()
        if failure is not None:
            self._closed = True
            self._reader.close()
            raise failure
        return data

    def read_whole(self, deadline: float | None) -> bytes:
        """All of it; raises ProtocolError where it is longer than any answer of an API should be."""
        whole, failure = Whole(), None
        try:
            while data := self.read(deadline):
                whole.add(data)
        except Malformed as error:
            failure = failure_of(error, self._request, self._exchange)
        if failure is not None:
            self.close()
            raise failure
        return whole.joined()

    def close(self) -> None:
        """Give up the rest. A thread that waits in ``read`` is woken, and closes the connection itself."""
        with self._lock:
            closed, self._closed = self._closed, True
            if not closed and self._reading:
                self._exchange.interrupt()
            elif not closed:
                self._reader.close()

    def __del__(self) -> None:
        # Closing a socket sends nothing that could block; the lock may be held by the thread that is collecting.
        if not self._closed:
            self._reader.close()

    def _next(self) -> bytes:
        """What can be had of the body next; one network read after another, until there is some."""
        reader, unpacks = self._reader, self._decoder
        if unpacks is None:
            return reader.read()
        data = unpacks.feed(b"")
        while not data:
            data = reader.read() if not unpacks.pending else b""
            if not data and not unpacks.pending:
                unpacks.end()
                return b""
            data = unpacks.feed(data)
        return data

    def _was_closed(self) -> ReplicateHomeError:
        return made(Disconnected, self._request, "body", "the connection was closed on this side", processed=True)
