"""JSON from a server, parsed strictly: anything outside RFC 8259 raises :class:`ProtocolError`."""

from __future__ import annotations

import json
from typing import Any

from ..exceptions import ProtocolError
from .redaction import excerpt, readable

_BOM = b"\xef\xbb\xbf"


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value


DEEPEST = 200
"""Levels of nesting: far fewer than Python can handle by recursion, far more than real data needs."""

# One decoder: json.loads would build another for every call with hooks.
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def parse_json(data: bytes) -> Any:
    """The value of a JSON text; raises :class:`ProtocolError` with an excerpt if it is not JSON."""
    try:
        text = data.removeprefix(_BOM).decode()
        value = _DECODER.decode(text)
        if text.count("[") + text.count("{") <= DEEPEST or not _is_deep(value):
            return value
        reason = "nested too deeply"
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:100]
    shown = excerpt(readable(data[:4096].decode("utf-8", "replace")))
    data, text = b"", ""  # a traceback may show locals, and the server may echo the token
    raise ProtocolError(f"expected JSON, got {shown!r} ({reason})" if shown else "expected JSON, got an empty body")


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        children = (child for node in level for child in (node.values() if type(node) is dict else node))
        level = [child for child in children if type(child) in (dict, list)]
        if not level:
            return False
    return True
