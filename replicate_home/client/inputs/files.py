"""Input files: small ones as data URIs, others as a multipart body that is read while it is sent."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import attrs

from ...exceptions import InvalidInput, ProtocolError
from ...protocol.media_types import LONGEST_HEAD, kind_of

PIECE = 64 * 1024
LARGEST = 100 * 2**20
"""How many bytes a file may have at most."""


def _close(file: BinaryIO) -> None:
    file.close()


@attrs.frozen
class Source:
    """An input file: how to open it, its length in bytes, its name and media type."""

    opened: Callable[[], BinaryIO] = attrs.field(repr=False)
    length: int
    name: str
    content_type: str
    done_with: Callable[[BinaryIO], object] = attrs.field(default=_close, repr=False)
    """Called after reading; a file that the caller opened is returned to its earlier position."""

    def read(self) -> bytes:
        """The whole content."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The content in pieces; raises :class:`ProtocolError` if its length has changed."""
        file, left = self.opened(), self.length
        try:
            while left > 0:
                piece = file.read(min(PIECE, left))
                if not piece:
                    raise ProtocolError(
                        f"the file {self.name!r} became shorter while it was being read ({left} bytes missing)"
                    )
                left -= len(piece)
                yield piece
            if file.read(1):
                raise ProtocolError(f"the file {self.name!r} became longer while it was being read")
        finally:
            with contextlib.suppress(ValueError, OSError):  # the caller may have closed the file meanwhile
                self.done_with(file)

    def data_uri(self) -> str:
        """The content as a ``data:`` URI."""
        return f"data:{self.content_type};base64,{base64.b64encode(self.read()).decode()}"


def source_of(value: Any, name: str = "") -> Source | None:
    """An input value as a file, called ``name`` or what it is called itself; None if it is not one.

    A path, bytes, an open binary file, a PIL image, or anything whose ``read()`` returns bytes. An open file is read
    from its current position, or from the beginning if it is at its end; its position does not change. A file opened as
    text is read from its beginning. Raises TypeError for text in memory, or an image that cannot be saved as a PNG, and
    InvalidInput for a file that is closed or too large, before it is read.
    """
    if isinstance(value, os.PathLike):
        return _path_source(Path(value), name)
    if isinstance(value, (bytes, bytearray, memoryview)):
        _check_length(memoryview(value).nbytes, name)
        return _bytes_source(bytes(value), name)
    if callable(getattr(value, "save", None)) and callable(getattr(value, "getexif", None)):
        return _image_source(value, name)
    if callable(getattr(value, "read", None)):
        return _file_source(value, name or _name_of(value))
    return None


def _path_source(path: Path, name: str) -> Source:
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise FileNotFoundError(f"the input file {str(path)!r} {what}")
    return _described(lambda: path.open("rb"), path.stat().st_size, name or path.name)


def _bytes_source(content: bytes, name: str) -> Source:
    return _described(lambda: io.BytesIO(content), len(content), name)


def _image_source(image: Any, name: str) -> Source:
    buffer = io.BytesIO()
    try:
        image.save(buffer, format="PNG")
    except OSError as error:
        raise TypeError(f"the image cannot be sent as a PNG ({error}): pass image.convert('RGB')") from None
    stem = Path(str(getattr(image, "filename", "") or "image")).stem
    return _bytes_source(buffer.getvalue(), name or f"{stem}.png")


def _name_of(file: Any) -> str:
    """The name of an open file; those of a descriptor have a number."""
    name = getattr(file, "name", None)
    return os.path.basename(name) if isinstance(name, str) else ""


def _binary(file: io.TextIOBase) -> BinaryIO:
    """The file beneath one that was opened as text, as ``open(path)`` does."""
    if not isinstance(file, io.TextIOWrapper):
        raise TypeError(f"{type(file).__name__} holds text, not bytes: pass the text itself, or encode it")
    file.flush()
    beneath: BinaryIO = file.buffer
    return beneath


def _file_source(file: Any, name: str) -> Source:
    shown = repr(name or "file")
    if getattr(file, "closed", False) is True:
        raise InvalidInput(f"the input file {shown} is closed: open it again, and close it after the call")
    is_text = isinstance(file, io.TextIOBase)
    if is_text:
        file = _binary(file)
    try:
        here = file.tell()
        file.seek(0, os.SEEK_END)
        end = file.tell()
        # At its end it was just written, or read before: all of it is meant. What was read as text tells no position.
        start = here if here < end and not is_text else 0
        file.seek(here)
    except (AttributeError, OSError, ValueError):
        return _read_source(file, name)

    def again() -> BinaryIO:
        file.seek(start)
        return file  # type: ignore[no-any-return]  # anything with read() and seek()

    return _described(again, end - start, name, lambda file: file.seek(here))


def _read_source(file: Any, name: str) -> Source:
    """A file that cannot be moved in, such as a pipe: it is read once, into memory."""
    is_pipe = isinstance(file, io.BufferedReader)  # which gives as much as was asked for, and may never end
    content = file.read(LARGEST + 1) if is_pipe else file.read()
    if not isinstance(content, bytes):
        kind = type(content).__name__
        raise TypeError(f"the file {name or 'file'!r} returned {kind} when read, expected bytes") from None
    _check_length(len(content), name, " or more" if is_pipe else "")
    return _bytes_source(content, name)


def _described(
    opened: Callable[[], BinaryIO], length: int, name: str, done_with: Callable[[BinaryIO], object] = _close
) -> Source:
    """A file whose length and name are known, with the media type that its content and its name suggest."""
    _check_length(length, name)
    file = opened()
    try:
        head = file.read(LONGEST_HEAD)
    finally:
        done_with(file)
    if not isinstance(head, bytes):
        raise TypeError(f"the file {name or 'file'!r} returned {type(head).__name__} when read, expected bytes")
    kind = kind_of(head)
    content_type = kind.media_type if kind is not None and kind.certain else _type_by_name(name)
    if content_type is None:
        content_type = "application/octet-stream" if kind is None else kind.media_type
    return Source(opened, length, name or f"file{kind.extension if kind else ''}", content_type, done_with)


def _check_length(length: int, name: str, more: str = "") -> None:
    if length > LARGEST:
        limit = f"the API accepts at most {LARGEST} (100 MB): pass a URL"
        raise InvalidInput(f"the input file {name or 'file'!r} has {length} bytes{more}, and {limit}") from None


def _type_by_name(name: str) -> str | None:
    import mimetypes  # reads the system's tables; only needed with files

    media_type, compression = mimetypes.guess_type(name)
    return None if compression else media_type


class MultipartUpload:
    """The body of a ``multipart/form-data`` request with one file, part ``content``, and JSON, part ``metadata``."""

    def __init__(self, source: Source, metadata: bytes | None = None) -> None:
        boundary = secrets.token_hex(16)
        self._source = source
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{_quoted(source.name)}"\r\n'
            f"Content-Type: {source.content_type}\r\n\r\n"
        ).encode()
        self._tail = b""
        if metadata is not None:
            said = 'Content-Disposition: form-data; name="metadata"\r\nContent-Type: application/json'
            self._tail = f"\r\n--{boundary}\r\n{said}\r\n\r\n".encode() + metadata
        self._tail += f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.length = len(self._head) + source.length + len(self._tail)

    def open(self) -> Iterator[bytes]:
        """The body, from the beginning."""
        yield self._head
        yield from self._source.pieces()
        yield self._tail


def _quoted(name: str) -> str:
    """A file name escaped for its header, as browsers do (RFC 7578)."""
    safe = "".join("_" if ord(letter) < 32 or ord(letter) == 127 else letter for letter in name)
    return safe.replace("%", "%25").replace('"', "%22")[:255] or "file"
