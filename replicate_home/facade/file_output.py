"""A file that a model made: a URL that is opened when it is read."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from ..rules import urls
from ..words.errors import ProtocolError, TransportError, UnsafeURL

T = TypeVar("T")

_URL = re.compile(r"https?://\S+")
_DELIVERY = re.compile(r"(.+\.)?replicate\.delivery")
_ODD = re.compile(r"[^\w.-]+", re.ASCII)
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_BEGINNINGS = ("http", "data")
PIECE = 64 * 1024

Opener = Callable[[str], "Download"]
"""Asks for a URL and returns the answer with its open body."""


class Download:
    """A file that is arriving: its media type, and its pieces. ``read`` waits for the next, ``close`` gives up."""

    def __init__(self, content_type: str, read: Callable[[], bytes], close: Callable[[], None]) -> None:
        self.content_type = content_type
        self._read = read
        self._close = close

    def pieces(self) -> Iterator[bytes]:
        """The content as it arrives; the connection is given back at the end, closed before it."""
        try:
            while piece := self._read():
                yield piece
        finally:
            self._close()


class FileOutput:
    """A file that a model made.

    Nothing is fetched before it is read. ``str()`` is its URL. Files are kept by the server for an hour:
    afterwards reading raises :class:`~replicate_home.FileExpired`. Other errors are those of any request.
    """

    def __init__(self, url: str, opener: Opener | None = None, base_url: str | None = None) -> None:
        self.url = url
        self.base_url = base_url
        """The API that the file came from, where that is known."""
        self._opener = opener
        self._content_type: str | None = None

    @property
    def name(self) -> str:
        """A file name made from the URL, safe to be used in any folder."""
        if self.url.startswith("data:"):
            return "output" + _extension(self.content_type or "")
        return safe_name(unquote(urlsplit(self.url).path.rpartition("/")[2]))

    @property
    def content_type(self) -> str | None:
        """The media type: from the ``data:`` URI, the server once it was read, or else the name."""
        if self.url.startswith("data:"):
            return self.url[5:].partition(",")[0].partition(";")[0] or "text/plain"
        if self._content_type is None:
            import mimetypes

            return mimetypes.guess_type(self.name)[0]
        return self._content_type

    def __iter__(self) -> Iterator[bytes]:
        """The content in pieces, as they arrive."""
        if self.url.startswith("data:"):
            content = _decoded(self.url)
            return (content[start : start + PIECE] for start in range(0, len(content), PIECE))
        if self._opener is None:
            raise UnsafeURL(f"{self.url.partition('?')[0]!r} belongs to no client any more: fetch it yourself")
        download = self._opener(self.url)
        self._content_type = download.content_type or None
        return download.pieces()

    def read(self, size: int = -1) -> bytes:
        """The whole content, or its first ``size`` bytes; each call fetches it anew."""
        if size is None or size < 0:
            return b"".join(self._whole())
        content = b""
        with contextlib.closing(_generator(iter(self))) as pieces:
            for piece in pieces:
                content += piece
                if len(content) >= size:
                    break
        return content[:size]

    def open(self) -> IO[bytes]:
        """The content as a binary file that can be read and sought in, kept on disk where it is large."""
        file = tempfile.SpooledTemporaryFile(max_size=2**20)  # noqa: SIM115 - it is the caller's to close
        try:
            for piece in self._whole():
                file.write(piece)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the content to ``path``, or into it under ``name`` where it is a folder; return where it is.

        The file is complete or not there at all: it is written beside its place and then moved into it.
        """
        target = Path(path)
        if target.is_dir():
            target = target / self.name
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                for piece in self._whole(file):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        return target

    async def aread(self, size: int = -1) -> bytes:
        """As :meth:`read`, without blocking the event loop."""
        return await _in_thread(self.read, size)

    async def asave(self, path: str | os.PathLike[str]) -> Path:
        """As :meth:`save`, without blocking the event loop."""
        return await _in_thread(self.save, path)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The content in pieces, without blocking the event loop."""
        pieces = await _in_thread(iter, self)
        try:
            while (piece := await _in_thread(next, pieces, b"")) != b"":
                yield piece
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                await _in_thread(close)

    def _whole(self, file: IO[bytes] | None = None) -> Iterator[bytes]:
        """All pieces; where the connection breaks, once more from the beginning (of ``file`` too)."""
        pieces: list[bytes] = []
        for attempt in (0, 1, 2):
            try:
                for piece in self:
                    if file is None:
                        pieces.append(piece)
                    else:
                        yield piece
                break
            except TransportError:
                if attempt == 2:
                    raise
                pieces.clear()
                if file is not None:
                    file.seek(0)
                    file.truncate()
        yield from pieces

    def __fspath__(self) -> str:
        raise TypeError("this file is not on the disk: save() it first, which returns its path")

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        shown = self.url.partition("?")[0]
        return f"FileOutput({shown[:97] + '...' if len(shown) > 100 else shown!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileOutput) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __reduce__(self) -> tuple[Any, ...]:
        return FileOutput, (self.url,)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """What a notebook shows: the picture, the sound, the film, or a link."""
        kind = (self.content_type or "").partition("/")[0]
        if kind == "image":
            return {self.content_type or "image/png": base64.b64encode(self.read()).decode(), "text/plain": repr(self)}
        tag = {"audio": "audio", "video": "video"}.get(kind)
        from html import escape

        link = escape(self.url, quote=True)
        shown = f'<{tag} controls src="{link}"></{tag}>' if tag else f'<a href="{link}">{escape(self.name)}</a>'
        return {"text/html": shown, "text/plain": repr(self)}


def is_file(value: Any, base_url: str) -> bool:
    """Whether a string in an output is a file: a ``data:`` URI, or a URL at the delivery hosts or the API itself."""
    if not isinstance(value, str):
        return False
    if value.startswith("data:"):
        return "," in value[:200]
    if not value.startswith("http") or not _URL.fullmatch(value):
        return False
    found = urls.origin(value)
    return found is not None and (_DELIVERY.fullmatch(found[1]) is not None or found == urls.origin(base_url))


def with_files(value: Any, base_url: str, opener: Opener) -> Any:
    """The output with its file URLs as :class:`FileOutput`, at any depth."""
    if isinstance(value, str):
        return FileOutput(value, opener, base_url) if is_file(value, base_url) else value
    if isinstance(value, list):
        return [with_files(item, base_url, opener) for item in value]
    if isinstance(value, dict):
        return {key: with_files(item, base_url, opener) for key, item in value.items()}
    return value


def pieces_with_files(items: list[Any], base_url: str, opener: Opener) -> list[Any]:
    """The same for pieces of output as they arrive; text, one token after another, is passed on at little cost."""
    return [
        item if type(item) is str and item[:4] not in _BEGINNINGS else with_files(item, base_url, opener)
        for item in items
    ]


def files_in(value: Any) -> list[FileOutput]:
    """The files in an output, in the order of the document."""
    if isinstance(value, FileOutput):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [file for item in items for file in files_in(item)]


def safe_name(name: str) -> str:
    """A file name that stays in its folder, on any system."""
    cleaned = _ODD.sub("_", name).strip("._ ")[-120:].lstrip(".-")
    if not cleaned or set(cleaned) <= {"_"}:
        return "output"
    return f"_{cleaned}" if _RESERVED.fullmatch(cleaned) else cleaned


def _decoded(url: str) -> bytes:
    head, _, text = url.partition(",")
    if not head.endswith(";base64"):
        return unquote_to_bytes(text)
    try:
        return base64.b64decode(unquote_to_bytes(text), validate=True)
    except (binascii.Error, ValueError):
        pass
    raise ProtocolError(f"the data: URI {url[:60]!r} is not valid base64")


def _extension(content_type: str) -> str:
    import mimetypes

    return mimetypes.guess_extension(content_type) or ".bin"


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    current = os.umask(0o077)
    os.umask(current)
    return current


def _generator(pieces: Iterator[bytes]) -> Any:
    yield from pieces


async def _in_thread(function: Callable[..., T], *arguments: Any) -> T:
    import asyncio  # only event loops need it

    return await asyncio.to_thread(function, *arguments)
