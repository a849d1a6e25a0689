"""JSON from a server, read strictly: what does not stand in RFC 8259 is a :class:`ProtocolError`."""

from __future__ import annotations

import json
import re
from typing import Any

from ..words.errors import ProtocolError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]+")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value


# One decoder: json.loads would build another for every call with hooks.
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def parse_json(data: bytes) -> Any:
    """The value of a JSON text; raises :class:`ProtocolError` with an excerpt of what came instead."""
    try:
        return _DECODER.decode(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:100]
    raise ProtocolError(f"expected JSON, got {excerpt(data)!r} ({reason})")


def excerpt(data: bytes | str, length: int = 200) -> str:
    """The beginning of a text on one line, fit to be printed."""
    text = data[: 4 * length].decode("utf-8", "replace") if isinstance(data, bytes) else data
    text = _CONTROL.sub(" ", text).strip()
    return text if len(text) <= length else text[: length - 1] + "…"
