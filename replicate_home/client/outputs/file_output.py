"""A file that a model made: a URL that is opened when it is read."""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import io
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from ...exceptions import Disconnected, ProtocolError, ReplicateHomeError
from ...protocol import urls

T = TypeVar("T")

_URL = re.compile(r"https?://\S+")
_DELIVERY = re.compile(r"(.+\.)?replicate\.delivery")
_DATA_URI = re.compile(r"data:[\w.+-]+/[\w.+-]+(;[\w.+-]+(=[^,;\s]*)?)*,\S*", re.ASCII)
_ODD = re.compile(r"[^\w.-]+", re.ASCII)
_EXTENSION = re.compile(r"[A-Za-z0-9]{1,16}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
PIECE = 64 * 1024
_ATTEMPTS = 3

Opener = Callable[[str], "Download"]
"""Asks for a URL and returns the answer with its open body."""


class Download:
    """A file that is arriving: its media type, and its pieces.

    ``read`` waits for the next piece, ``b""`` at the end; ``close`` gives up, also from another thread.
    """

    def __init__(self, content_type: str, read: Callable[[], bytes], close: Callable[[], None]) -> None:
        self.content_type = content_type
        self.read = read
        self.close = close

    @classmethod
    def of(cls, content: bytes, content_type: str) -> Download:
        """A file that is here already."""
        return cls(content_type, partial(io.BytesIO(content).read, PIECE), lambda: None)

    def pieces(self) -> Iterator[bytes]:
        """The content as it arrives; the connection is given back at the end, closed before it."""
        try:
            while piece := self.read():
                yield piece
        finally:
            self.close()


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
        return self._asked_for().pieces()

    def read(self, size: int = -1) -> bytes:
        """The whole content, or its first ``size`` bytes; each call fetches it anew."""
        content = io.BytesIO()
        if size is None or size < 0:
            self._write_to(content)
            return content.getvalue()
        with contextlib.closing(self._asked_for()) as download:
            while content.tell() < size and (piece := download.read()):
                content.write(piece)
        return content.getvalue()[:size]

    def open(self) -> IO[bytes]:
        """The content as a binary file that can be read and sought in, kept on disk where it is large."""
        import tempfile  # only needed here, and slow to import

        file = tempfile.SpooledTemporaryFile(max_size=2**20)  # noqa: SIM115 - it is the caller's to close
        try:
            self._write_to(file)
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
        # Not by tempfile, whose files nobody else may read: a model's output is an ordinary file.
        temporary = target.parent / f".{os.urandom(8).hex()}.part"
        if not target.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "its folder does not exist", str(target))
        try:
            with temporary.open("xb") as file:
                self._write_to(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
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
        download = await _in_thread(self._asked_for)
        try:
            while piece := await _in_thread(download.read):
                yield piece
        finally:
            download.close()

    def _asked_for(self) -> Download:
        """The file, whose content begins to arrive."""
        if self.url.startswith("data:"):
            return Download.of(_decoded(self.url), self.content_type or "")
        download = (self._opener or _public)(self.url)
        self._content_type = download.content_type or None
        return download

    def _write_to(self, file: IO[bytes]) -> None:
        """All of the content, into an empty file; where the connection breaks, again from the beginning."""
        for attempt in range(1, _ATTEMPTS + 1):
            download = self._asked_for()
            try:
                for piece in download.pieces():
                    file.write(piece)
            except Disconnected:
                if attempt == _ATTEMPTS:
                    raise
                file.seek(0)
                file.truncate()
            else:
                return

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

    def __copy__(self) -> FileOutput:
        return self

    def __deepcopy__(self, memo: Any) -> FileOutput:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return FileOutput, (self.url,)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """What a notebook shows: the picture, the sound, the film, or a link."""
        with contextlib.suppress(ReplicateHomeError):  # a file that has expired is still a link
            if self.content_type in _PICTURES:
                return {self.content_type: base64.b64encode(self.read()).decode(), "text/plain": repr(self)}
        from html import escape

        kind = (self.content_type or "").partition("/")[0]
        link = escape(self.url, quote=True)
        if kind in ("audio", "video"):
            shown = f'<{kind} controls src="{link}"></{kind}>'
        else:
            shown = f'<a href="{link}">{escape(self.name)}</a>'
        return {"text/html": shown, "text/plain": repr(self)}


def is_file(value: Any, base_url: str) -> bool:
    """Whether a string in an output is a file: a ``data:`` URI, or a URL at the delivery hosts or the API itself."""
    if not isinstance(value, str):
        return False
    if value.startswith("data:"):
        return _DATA_URI.fullmatch(value) is not None
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
    """The same for pieces of output as they arrive."""
    return [with_files(item, base_url, opener) for item in items] if _may_be_files(items) else items


def _may_be_files(items: list[Any]) -> bool:
    """Whether to look at each piece; one look at all of them tells that tokens are none, at little cost."""
    try:
        text = "\n".join(items)
    except TypeError:  # they are not all text
        return True
    return "http" in text or "data:" in text


def files_in(value: Any) -> list[FileOutput]:
    """The files in an output, in the order of the document."""
    if isinstance(value, FileOutput):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [file for item in items for file in files_in(item)]


def safe_name(name: str) -> str:
    """A file name that stays in its folder, on any system."""
    cleaned = _ODD.sub("_", name).rstrip("._-")
    stem, dot, extension = cleaned.rpartition(".")
    if not (dot and _EXTENSION.fullmatch(extension)):
        stem, dot, extension = cleaned, "", ""
    stem = stem.strip("._-")[-100:].lstrip("._-") or "output"
    return f"{'_' if _RESERVED.fullmatch(stem) else ''}{stem}{dot}{extension}"


def _public(url: str) -> Download:
    """A file that came without its client, by a pickle: fetched without a token, where it needs none."""
    if not _is_public(url):
        shown = url.partition("?")[0]
        raise ReplicateHomeError(f"{shown!r} came without its client: read it where the client is that ran the model")
    from ..client import Client  # which needs this module

    client = Client(backend="home")
    try:
        download = client._download(url, client._route(None))
    except BaseException:
        client.close()
        raise

    def close() -> None:
        download.close()
        client.close()

    return Download(download.content_type, download.read, close)


def _is_public(url: str) -> bool:
    found = urls.origin(url)
    return found is not None and found[0] == "https" and _DELIVERY.fullmatch(found[1]) is not None


def _decoded(url: str) -> bytes:
    head, _, text = url.partition(",")
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(text)
    try:
        return base64.b64decode(unquote_to_bytes(text), validate=True)
    except (binascii.Error, ValueError):
        pass
    raise ProtocolError(f"the data: URI {url[:60]!r} is not valid base64")


def _extension(content_type: str) -> str:
    import mimetypes

    return mimetypes.guess_extension(content_type) or ".bin"


async def _in_thread(function: Callable[..., T], *arguments: Any) -> T:
    import asyncio  # only event loops need it

    return await asyncio.to_thread(function, *arguments)
