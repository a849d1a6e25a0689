"""A file in a model's output: a URL that is requested when it is read."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Container, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, overload
from urllib.parse import quote, unquote, urlsplit

from ...exceptions import ProtocolError, ReplicateHomeError
from ...protocol import data_uris, urls
from .download import (
    AsyncDownload,
    Download,
    DownloadInThread,
    FileSource,
    PublicFiles,
    copy_all,
    in_thread,
    part_of,
    spooled,
)

if TYPE_CHECKING:
    from .ranges import Rest

_SAFE_IN_PAGES = "%/:;?#[]@!$&()*+,=~"  # all that URLs are made of, without quotation marks
_URL = re.compile(r"https?://\S+")
_DELIVERY = re.compile(r"(.+\.)?replicate\.delivery")
_ODD = re.compile(r"[^\w.-]+", re.ASCII)
_EXTENSION = re.compile(r"[A-Za-z0-9]{1,16}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)

LARGEST_READ = 1024 * 2**20
"""How many bytes ``read()`` holds in memory at most, by default."""


class Limited(io.BytesIO):
    """A buffer that holds no more than ``limit`` bytes."""

    def __init__(self, limit: int | None) -> None:
        super().__init__()
        self._limit = limit

    def write(self, piece: Any) -> int:
        """Add a piece; raises :class:`~replicate_home.ProtocolError` above the limit."""
        if self._limit is not None and self.tell() + len(piece) > self._limit:
            raise ProtocolError(f"the file has more than {self._limit} bytes: save() it, or raise read(limit=...)")
        return super().write(piece)


class FileOutput:
    """A file in a model's output.

    Nothing is fetched until it is read. ``str()`` is its URL. The server deletes files after an hour: reading one later
    raises :class:`~replicate_home.FileExpired`. Other errors are those of any request.
    """

    def __init__(self, url: str, source: FileSource | None = None, base_url: str | None = None) -> None:
        self.url = url
        self.base_url = base_url
        """The API that the file came from, if known."""
        self.source = source
        """What it is read with; None if its client is not known, as after unpickling."""
        self._content_type: str | None = None
        if "fastapi.encoders" in sys.modules:
            from .frameworks import known_to_fastapi

            known_to_fastapi(type(self), str)

    @property
    def name(self) -> str:
        """A file name made from the URL, safe to use in any folder."""
        if self.url.startswith("data:"):
            return "output" + _extension(self.content_type or "")
        return safe_name(unquote(urlsplit(self.url).path.rpartition("/")[2]))

    @property
    def content_type(self) -> str | None:
        """The media type: from the ``data:`` URI, from the server once it was read, or guessed from the name."""
        if self.url.startswith("data:"):
            return data_uris.media_type(self.url)
        if self._content_type is None:
            import mimetypes

            return mimetypes.guess_type(self.name)[0]
        return self._content_type

    def __iter__(self) -> Iterator[bytes]:
        """The content in pieces, as they arrive."""
        for _, piece in self._arriving(restarts=False):
            yield piece

    def read(self, size: int = -1, *, limit: int | None = LARGEST_READ) -> bytes:
        """The whole content, or its first ``size`` bytes; each call fetches it again.

        Raises :class:`~replicate_home.ProtocolError` for more than ``limit`` bytes (1 GiB; None for no limit).
        """
        content = Limited(limit)
        if size is None or size < 0:
            self._write_to(content)
            return content.getvalue()
        with contextlib.closing(self._opened()) as download:
            while content.tell() < size and (piece := download.read()):
                content.write(piece)
        return content.getvalue()[:size]

    def open(self) -> IO[bytes]:
        """The content as a binary file to read and seek in; a large one is kept on disk."""
        file = spooled()
        try:
            self._write_to(file)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    @overload
    def save(self, path: str | os.PathLike[str], *, progress: Any = False) -> Path: ...
    @overload
    def save(self, path: IO[bytes], *, progress: Any = False) -> None: ...
    def save(self, path: str | os.PathLike[str] | IO[bytes], *, progress: Any = False) -> Path | None:
        """Write the content to ``path``, or to ``name`` in it if it is a folder, and return the path of the file.

        It is written to a temporary file and then renamed, so a partial file is never seen. Into an open binary file it
        is written once all of it has arrived. ``progress=True`` shows a progress bar.
        """
        if not isinstance(path, (str, os.PathLike)):
            with contextlib.closing(spooled()) as content:
                self._write_to(content, progress)
                _copy(content, path)
            return None
        part = part_of(self._target(path))
        try:
            self._write_to(part.file, progress)
            return part.finish()
        except BaseException:
            part.discard()
            raise

    async def aread(self, size: int = -1, *, limit: int | None = LARGEST_READ) -> bytes:
        """Like :meth:`read`, without blocking the event loop."""
        content = Limited(limit)
        if size is None or size < 0:
            await self._awrite_to(content)
            return content.getvalue()
        with contextlib.closing(await self._aopened()) as download:
            while content.tell() < size and (piece := await download.read()):
                content.write(piece)
        return content.getvalue()[:size]

    @overload
    async def asave(self, path: str | os.PathLike[str], *, progress: Any = False) -> Path: ...
    @overload
    async def asave(self, path: IO[bytes], *, progress: Any = False) -> None: ...
    async def asave(self, path: str | os.PathLike[str] | IO[bytes], *, progress: Any = False) -> Path | None:
        """Like :meth:`save`, without blocking the event loop."""
        if not isinstance(path, (str, os.PathLike)):
            with contextlib.closing(spooled()) as content:
                await self._awrite_to(content, progress)
                _copy(content, path)
            return None
        part = part_of(self._target(path))
        try:
            await self._awrite_to(part.file, progress)
            return await in_thread(part.finish)
        except BaseException:
            part.discard()
            raise

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The content in pieces, without blocking the event loop."""
        async with contextlib.aclosing(self._aarriving(restarts=False)) as pieces:
            async for _, piece in pieces:
                yield piece

    def _target(self, path: str | os.PathLike[str]) -> Path:
        target = Path(path)
        return target / self.name if target.is_dir() else target

    def _opened(self, rest: Rest | None = None) -> Download:
        """The download, with its content still to read."""
        if self.url.startswith("data:"):
            return self._inline()
        download = self._source().open(self.url, rest)
        self._content_type = download.content_type or None
        return download

    async def _aopened(self, rest: Rest | None = None) -> AsyncDownload:
        if self.url.startswith("data:"):
            return DownloadInThread(self._inline())
        download = await self._source().aopen(self.url, rest)
        self._content_type = download.content_type or None
        return download

    def _arriving(self, *, restarts: bool) -> Iterator[tuple[int, bytes]]:
        """The content in pieces, each with its place."""
        from .resuming import Resuming, arriving  # only needed once a file is read

        return arriving(self._opened, Resuming(restarts))

    def _aarriving(self, *, restarts: bool) -> AsyncGenerator[tuple[int, bytes], None]:
        from .resuming import Resuming, aarriving

        return aarriving(self._aopened, Resuming(restarts))

    def _inline(self) -> Download:
        return Download.of(data_uris.content(self.url), self.content_type or "")

    def _source(self) -> FileSource:
        if self.source is None and _is_public(self.url):
            return PublicFiles()
        if self.source is None:
            shown = self.url.partition("?")[0]
            raise ReplicateHomeError(f"{shown!r} has no client (lost by pickling?): read it with the one that ran it")
        return self.source

    def _write_to(self, file: IO[bytes], progress: Any = False) -> None:
        """All of the content, into an empty file."""
        with self._shown(file, progress) as written:
            for place, piece in self._arriving(restarts=True):
                _write_at(written, place, piece)

    async def _awrite_to(self, file: IO[bytes], progress: Any = False) -> None:
        with self._shown(file, progress) as written:
            async with contextlib.aclosing(self._aarriving(restarts=True)) as pieces:
                async for place, piece in pieces:
                    _write_at(written, place, piece)

    def _shown(self, file: IO[bytes], progress: Any) -> contextlib.AbstractContextManager[IO[bytes]]:
        if not progress:
            return contextlib.nullcontext(file)
        from .progress import shown  # only needed if it is shown

        return shown(file, progress, self.name)

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

    def __html__(self) -> str:
        """The URL, safe in a page: what templates show and Flask's ``jsonify`` gives."""
        return quote(self.url, safe=_SAFE_IN_PAGES)

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> Any:
        from .frameworks import core_schema_of  # only pydantic needs it

        return core_schema_of(cls, str)

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: Any) -> dict[str, str]:
        return {"type": "string", "format": "uri"}

    @property
    def __pydantic_serializer__(self) -> Any:
        from .frameworks import serializer  # only pydantic needs it

        return serializer(str)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """What a notebook shows: a picture, an audio or video player, or a link."""
        from .notebook import PICTURES, link_to  # only notebooks need it

        with contextlib.suppress(ReplicateHomeError):  # an expired file is still shown as a link
            if self.content_type in PICTURES:
                return {self.content_type: base64.b64encode(self.read()).decode(), "text/plain": repr(self)}
        return {"text/html": link_to(self), "text/plain": repr(self)}


def _copy(content: IO[bytes], file: Any) -> None:
    """Copy all of it into an open file of the caller's."""
    if isinstance(file, io.TextIOBase) or not callable(getattr(file, "write", None)):
        what = "a file in text mode: open it with mode 'wb'" if isinstance(file, io.TextIOBase) else type(file).__name__
        raise TypeError(f"save() takes a path or an open binary file, got {what}")
    copy_all(content, file)


def _write_at(file: IO[bytes], place: int, piece: bytes) -> None:
    """Write the next piece; if the file starts over, in place of what is there."""
    if file.tell() != place:
        file.seek(place)
        file.truncate()
    file.write(piece)


def is_file(value: Any, base_url: str) -> bool:
    """Whether a string in an output is a file: a ``data:`` URI, or a URL at the delivery hosts or the API's own.

    A server on this machine or an internal network may keep its files on another host there.
    """
    if not isinstance(value, str):
        return False
    if value.startswith("data:"):
        return data_uris.is_data_uri(value)
    if not value.startswith("http") or not _URL.fullmatch(value):
        return False
    found = urls.origin(value)
    if found is None:
        return False
    at_home = found == urls.origin(base_url) or urls.are_neighbors(base_url, value)
    return at_home or _DELIVERY.fullmatch(found[1]) is not None


def may_be_file(value: Any, base_url: str) -> bool:
    """Whether there is a whole URL in an output, at any depth, of which only the model's schema can tell what it is."""
    if isinstance(value, str):
        return value.startswith("http") and _URL.fullmatch(value) is not None and not is_file(value, base_url)
    if isinstance(value, list):
        return has_urls(value) and any(may_be_file(item, base_url) for item in value)
    return isinstance(value, dict) and any(may_be_file(item, base_url) for item in value.values())


def with_files(value: Any, base_url: str, source: FileSource, known: Container[str] = ()) -> Any:
    """The output with its file URLs as :class:`FileOutput`, at any depth; those that are ``known`` to be files, too."""
    if isinstance(value, str):
        return FileOutput(value, source, base_url) if value in known or is_file(value, base_url) else value
    if isinstance(value, list):
        return [with_files(item, base_url, source, known) for item in value] if has_urls(value) else value[:]
    if isinstance(value, dict):
        return {key: with_files(item, base_url, source, known) for key, item in value.items()}
    return value


def items_with_files(items: list[Any], base_url: str, source: FileSource) -> list[Any]:
    """Like :func:`with_files`, for items of output as they arrive."""
    return [with_files(item, base_url, source) for item in items] if has_urls(items) else items


def has_urls(items: list[Any]) -> bool:
    """Whether to check each item; one cheap check rules out files among ordinary tokens."""
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


def _is_public(url: str) -> bool:
    found = urls.origin(url)
    return found is not None and found[0] == "https" and _DELIVERY.fullmatch(found[1]) is not None


def _extension(content_type: str) -> str:
    import mimetypes

    return mimetypes.guess_extension(content_type) or ".bin"
