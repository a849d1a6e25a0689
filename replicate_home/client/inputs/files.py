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

from ...exceptions import ProtocolError

PIECE = 64 * 1024


@attrs.frozen
class Source:
    """An input file: how to open it, its length in bytes, its name and media type."""

    opened: Callable[[], BinaryIO] = attrs.field(repr=False)
    length: int
    name: str
    content_type: str
    done_with: Callable[[BinaryIO], object] = attrs.field(default=lambda file: file.close(), repr=False)
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


def source_of(value: Any) -> Source | None:
    """An input value as a file, or None if it is not one.

    A path, bytes, an open binary file, a PIL image, or anything whose ``read()`` returns bytes. An open file is read
    from its current position, or from the beginning if it is at its end; its position does not change. A file opened as
    text is read from its beginning. Raises TypeError for text in memory, or an image that cannot be saved as a PNG.
    """
    if isinstance(value, os.PathLike):
        return _path_source(Path(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _bytes_source(bytes(value), "file")
    if callable(getattr(value, "save", None)) and callable(getattr(value, "getexif", None)):
        return _image_source(value)
    if callable(getattr(value, "read", None)):
        return _file_source(value)
    return None


def _path_source(path: Path) -> Source:
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise FileNotFoundError(f"the input file {str(path)!r} {what}")
    return Source(lambda: path.open("rb"), path.stat().st_size, path.name, content_type_of(path.name))


def _bytes_source(content: bytes, name: str) -> Source:
    return Source(lambda: io.BytesIO(content), len(content), name, content_type_of(name))


def _image_source(image: Any) -> Source:
    buffer = io.BytesIO()
    try:
        image.save(buffer, format="PNG")
    except OSError as error:
        raise TypeError(f"the image cannot be sent as a PNG ({error}): pass image.convert('RGB')") from None
    return _bytes_source(buffer.getvalue(), "image.png")


def _file_source(file: Any) -> Source:
    name = os.path.basename(file.name) if isinstance(getattr(file, "name", None), str) else "file"
    is_text = isinstance(file, io.TextIOWrapper)
    if is_text:  # how much of it was read as text does not tell where that ends in bytes
        file.flush()
        file = file.buffer
    elif isinstance(file, io.TextIOBase):
        raise TypeError(f"{type(file).__name__} holds text, not bytes: pass the text itself, or encode it")
    try:
        here, end = file.tell(), file.seek(0, os.SEEK_END)
        # At its end it was just written, or read before: all of it is meant.
        start = here if here < end and not is_text else 0
        file.seek(here)
    except (AttributeError, OSError, ValueError):
        content = file.read()
        if not isinstance(content, bytes):
            raise TypeError(f"the file {name!r} returned {type(content).__name__} when read, expected bytes") from None
        return _bytes_source(content, name)

    def again() -> BinaryIO:
        file.seek(start)
        return file  # type: ignore[no-any-return]  # anything with read() and seek()

    return Source(again, end - start, name, content_type_of(name), done_with=lambda file: file.seek(here))


def content_type_of(name: str) -> str:
    """The media type guessed from a file's name."""
    import mimetypes  # reads the system's tables; only needed with files

    return mimetypes.guess_type(name)[0] or "application/octet-stream"


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
