"""Inputs as JSON: files in them become data URIs, or are uploaded and become URLs.

Not imported for an input that is JSON already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from ...drivers.calling import Calling, response_to
from ...exceptions import InvalidInput, ProtocolError
from ...lifecycle.life import Terms
from ...protocol.redaction import without_frames
from ...protocol.strict_json import parse_json
from ...wire import Response
from .files import MultipartUpload, Source, source_of
from .prompting import DEEPEST

DATA_URI_MOST = 256 * 1024
_LARGEST_UPLOAD = 100 * 2**20


@runtime_checkable
class ServedFile(Protocol):
    """A file of an earlier output, which has a URL at a server."""

    url: str
    base_url: str | None

    def read(self) -> bytes:
        """The whole content."""
        ...


def encoded(terms: Terms, value: Any, strategy: str | None) -> Calling[Any]:
    """An input as JSON, with files as data URIs or as URLs of uploads; raises as :func:`with_files_as`."""

    def sent(file: ServedFile | Source) -> Calling[str]:
        return _sent(terms, file, strategy) if isinstance(file, Source) else _sent_on(terms, file, strategy)

    return (yield from with_files_as(sent, value))


def with_files_as(
    sent: Callable[[ServedFile | Source], Calling[str]], value: Any, path: str = "input", levels: int = DEEPEST
) -> Calling[Any]:
    """An input as JSON, with each file as what ``sent`` makes of it.

    Raises TypeError for a value that JSON cannot hold, naming its place, and InvalidInput for one nested too deeply.
    """
    if not levels:
        raise InvalidInput(f"the input is nested more than {DEEPEST} levels deep, or contains itself")
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        made = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{path} has the key {key!r}: keys in JSON must be strings")
            made[key] = yield from with_files_as(sent, item, f"{path}[{key!r}]", levels - 1)
        return made
    file = value if isinstance(value, ServedFile) else source_of(value)
    if file is not None:
        return (yield from sent(file))
    plain_value = _plain_value(value, path)
    if isinstance(plain_value, list):
        made_list = []
        for place, item in enumerate(plain_value):
            made_list.append((yield from with_files_as(sent, item, f"{path}[{place}]", levels - 1)))
        return made_list
    return plain_value


def _plain_value(value: Any, path: str) -> Any:
    """Sequences as lists; numbers and arrays of other libraries by their own conversion."""
    if isinstance(value, (list, tuple, set, frozenset)) or (hasattr(value, "__next__") and hasattr(value, "__iter__")):
        return list(value)
    for name in ("tolist", "item"):
        convert = getattr(value, name, None)
        if callable(convert):
            return convert()
    raise TypeError(f"{path} is of type {type(value).__name__}, which is neither JSON nor a file")


def _sent(terms: Terms, source: Source, strategy: str | None) -> Calling[str]:
    """A file's content: inline if it is small or the server takes no uploads, otherwise uploaded once."""
    inline = strategy == "base64" or (strategy is None and source.length <= DATA_URI_MOST)
    if inline or not terms.dialect.uploads:
        return source.data_uri()
    if source.length > _LARGEST_UPLOAD:
        limit = f"the API accepts at most {_LARGEST_UPLOAD}: pass a URL"
        raise InvalidInput(f"{source.name!r} has {source.length} bytes; {limit}")
    upload = MultipartUpload(source)
    headers = {"Content-Type": upload.content_type}
    request = terms.dialect.call("POST", "/files", headers=headers, body=upload)
    response = yield from response_to(terms, request, repeatable=True)
    return without_frames(lambda: _uploaded_to(response))


def _uploaded_to(response: Response) -> str:
    found = parse_json(response.body)
    url = found.get("urls", {}).get("get") if isinstance(found, dict) and isinstance(found.get("urls"), dict) else None
    if not isinstance(url, str):
        raise ProtocolError("expected an uploaded file (an object with 'urls.get')")
    return url


def _sent_on(terms: Terms, file: ServedFile, strategy: str | None) -> Calling[str]:
    """A file of an earlier output: its URL for the server it came from, its content for any other."""
    if file.base_url in (None, terms.dialect.base_url) or file.url.startswith("data:"):
        return file.url
    source = source_of(file.read())
    assert source is not None
    return (yield from _sent(terms, source, strategy))
