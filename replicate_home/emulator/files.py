"""Files: uploads and output files, held in memory, and output values as JSON."""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import io
import json
import mimetypes
import os
import pathlib
import re
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import attrs

from ..protocol.media_types import LONGEST_HEAD, Kind, kind_of
from .problems import Problem, invalid

LARGEST_FILE = 100 * 2**20
LARGEST_FILES = 256 * 2**20  # of one run together
_MOST_PARTS = 100  # these two bound the work of the parser
_LONGEST_HEAD = 8_192
_NAME_LIMIT = 255  # bytes, as on the hosted API
_UNSAFE = re.compile(r"[^\w.-]+", re.ASCII)


@attrs.frozen
class StoredFile:
    """A file's content, name and type."""

    name: str
    content_type: str
    content: bytes = attrs.field(repr=False)


@attrs.frozen
class Part:
    """One part of a multipart form."""

    name: str
    filename: str | None
    content_type: str | None
    content: bytes


def parse_multipart(content_type: str, body: bytes) -> dict[str, Part]:
    """The parts of a form by name; raises :class:`Problem` if it is not one."""
    boundary = _headers(f"Content-Type: {content_type}").get_boundary()
    if not boundary:
        raise invalid("a file is uploaded as multipart/form-data with a boundary")
    marker = b"\r\n--" + boundary.encode("utf-8", "surrogateescape")
    sections = (b"\r\n" + body).split(marker, _MOST_PARTS + 2)
    if len(sections) > _MOST_PARTS + 2:
        raise invalid(f"the multipart body has more than {_MOST_PARTS} parts")
    if len(sections) < 3 or not sections[-1].startswith(b"--"):
        raise invalid("the multipart body is cut short, or its boundary is not the one announced")
    parts = {}
    for section in sections[1:-1]:
        head, found, content = section.partition(b"\r\n\r\n")
        if len(head) > _LONGEST_HEAD:
            raise invalid(f"the headers of a part have more than {_LONGEST_HEAD} bytes")
        headers = _headers(head.decode("utf-8", "replace").strip())
        name = headers.get_param("name", header="content-disposition")
        if not found or not isinstance(name, str):
            raise invalid("a part of the multipart body has no name")
        kind = headers.get_content_type() if headers.get("content-type") else None
        parts[name] = Part(name, headers.get_filename(), kind, content)
    return parts


def _headers(text: str) -> Any:
    from email.parser import HeaderParser  # slow to import, and only uploads need it

    return HeaderParser().parsestr(text)


def upload_of(parts: Mapping[str, Part]) -> tuple[StoredFile, dict[str, Any]]:
    """The file and the metadata in a form with ``content``, ``type``, ``filename`` and ``metadata``."""
    content = parts.get("content")
    if content is None:
        raise invalid("the form has no part named 'content'")
    if len(content.content) > LARGEST_FILE:
        raise Problem(413, "Content Too Large", "Files must be less than 100MB in size")
    name = _text(parts, "filename") or content.filename or "file"
    if len(name.encode("utf-8", "replace")) > _NAME_LIMIT:
        raise invalid(f"a file name has at most {_NAME_LIMIT} bytes")
    kind = _text(parts, "type") or content.content_type or "application/octet-stream"
    if not re.fullmatch(r"[\w.+-]+/[\w.+-]+(;[ -~]*)?", kind, re.ASCII):
        raise invalid("'type' is a media type such as image/png")
    try:
        metadata = json.loads(_text(parts, "metadata") or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise invalid("'metadata' is a JSON object")
    return StoredFile(name, kind, content.content), metadata


def _text(parts: Mapping[str, Part], name: str) -> str:
    return parts[name].content.decode("utf-8", "replace") if name in parts else ""


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def decode_data_uri(uri: str) -> StoredFile:
    """The file in a ``data:`` URI; raises ``ValueError`` if it is not one."""
    head, found, payload = uri.partition(",")
    if not found or not head.startswith("data:"):
        raise ValueError("a data URI looks like data:image/png;base64,...")
    kind, _, encoding = head[5:].rpartition(";") if head.endswith(";base64") else (head[5:], "", "")
    try:
        content = base64.b64decode(payload, validate=True) if encoding else unquote_to_bytes(payload)
    except binascii.Error as error:
        raise ValueError(f"the data URI is not valid base64: {error}") from None
    kind = kind.partition(";")[0].strip().lower() or "text/plain"
    return StoredFile("file" + (mimetypes.guess_extension(kind) or ""), kind, content)


class InputFiles:
    """The input files of one run; those given as paths last until the run is forgotten."""

    def __init__(self, find: Callable[[str], StoredFile | None]) -> None:
        self._find = find
        self._directory: pathlib.Path | None = None

    def content(self, uri: str) -> bytes:
        """The bytes behind a data URI or one of the server's own URLs."""
        return self._file(uri).content

    def path(self, uri: str) -> pathlib.Path:
        """The same content as a file on disk."""
        import shutil  # slow to import, and only models that take a path need them
        import tempfile

        file = self._file(uri)
        if self._directory is None:
            self._directory = pathlib.Path(tempfile.mkdtemp(prefix="replicate-home-"))
            weakref.finalize(self, shutil.rmtree, self._directory, True)
        handle, path = tempfile.mkstemp(suffix="-" + safe_name(file.name), dir=self._directory)
        with os.fdopen(handle, "wb") as opened:
            opened.write(file.content)
        return pathlib.Path(path)

    def _file(self, uri: str) -> StoredFile:
        if uri[:5].lower() == "data:":
            return decode_data_uri("data:" + uri[5:])
        file = self._find(uri)
        if file is None:
            raise ValueError(
                "an input file must be a data URI or a file of this server: it fetches nothing from elsewhere "
                f"(got {uri[:80]!r}). Pass the file itself."
            )
        return file


class OutputFiles:
    """The output of one run: turns its values into JSON, with a :class:`StoredFile` for each file.

    ``on_file`` is called with the size of each.
    """

    def __init__(self, on_file: Callable[[int], None]) -> None:
        self._on_file = on_file
        self.by_name: dict[str, StoredFile] = {}
        self._size = 0

    def store(self, value: Any) -> Any:
        """``value`` as JSON values and stored files; raises ``TypeError`` or ``ValueError`` if that is impossible."""
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, enum.Enum):
            return self.store(value.value)
        if isinstance(value, str):  # a lone surrogate has no UTF-8 form; an event stream could not carry it
            return value.encode("utf-8", "replace").decode("utf-8")
        if isinstance(value, float):
            if value != value or value in (float("inf"), float("-inf")):
                raise ValueError(f"the output is not JSON: {value}")
            return value
        if isinstance(value, Mapping):
            return {self.store(str(key)): self.store(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.store(item) for item in value]
        if (file := _file_of(value)) is not None:
            return self._keep(file)
        raise TypeError(f"the output is neither JSON nor a file: {type(value).__name__}")

    def _keep(self, file: StoredFile) -> StoredFile:
        self._size += len(file.content)
        if self._size > LARGEST_FILES:
            raise ValueError("the output files are larger than 256 MB together")
        stem, suffix = os.path.splitext(safe_name(file.name))
        name, number = stem + suffix, 0
        while name in self.by_name:
            number += 1
            name = f"{stem}-{number}{suffix}"
        kept = attrs.evolve(file, name=name)
        self.by_name[name] = kept
        self._on_file(len(file.content))
        return kept

    def clear(self) -> None:
        """Forget the files."""
        self.by_name.clear()


def _file_of(value: Any) -> StoredFile | None:
    """The file that a model's value is: a path, bytes, an open file or a Pillow image."""
    if isinstance(value, pathlib.PurePath):
        path = pathlib.Path(value)
        return _bounded(path.name, path.read_bytes())
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _bounded("", bytes(value))
    if hasattr(value, "read"):
        content = value.read()
        if not isinstance(content, bytes):
            raise TypeError("an output file must be opened in binary mode")
        return _bounded(os.path.basename(str(getattr(value, "name", ""))), content)
    image = sys.modules.get("PIL.Image")  # if there is a Pillow image, Pillow has been imported
    if image is not None and isinstance(value, image.Image):
        held = io.BytesIO()
        kind = value.format if value.format in ("PNG", "JPEG", "GIF", "WEBP") else "PNG"
        value.save(held, kind)
        return _bounded("", held.getvalue())
    return None


def _bounded(name: str, content: bytes) -> StoredFile:
    if len(content) > LARGEST_FILE:
        raise ValueError("an output file is larger than 100 MB")
    kind = kind_of(content[:LONGEST_HEAD]) or Kind("application/octet-stream", ".bin", certain=False)
    named = mimetypes.guess_type(name)[0] if name and not kind.certain else None
    return StoredFile(name or "output" + kind.extension, named or kind.media_type, content)


def safe_name(name: str) -> str:
    """A name that is one harmless segment of a path or URL."""
    return _UNSAFE.sub("_", name)[-100:].strip("._") or "file"


def file_record(
    id: str, file: StoredFile, metadata: Mapping[str, Any], origin: str, times: tuple[str, str]
) -> dict[str, Any]:
    """The API's description of an uploaded file."""
    digests = {name: hashlib.new(name, file.content, usedforsecurity=False).hexdigest() for name in ("sha256", "md5")}
    return {
        "id": id,
        "name": file.name,
        "content_type": file.content_type,
        "size": len(file.content),
        "etag": digests["md5"],
        "checksums": digests,
        "metadata": dict(metadata),
        "created_at": times[0],
        "expires_at": times[1],
        "urls": {"get": f"{origin}/v1/files/{id}"},
    }
