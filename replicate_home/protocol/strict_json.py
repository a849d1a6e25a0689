"""JSON from a server, read strictly: what does not stand in RFC 8259 is a :class:`ProtocolError`."""

from __future__ import annotations

import json
import re
from typing import Any

from ..exceptions import ProtocolError

_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(r"(?i:\bbearer\s+)\S+|\br8_\w+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value


DEEPEST = 200
"""Levels of nesting; far fewer than Python can walk through by recursion, far more than anybody means."""

# One decoder: json.loads would build another for every call with hooks.
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def parse_json(data: bytes) -> Any:
    """The value of a JSON text; raises :class:`ProtocolError` with an excerpt of what came instead."""
    try:
        text = data.removeprefix(_BOM).decode()
        value = _DECODER.decode(text)
        if text.count("[") + text.count("{") <= DEEPEST or not _is_deep(value):
            return value
        reason = "nested too deeply"
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:100]
    shown, data, text = excerpt(data), b"", ""  # a traceback may show locals, and the server may repeat the token
    raise ProtocolError(f"expected JSON, got {shown!r} ({reason})")


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        children = (child for node in level for child in (node.values() if type(node) is dict else node))
        level = [child for child in children if type(child) in (dict, list)]
        if not level:
            return False
    return True


def excerpt(data: bytes | str, length: int = 200) -> str:
    """The beginning of a text on one line, fit to be printed: without what looks like a token."""
    data = data[: 4 * length]
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    text = _TOKEN.sub("***", _CONTROL.sub(" ", text).strip())
    return text if len(text) <= length else text[: length - 1] + "…"
