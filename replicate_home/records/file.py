"""Files that were uploaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Field, Record, field


class File(Record, noun="a file"):
    """An uploaded file. The API deletes it at ``expires_at``."""

    __slots__ = ()

    id = field(str, "What the server calls it.", required=True)
    name = field(str, "The name that it was uploaded with.")
    content_type = field(str, "Its media type.")
    size = field(int, "How many bytes it has.")
    etag = field(str, "A mark of its content.")
    checksums: Field[Mapping[str, str]] = field(dict, "Its checksums by algorithm, such as ``sha256``.", default={})
    metadata: Field[Mapping[str, Any]] = field(dict, "What its owner noted about it.", default={})
    created_at = field(str, "When it was uploaded, as the server wrote it (ISO 8601).")
    expires_at = field(str, "When it will be deleted, as the server wrote it (ISO 8601).")
    urls: Field[Mapping[str, str]] = field(dict, "Its own addresses: ``get``.", default={})
