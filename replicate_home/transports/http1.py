"""HTTP/1.1 on the wire, as far as a client needs it: requests as bytes, bytes as answers. Pure, no I/O.

An answer is read strictly where laxity would mislead: every bound is fixed, conflicting lengths are refused, and
only one content encoding is undone. Whatever breaks these rules is :class:`Malformed`.

Why not ``http.client``, which urllib3 brings along: it reads heads through a buffered file, so that it can neither say
in which phase an exchange broke nor whether a byte of the answer had come, on which it depends whether a create may
be repeated; it parses every head as an e-mail, which costs more than all the rest of an exchange; and its frames hold
the token when something fails in them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Protocol

import attrs

HEAD_LIMIT = 64 * 1024
HEADERS_LIMIT = 100
CHUNK_LINE_LIMIT = 8 * 1024
INTERIM_LIMIT = 16
"""How many 1xx answers may come before the real one."""

_IS_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_IS_TARGET = re.compile(r"[\x21-\x7e]+").fullmatch
_FIND_LINE_BREAK = re.compile(r"[\r\n\0]").search
_FIND_HEAD_END = re.compile(rb"\r?\n\r?\n").search
_STATUS_LINE = re.compile(r"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: ([^\0]*?))?\r?").fullmatch
_FIND_ANSWER = re.compile(rb"\n\r?\nHTTP/1\.[0-9] [2-9]").search
# A chunk's size line together with the line break that ends the chunk before it.
_CHUNK_LINE = re.compile(rb"\r\n([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r\n").match


class Malformed(Exception):
    """The bytes are not HTTP as this client accepts it; the message says why."""


class Cut(Exception):
    """The connection ended before the answer did."""


class Concealed(str):
    """A header's value that no repr, log or traceback shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    __str__ = __repr__


class ConcealedBytes(bytes):
    """Bytes on their way to a socket that hold a :class:`Concealed` value."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    __str__ = __repr__


def request_head(method: str, target: str, headers: Mapping[str, str]) -> ConcealedBytes:
    """The request line and headers; raises ValueError where one of them could break out of its line."""
    if not _IS_TOKEN(method) or not _IS_TARGET(target):
        raise ValueError("the method or path of the request has characters that cannot be sent")
    lines = [f"{method} {target} HTTP/1.1"]
    secrets = []
    for name, value in headers.items():
        if not _IS_TOKEN(name) or _FIND_LINE_BREAK(value):
            raise ValueError(f"the header {name!r} has a name or value that cannot be sent")
        if isinstance(value, Concealed):
            secrets.append((name, value))
        else:
            lines.append(f"{name}: {value}")
    return _encoded("\r\n".join(lines), secrets)


def _encoded(head: str, secrets: list[tuple[str, Concealed]]) -> ConcealedBytes:
    # The error of an encoder holds the text it could not encode, so it must not become anybody's context; and
    # no name here is ever bound to a secret in the clear, since tracebacks may show locals.
    try:
        return ConcealedBytes(
            b"".join(
                (
                    head.encode("latin-1"),
                    *(b"\r\n%b: %b" % (name.encode("ascii"), value.encode("latin-1")) for name, value in secrets),
                    b"\r\n\r\n",
                )
            )
        )
    except UnicodeEncodeError:
        pass
    raise ValueError("a header has characters outside Latin-1")


@attrs.define
class Head:
    """Status line and headers of an answer; header names are in lower case."""

    status: int
    reason: str
    headers: dict[str, str]
    keeps_alive: bool


def split_head(data: bytes, searched: int = 0) -> tuple[bytes, bytes] | None:
    """The head and what came after it, or None while it is not complete; the first ``searched`` bytes are known."""
    if not data.startswith(b"HTTP/"[: len(data)]):
        raise Malformed("the answer is not HTTP")
    found = _FIND_HEAD_END(data, max(0, searched - 3))
    if (len(data) if found is None else found.start()) > HEAD_LIMIT:
        raise Malformed(f"the answer's headers are longer than {HEAD_LIMIT} bytes")
    return None if found is None else (data[: found.start()], data[found.end() :])


def has_answered(data: bytes) -> bool:
    """Whether an answer has begun that is not an interim one (1xx)."""
    return len(data) > 9 and (data[9:10] != b"1" or _FIND_ANSWER(data) is not None)


def parse_head(block: bytes) -> Head:
    """The status line and headers in ``block``, which has no empty line at its end."""
    first, *rest = block.decode("latin-1").split("\n")
    status_line = _STATUS_LINE(first)
    if status_line is None:
        raise Malformed("the answer does not begin with an HTTP/1 status line")
    headers = _parse_headers(rest)
    connection = headers.get("connection", "").lower()
    keeps_alive = "close" not in connection if status_line[1] != "0" else "keep-alive" in connection
    return Head(int(status_line[2]), (status_line[3] or "").strip(), headers, keeps_alive)


def _parse_headers(lines: list[str]) -> dict[str, str]:
    if len(lines) > HEADERS_LIMIT:
        raise Malformed(f"the answer has more than {HEADERS_LIMIT} headers")
    headers: dict[str, str] = {}
    last = ""
    for line in lines:
        name, colon, value = line.partition(":")
        if line[:1] in (" ", "\t") and last:  # an old way to fold long values
            headers[last] += " " + line.strip(" \t\r")
            continue
        if not colon or not _IS_TOKEN(name):
            raise Malformed("the answer has a header line that is none")
        last = name.lower()
        value = value.strip(" \t\r")
        headers[last] = f"{headers[last]}, {value}" if last in headers else value
    return headers


class HeadReader:
    """Finds the head of the real answer, after any 1xx, in what arrives; ``rest`` is what came after it."""

    __slots__ = ("_heads", "_searched", "rest")

    def __init__(self) -> None:
        self.rest = b""
        self._searched = 0
        self._heads = 0

    def feed(self, data: bytes) -> Head | None:
        """The head, or None while it is not complete."""
        self.rest += data
        while (parts := split_head(self.rest, self._searched)) is not None:
            block, self.rest = parts
            self._searched = 0
            head = parse_head(block)
            if head.status >= 200:
                return head
            if head.status == 101:
                raise Malformed("the server switches protocols, which was not asked for")
            self._heads += 1
            if self._heads == INTERIM_LIMIT:
                raise Malformed("the server sends interim answers without end")
        self._searched = len(self.rest)
        return None


class Framing(Protocol):
    """Where a body ends: ``feed`` takes bytes off the wire and gives the body's own.

    ``done`` is true once the last one came, ``rest`` is what came after it, and ``ends_with_connection`` is whether
    the end of the connection is the end of the body.
    """

    done: bool
    rest: bytes
    ends_with_connection: bool

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body in ``data``."""
        ...


def framing(method: str, head: Head) -> Framing:
    """How the body of this answer is delimited."""
    if method == "HEAD" or head.status in (204, 304):
        return Counted(0)
    coding = head.headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked":
            raise Malformed(f"the answer has a transfer encoding that was not asked for: {coding[:40]!r}")
        if "content-length" in head.headers:  # two opinions on where it ends: never trust what follows
            head.keeps_alive = False
        return Chunked()
    length = head.headers.get("content-length")
    return UntilClose() if length is None else Counted(_parse_length(length))


def _parse_length(header: str) -> int:
    lengths = {part.strip() for part in header.split(",")}
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdecimal() and len(length) < 19):
        raise Malformed(f"the answer's Content-Length makes no sense: {header[:40]!r}")
    return int(length)


class Counted:
    """A body of a known number of bytes."""

    __slots__ = ("done", "left", "rest")
    ends_with_connection = False

    def __init__(self, length: int) -> None:
        self.left = length
        self.done = not length
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body in ``data``."""
        body = data[: self.left]
        self.left -= len(body)
        if not self.left:
            self.done = True
            self.rest = data[len(body) :]
        return body


class UntilClose:
    """A body that ends when the connection does."""

    __slots__ = ("done", "rest")
    ends_with_connection = True

    def __init__(self) -> None:
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """All of ``data``."""
        return data


class Chunked:
    """A body in chunks; all chunks that have arrived are given at once."""

    __slots__ = ("_held", "_left", "_trailing", "done", "rest")
    ends_with_connection = False

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._left = 0
        self._held = b"\r\n"  # so that the first size line looks like all others
        self._trailing = False

    def feed(self, data: bytes) -> bytes:
        """The payload in ``data``. The hot loop of every token stream: one turn for a chunk."""
        if self._held:
            data, self._held = self._held + data, b""
        if self._trailing:
            return self._end(data)
        payload = []
        position, left = 0, self._left
        while True:
            if left:
                piece = data[position : position + left]
                payload.append(piece)
                left -= len(piece)
                if left:
                    self._left = left
                    break
                position += len(piece)
            line = _CHUNK_LINE(data, position)
            if line is None:
                self._left = 0
                self._hold(data[position:])
                break
            position = line.end()
            left = int(line[1], 16)
            if not left:
                self._end(data[position - 2 :])
                break
        return b"".join(payload)

    def _hold(self, data: bytes) -> None:
        if data[:2] != b"\r\n"[: len(data)] or b"\n" in data[2:] or len(data) > CHUNK_LINE_LIMIT:
            raise Malformed("the answer's chunks are broken")
        self._held = data

    def _end(self, data: bytes) -> bytes:
        """Skip the trailers, which nobody asked for, up to the empty line."""
        self._trailing = True
        _, blank, rest = data.partition(b"\r\n\r\n")
        if blank:
            self.done, self.rest = True, rest
        elif len(data) > HEAD_LIMIT:
            raise Malformed(f"the answer's trailers are longer than {HEAD_LIMIT} bytes")
        else:
            self._held = data
        return b""


_PIECE = 256 * 1024


class Gunzip:
    """Undoes gzip as it arrives, a bounded piece at a time."""

    __slots__ = ("_inflate", "_input", "_started")

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._input = b""
        self._started = False

    @property
    def pending(self) -> bool:
        """Whether :meth:`feed` has more to give without any new input."""
        return bool(self._input)

    @property
    def complete(self) -> bool:
        """Whether the input may end here."""
        return self._inflate.eof or not self._started

    def feed(self, data: bytes) -> bytes:
        """What ``data`` unpacks to, or the first part of it; call again with nothing while ``pending``."""
        data = self._input + data
        self._started = self._started or bool(data)
        if self._inflate.eof:
            if data[:1] != b"\x1f":  # padding after the last member, as gzip(1) allows
                self._input = b""
                return b""
            self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            unpacked = self._inflate.decompress(data, _PIECE)
        except zlib.error:
            raise Malformed("the answer's gzip is broken") from None
        self._input = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
        return unpacked


def decoder(headers: Mapping[str, str]) -> Gunzip | None:
    """What undoes the body's content encoding; None where it has none."""
    coding = headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        return None
    if coding in ("gzip", "x-gzip"):
        return Gunzip()
    raise Malformed(f"the answer has a content encoding that was not asked for: {coding[:40]!r}")


class Payload:
    """The body of an answer, out of what arrives after its head: neither framing nor content encoding is left.

    ``has_arrived`` is true once its last byte is there; what of it is still packed comes from :meth:`unpacked`.
    """

    __slots__ = ("_framing", "_gunzip", "_keeps_alive")

    def __init__(self, method: str, head: Head) -> None:
        self._framing = framing(method, head)
        self._gunzip = decoder(head.headers)
        self._keeps_alive = head.keeps_alive

    @property
    def has_arrived(self) -> bool:
        """Whether nothing of it is still to come."""
        return self._framing.done

    @property
    def frees_connection(self) -> bool:
        """Whether the connection may carry another request once this body has arrived."""
        return self._keeps_alive and not self._framing.rest

    def feed(self, data: bytes) -> bytes:
        """What ``data``, off the wire, holds of the body; perhaps nothing.

        No data is the end of the connection: raises :class:`Cut` where that is not the end of the body.
        """
        if self._framing.done:
            self._framing.rest += data
            return b""
        if not data:
            self._end_with_connection()
            return b""
        data = self._framing.feed(data)
        return data if self._gunzip is None else self._gunzip.feed(data)

    def unpacked(self) -> bytes:
        """What can be given without anything more from the wire."""
        data = b""
        while not data and self._gunzip is not None and self._gunzip.pending:  # a member may be empty
            data = self._gunzip.feed(b"")
        return data

    def end(self) -> None:
        """Everything was taken; raises :class:`Cut` where its gzip was not all there."""
        if self._gunzip is not None and not self._gunzip.complete:
            raise Cut("its gzip ended early")

    def _end_with_connection(self) -> None:
        if not self._framing.ends_with_connection:
            raise Cut("it ended before all of it had come")
        self._framing.done = True
        self._keeps_alive = False
