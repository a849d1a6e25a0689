"""Bodies of answers: read whole within a bound, or handed out as they arrive.

A reader gives the decoded bytes of one network read at a time, ours from an :class:`Exchange`, or from whatever an
adapter of the user's or a mock has put into a ``requests.Response``. It ends with ``b""`` only where the body was
complete; anything else is an error of ours.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any, Protocol

from urllib3.response import BaseHTTPResponse

from ..exceptions import Disconnected, ReplicateHomeError
from ..wire import Request
from . import http1
from . import old_errors as transport_errors
from .exchange import RECEIVE_SIZE, Answer, Exchange

WHOLE_LIMIT = 64 * 1024 * 1024
"""The most that a body which is read whole may have, decoded."""


class Reader(Protocol):
    """One body, in pieces."""

    def read(self, deadline: float | None) -> bytes:
        """The next piece; ``b""`` at the end of the body. Raises errors of ours and leaves nothing open then."""
        ...

    def drop(self) -> None:
        """Close the connection, whatever is still to come."""
        ...

    def interrupt(self) -> None:
        """Wake up another thread that is in ``read``."""
        ...


class ExchangeReader:
    """The body of an answer that came over a connection of ours."""

    __slots__ = ("_exchange", "_payload", "_request")

    def __init__(self, answer: Answer, request: Request) -> None:
        self._exchange: Exchange = answer.exchange
        self._request = request
        self._exchange.phase = "body"
        try:
            self._payload = http1.Payload(request.method, answer.head)
        except http1.Malformed as error:
            self._exchange.error = error.with_traceback(None)
        if self._exchange.error is not None:
            raise self._failure()
        if self._payload.has_arrived:
            self._payload.feed(self._exchange.received)
            self._give_back()

    def read(self, deadline: float | None) -> bytes:
        """The next piece; ``b""`` at the end of the body."""
        exchange = self._exchange
        exchange.allow(deadline)
        try:
            return self._read()
        except TimeoutError as error:  # the rest may still come: the caller decides
            exchange.error = error.with_traceback(None)
            failure = transport_errors.of_exchange(exchange, self._request)
        except Exception as error:
            exchange.error = error.with_traceback(None)
            failure = self._failure()
        except BaseException:
            exchange.drop()
            raise
        raise failure

    def _read(self) -> bytes:
        """Turn one network read after another into body until there is some."""
        exchange, payload = self._exchange, self._payload
        data = payload.unpacked()
        while not data and not payload.has_arrived:
            arrived, exchange.received = exchange.received or exchange.receive(), b""
            data = payload.feed(arrived) or payload.unpacked()
        if payload.has_arrived:
            self._give_back()
        if not data:
            payload.end()
        return data

    def _give_back(self) -> None:
        """Let go of the connection as soon as the last byte is there: to serve again, if it can."""
        if self._payload.frees_connection:
            self._exchange.release()
        else:
            self._exchange.drop()

    def _failure(self) -> ReplicateHomeError:
        self._exchange.drop()
        return transport_errors.of_exchange(self._exchange, self._request)

    def drop(self) -> None:
        """Close the connection, whatever is still to come."""
        self._exchange.drop()

    def interrupt(self) -> None:
        """Wake up another thread that is in ``read``."""
        self._exchange.interrupt()


class ForeignReader:
    """The body of an answer that came through an adapter which keeps its own connections, or from a mock."""

    def __init__(self, response: Any, request: Request) -> None:
        self._response = response
        self._request = request
        self._raw = response.raw
        # Somebody on the way may have read it already.
        self._content: bytes | None = response.content if response._content_consumed else None

    def read(self, deadline: float | None) -> bytes:
        """The next piece; ``b""`` at the end of the body."""
        try:
            http1.decoder({k.lower(): v for k, v in self._response.headers.items()})
            self._limit(deadline)
            data = self._read()
            if not data:
                self._response.close()
            return data
        except Exception as error:
            failure = transport_errors.of_foreign(error, self._request, "body")
        except BaseException:
            self.drop()
            raise
        self.drop()
        raise failure

    def _read(self) -> bytes:
        if self._content is not None:
            data, self._content = self._content, b""
            return data
        if isinstance(self._raw, BaseHTTPResponse):
            return self._raw.read1(RECEIVE_SIZE, decode_content=True) or b""
        return self._raw.read(RECEIVE_SIZE) if self._raw is not None else b""

    def _limit(self, deadline: float | None) -> None:
        sock = getattr(getattr(self._raw, "_connection", None), "sock", None)
        if sock is not None:
            clock = Exchange("GET", None, deadline)
            sock.settimeout(clock.left())

    def drop(self) -> None:
        """Close the connection, whatever is still to come."""
        self._response.close()

    def interrupt(self) -> None:
        """Wake up another thread that is in ``read``, where the connection can."""
        with suppress(AttributeError, ValueError, RuntimeError, OSError):  # it has ended, or never was on a network
            self._raw.shutdown()


def read_whole(reader: Reader, request: Request, deadline: float | None) -> bytes:
    """All of a body; raises ProtocolError where it is longer than any answer of an API should be."""
    pieces: list[bytes] = []
    size = 0
    try:
        while size <= WHOLE_LIMIT and (data := reader.read(deadline)):
            pieces.append(data)
            size += len(data)
    except BaseException:
        reader.drop()
        raise
    if size > WHOLE_LIMIT:
        reader.drop()
        pieces.clear()  # the traceback of the error would keep them
        error = http1.Malformed(f"its body is longer than {WHOLE_LIMIT} bytes")
        raise transport_errors.of_foreign(error, request, "body")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class StreamBody:
    """The body of an answer that is still arriving: what :class:`~replicate_home.wire.Body` promises."""

    __slots__ = ("_closed", "_lock", "_reader", "_reading", "_request")

    def __init__(self, reader: Reader, request: Request) -> None:
        self._reader = reader
        self._request = request
        self._lock = threading.Lock()
        self._reading = False
        self._closed = False

    def read(self, deadline: float | None) -> bytes:
        """The bytes that have arrived, waiting for the first of them until ``deadline``; ``b""`` at the end."""
        with self._lock:
            self._reading = not self._closed
        if self._closed:
            raise self._was_closed()
        try:
            data = self._reader.read(deadline)
        except ReplicateHomeError:
            if not self._closed:
                raise
            data = b""
        finally:
            with self._lock:
                self._reading = False
                closed = self._closed
            if closed:
                self._reader.drop()
        if closed:
            raise self._was_closed()
        return data

    def close(self) -> None:
        """Give up the rest. A thread that waits in ``read`` is woken, and closes the connection itself."""
        with self._lock:
            closed, self._closed = self._closed, True
            if not closed and self._reading:
                self._reader.interrupt()
            elif not closed:
                self._reader.drop()

    def __del__(self) -> None:
        # Closing a socket sends nothing that could block; the lock may be held by the thread that is collecting.
        if not self._closed:
            self._reader.drop()

    def _was_closed(self) -> Disconnected:
        error = transport_errors.made(
            Disconnected, self._request, "body", "the connection was closed on this side", "", processed=True
        )
        assert isinstance(error, Disconnected)
        return error
