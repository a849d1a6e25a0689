"""Uploaded files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Field, Record, field


class File(Record, noun="a file"):
    """An uploaded file. The API deletes it at ``expires_at``."""

    __slots__ = ()

    id = field(str, "Its id.", required=True)
    name = field(str, "The name it was uploaded with.")
    content_type = field(str, "Its media type.")
    size = field(int, "Its size in bytes.")
    etag = field(str, "A tag that changes with its content.")
    checksums: Field[Mapping[str, str]] = field(dict, "Its checksums by algorithm, such as ``sha256``.", default={})
    metadata: Field[Mapping[str, Any]] = field(dict, "Metadata from its owner.", default={})
    created_at = field(str, "When it was uploaded, as sent by the server (ISO 8601).")
    expires_at = field(str, "When it will be deleted, as sent by the server (ISO 8601).")
    urls: Field[Mapping[str, str]] = field(dict, "Its URLs: ``get``.", default={})
