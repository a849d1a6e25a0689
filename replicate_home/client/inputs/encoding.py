"""Inputs as JSON: files in them become data URIs, or are uploaded and become URLs.

Not imported for an input that is JSON already.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from typing import IO, Any, Protocol, runtime_checkable

import attrs

from ...drivers.calling import Calling, response_to
from ...exceptions import InvalidInput, ProtocolError
from ...lifecycle.life import Terms
from ...protocol.redaction import without_frames
from ...protocol.strict_json import parse_json
from ...wire import Response
from .files import MultipartUpload, Source, source_of
from .prompting import DEEPEST

DATA_URI_MOST = 256 * 1024


@runtime_checkable
class ServedFile(Protocol):
    """A file of an earlier output, which has a URL at a server."""

    url: str
    base_url: str | None

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def open(self) -> IO[bytes]:
        """The content as a binary file; a large one is on disk."""
        ...


def encoded(terms: Terms, value: Any, strategy: str | None) -> Calling[Any]:
    """An input as JSON, with files as data URIs or as URLs of uploads; raises as :func:`with_files_as`."""
    return (yield from with_files_as(_Sending(terms, strategy).string, value))


def with_files_as(string: Callable[[ServedFile | Source], Calling[str]], value: Any) -> Calling[Any]:
    """An input as JSON, with each file as the string that it becomes; one that is in it twice becomes it once.

    Raises TypeError for a value that JSON cannot hold, naming its place, and InvalidInput for one nested too deeply.
    """
    return (yield from _Encoding(string).json(value, "input", DEEPEST))


@attrs.frozen
class _Encoding:
    """The encoding of one input; ``known`` has what became of each file, beside the file lest its id is used again."""

    string: Callable[[ServedFile | Source], Calling[str]]
    known: dict[Hashable, tuple[Any, str]] = attrs.field(factory=dict)

    def json(self, value: Any, path: str, levels: int) -> Calling[Any]:
        """The value at ``path`` as JSON."""
        if not levels:
            raise InvalidInput(f"the input is nested more than {DEEPEST} levels deep, or contains itself")
        if value is None or isinstance(value, (str, bool, int, float)):
            return value
        if isinstance(value, Mapping):
            return (yield from self._object(value, path, levels - 1))
        if isinstance(value, (list, tuple, set, frozenset)):
            items = []
            for place, item in enumerate(value):
                items.append((yield from self.json(item, f"{path}[{place}]", levels - 1)))
            return items
        file = yield from self._file(value)
        return file if file is not None else (yield from self.json(_converted(value, path), path, levels - 1))

    def _object(self, value: Mapping[Any, Any], path: str, levels: int) -> Calling[dict[str, Any]]:
        made = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{path} has the key {key!r}: keys in JSON must be strings")
            made[key] = yield from self.json(item, f"{path}[{key!r}]", levels)
        return made

    def _file(self, value: Any) -> Calling[str | None]:
        """A file as a string, or None if the value is not one."""
        key = _identity(value)
        if key not in self.known:
            file = value if isinstance(value, ServedFile) else source_of(value)
            if file is None:
                return None
            self.known[key] = value, (yield from self.string(file))
        return self.known[key][1]


@attrs.frozen
class _Sending:
    """How files reach the server."""

    terms: Terms
    strategy: str | None

    def string(self, file: ServedFile | Source) -> Calling[str]:
        """The data URI or URL that a file becomes."""
        return self._sent(file) if isinstance(file, Source) else self._sent_on(file)

    def _sent(self, source: Source) -> Calling[str]:
        """A file's content: inline if it is small or the server takes no uploads, otherwise uploaded."""
        if self._is_inline(source.length):
            return source.data_uri()
        upload = MultipartUpload(source)
        headers = {"Content-Type": upload.content_type}
        request = self.terms.dialect.call("POST", "/files", headers=headers, body=upload)
        response = yield from response_to(self.terms, request, repeatable=True)
        return without_frames(lambda: _uploaded_to(response))

    def _sent_on(self, file: ServedFile) -> Calling[str]:
        """A file of an earlier output: its URL for the server it came from, its content for any other."""
        if file.url.startswith("data:"):
            if self._is_inline(len(file.url) * 3 // 4):
                return file.url
        elif file.base_url in (None, self.terms.dialect.base_url):
            return file.url
        with file.open() as content:
            source = source_of(content, file.name)
            assert source is not None
            return (yield from self._sent(source))

    def _is_inline(self, length: int) -> bool:
        """Whether so many bytes are sent inside the request."""
        wanted = self.strategy == "base64" or (self.strategy is None and length <= DATA_URI_MOST)
        return wanted or not self.terms.dialect.uploads


def _identity(value: Any) -> Hashable:
    """What two mentions of the same file have in common."""
    if isinstance(value, os.PathLike):
        return str(value)
    return value if isinstance(value, bytes) else id(value)


def _converted(value: Any, path: str) -> Any:
    """What an iterator yields; numbers, arrays and dates of any library by their own conversion."""
    if hasattr(value, "__next__") and hasattr(value, "__iter__"):
        return list(value)
    if getattr(getattr(value, "dtype", None), "kind", None) == "M":
        value = value.astype("datetime64[us]")  # finer ones would become numbers
    for name in ("tolist", "item", "isoformat"):
        convert = getattr(value, name, None)
        if callable(convert):
            return convert()
    raise TypeError(f"{path} is of type {type(value).__name__}, which is neither JSON nor a file")


def _uploaded_to(response: Response) -> str:
    found = parse_json(response.body)
    url = found.get("urls", {}).get("get") if isinstance(found, dict) and isinstance(found.get("urls"), dict) else None
    if not isinstance(url, str):
        raise ProtocolError("expected an uploaded file (an object with 'urls.get')")
    return url
