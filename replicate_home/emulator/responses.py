"""Responses as the API writes them: JSON, pages, and the bytes of a file."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from ..wire import Response
from .files import StoredFile
from .problems import Problem

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``value`` as JSON."""
    body = json.dumps(value, allow_nan=False).encode()
    return Response(status, {"content-type": "application/json", **(headers or {})}, body)


def file_response(file: StoredFile, headers: Mapping[str, str]) -> Response:
    """A file's bytes, or the one range of them that the request's ``headers`` ask for."""
    size = len(file.content)
    etag = f'"{hashlib.sha256(file.content).hexdigest()[:32]}"'
    described = {
        "content-type": file.content_type,
        "etag": etag,
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox",  # so that a browser that opens it runs nothing
    }
    found = _RANGE.fullmatch(headers.get("range", ""))
    if found is None or not any(found.groups()) or headers.get("if-range", etag) != etag:
        return Response(200, described, file.content)
    first, last = found.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        raise Problem(416, "Range not satisfiable", f"the file has {size} bytes")
    described["content-range"] = f"bytes {start}-{end - 1}/{size}"
    return Response(206, described, file.content[start:end])
