"""Bodies of answers: read whole within a bound, or handed out as they arrive."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from urllib3.response import BaseHTTPResponse

from ...exceptions import Disconnected
from ...wire import Request
from ..decoding import Decoder, Whole, check_framing, decoder
from ..errors import Malformed, failure_of, made
from .answers import RECEIVE_SIZE, Answer
from .exchange import Exchange

_FIND_NEXT_CHUNK = re.compile(rb"\r\n0*[1-9A-Fa-f][^\n]*\n.", re.DOTALL).match
"""Another chunk of which something has arrived, so that reading it does not wait."""

_CHUNK_FRAME = 8
"""How many bytes stand around a chunk: where no more arrived than that, there is no other to look for."""


class Reader(Protocol):
    """One body as it comes."""

    def read(self) -> bytes:
        """What has arrived, waiting for the first byte of it; ``b""`` at the end of the body, and nowhere else."""
        ...


def reader_of(response: Any, exchange: Exchange, headers: Mapping[str, str]) -> Reader:
    """What reads and unpacks this answer.

    One of ours is read where it arrives; what a mock, a recorder, a cache or a hook has is taken from its hands.
    """
    exchange.phase = "body"
    answer, raw = exchange.answer, response.raw
    reader: Reader
    if answer is not None and isinstance(raw, BaseHTTPResponse) and not answer.isclosed():
        reader = AnswerReader(answer, exchange, headers)
    elif isinstance(raw, BaseHTTPResponse) and raw.connection is not None and not raw.closed:
        reader = ForeignReader(raw, exchange)
    else:
        reader = GivenReader(response.content)
        exchange.detach()
        return reader  # it is unpacked already
    unpacks = decoder(headers)
    return reader if unpacks is None else UnpackingReader(reader, unpacks)


class AnswerReader:
    """The body of an answer over a connection of ours."""

    __slots__ = ("_answer", "_exchange", "_may_keep")

    def __init__(self, answer: Answer, exchange: Exchange, headers: Mapping[str, str]) -> None:
        self._answer = answer
        self._exchange = exchange
        self._may_keep = check_framing(headers)
        if answer.status in (204, 304) and (answer.chunked or "content-length" in headers):
            self._may_keep = False  # some servers send the body all the same
        if answer.length == 0 or exchange.method == "HEAD":
            self._end()

    def read(self) -> bytes:
        """What has arrived, of all chunks together."""
        answer = self._answer
        if answer.isclosed():
            return b""
        data = answer.read1(RECEIVE_SIZE)
        if not data or answer.length == 0:
            self._end()
        elif answer.chunked and answer.chunk_left < 0:  # type: ignore[operator]  # http.client takes it for a number
            raise Malformed("the response has a chunk of negative size")
        elif answer.chunked and self._exchange.arrived - len(data) > _CHUNK_FRAME:
            return self._with_next_chunks(data)
        return data

    def _with_next_chunks(self, data: bytes) -> bytes:
        answer, pieces = self._answer, [data]
        while not answer.chunk_left and _FIND_NEXT_CHUNK(answer.fp.held()):  # type: ignore[union-attr]
            pieces.append(answer.read1(RECEIVE_SIZE))
        return data if len(pieces) == 1 else b"".join(pieces)

    def _end(self) -> None:
        """The last byte is there: let go of the connection, to serve again if it can."""
        self._answer.close()
        self._exchange.finish(may_keep=self._may_keep)


class ForeignReader:
    """The body of an answer over urllib3's own connections."""

    def __init__(self, raw: BaseHTTPResponse, exchange: Exchange) -> None:
        self._raw = raw
        self._exchange = exchange

    def read(self) -> bytes:
        """What has arrived; the wait for its first byte keeps to the deadline, what drips does not."""
        sock = getattr(self._raw.connection, "sock", None)
        if sock is not None:
            sock.settimeout(self._exchange.left())
        return self._raw.read1(RECEIVE_SIZE, decode_content=False)


class GivenReader:
    """A body that is there."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self) -> bytes:
        """All of it, once."""
        content, self._content = self._content, b""
        return content


class UnpackingReader:
    """A body without the content encoding that is on ``reader``'s."""

    def __init__(self, reader: Reader, unpacks: Decoder) -> None:
        self._reader = reader
        self._decoder = unpacks

    def read(self) -> bytes:
        """What can be had of it next: one network read after another, until there is some."""
        unpacks = self._decoder
        data = unpacks.feed(b"")
        while not data:
            if not unpacks.pending and not (arrived := self._reader.read()):
                unpacks.end()
                return b""
            data = unpacks.feed(b"" if unpacks.pending else arrived)
        return data


def read_whole(reader: Reader) -> bytes:
    """All of a body; raises :class:`Malformed` where it is longer than any answer of an API should be."""
    whole = Whole()
    while data := reader.read():
        whole.add(data)
    return whole.joined()


class ArrivingBody:
    """The body of an answer that is still arriving: what :class:`~replicate_home.Body` promises.

    A thread that reads says so before it looks whether the body was closed, and one that closes does it the other way
    round: so only a thread that reads, or finds nobody reading, closes the connection.
    """

    __slots__ = ("_closed", "_exchange", "_reader", "_reading", "_request")

    def __init__(self, reader: Reader, exchange: Exchange, request: Request) -> None:
        self._reader = reader
        self._exchange = exchange
        self._request = request
        self._reading = self._closed = False

    def read(self, deadline: float | None) -> bytes:
        """The bytes that have arrived, waiting for the first of them until ``deadline``; ``b""`` at the end."""
        data, failure = b"", None
        self._reading = True
        try:
            if not self._closed:
                self._exchange.allow(deadline)
                data = self._reader.read()
        except Exception as error:
            failure = failure_of(error, self._request, self._exchange)
        except BaseException:
            self._closed = True
            self._exchange.drop()
            raise
        self._reading = False
        if self._closed:
            failure = made(Disconnected, self._request, "body", "it was closed on this side", processed=True)
        if failure is None:
            return data
        self._closed = True
        self._exchange.drop()
        raise failure

    def close(self) -> None:
        """Give up the rest. A thread that waits in ``read`` is woken, and closes the connection itself."""
        self._closed = True
        if self._reading:
            self._exchange.interrupt()
        else:
            self._exchange.drop()

    def __del__(self) -> None:
        self._exchange.drop()  # closing a socket sends nothing that could block
