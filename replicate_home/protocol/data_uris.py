"""``data:`` URIs (RFC 2397): a file's content in place of its URL."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from ..exceptions import ProtocolError

_WHOLE = re.compile(r"data:[\w.+-]+/[\w.+-]+(;[\w.+-]+(=[^,;\s]*)?)*,\S*", re.ASCII)


def is_data_uri(text: str) -> bool:
    """Whether the whole text is a ``data:`` URI that names its media type."""
    return text.startswith("data:") and _WHOLE.fullmatch(text) is not None


def media_type(uri: str) -> str:
    """The media type without its parameters; ``text/plain`` if none is named."""
    return uri[5:].partition(",")[0].partition(";")[0] or "text/plain"


def content(uri: str) -> bytes:
    """The bytes; raises :class:`ProtocolError` for invalid base64."""
    head, _, payload = uri.partition(",")
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(payload)
    try:
        return base64.b64decode(unquote_to_bytes(payload), validate=True)
    except (binascii.Error, ValueError):
        pass
    raise ProtocolError(f"the data: URI {uri[:60]!r} is not valid base64")


def encoded(content: bytes, media_type: str) -> str:
    """The URI for these bytes."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
