"""Bodies of answers: where they end, and what undoes their content encoding, a bounded piece at a time.

The libraries are asked for bodies as they came: they take a gzip that was cut for whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from .errors import Cut, Malformed

WHOLE_LIMIT = 64 * 1024 * 1024
"""The most bytes that a body which is read whole may have, decoded."""
_PIECE = 256 * 1024


def check_framing(headers: Mapping[str, str]) -> bool:
    """Whether the connection may be used again after a body with these headers (by lower-case name).

    Raises :class:`Malformed` where they contradict themselves about where it ends, or nobody can tell.
    """
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None and coding.strip().lower() != "chunked":
        raise Malformed(f"the response has a transfer encoding that was not requested: {coding[:40]!r}")
    if length is not None:
        lengths = {part.strip(" \t") for part in length.split(",")}
        number = lengths.pop()
        if lengths or not (number.isascii() and number.isdecimal() and len(number) < 19):
            raise Malformed(f"the response has an invalid Content-Length: {length[:40]!r}")
    return coding is None or length is None  # of two opinions on where it ends, what follows trusts neither


class Decoder:
    """Undoes gzip or deflate as it arrives."""

    __slots__ = ("_coding", "_inflate", "_input")

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inflate: Any = None
        self._input = b""

    @property
    def pending(self) -> bool:
        """Whether :meth:`feed` has more to give without any new input."""
        return bool(self._input)

    def feed(self, data: bytes) -> bytes:
        """What ``data`` unpacks to, or the first part of it; call again with nothing while ``pending``."""
        data = self._input + data
        if not data:
            return b""
        if self._inflate is not None and self._inflate.eof and (self._coding == "deflate" or data[:1] != b"\x1f"):
            self._input = b""  # padding after the last member, as gzip(1) allows
            return b""
        if self._inflate is None or self._inflate.eof:
            self._inflate = zlib.decompressobj(self._window(data))
        try:
            unpacked: bytes = self._inflate.decompress(data, _PIECE)
        except zlib.error:
            raise Malformed(f"the {self._coding} encoding of the response is corrupt") from None
        self._input = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
        return unpacked

    def end(self) -> None:
        """Nothing more will come; raises :class:`Cut` where that is too early."""
        if self._inflate is not None and not self._inflate.eof:
            raise Cut(f"its {self._coding} ended early")

    def _window(self, data: bytes) -> int:
        if self._coding == "gzip":
            return 16 + zlib.MAX_WBITS
        return zlib.MAX_WBITS if data[0] & 15 == 8 else -zlib.MAX_WBITS  # some servers leave zlib's header out


def decoder(headers: Mapping[str, str]) -> Decoder | None:
    """What undoes the body's content encoding; None where it has none. Header names are in lower case."""
    coding = headers.get("content-encoding", "").strip().lower().removeprefix("x-")
    if coding in ("", "identity"):
        return None
    if coding in ("gzip", "deflate"):
        return Decoder(coding)
    raise Malformed(f"the response has a content encoding that was not requested: {coding[:40]!r}")


class Whole:
    """Collects the pieces of a body that is read whole."""

    __slots__ = ("_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        """Keep a piece; raises :class:`Malformed`, and keeps none, beyond the length of any API's answer."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > WHOLE_LIMIT:
            self._pieces.clear()  # the traceback of the error would keep them
            raise Malformed(f"the response body is longer than {WHOLE_LIMIT} bytes")

    def joined(self) -> bytes:
        """All of it."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
