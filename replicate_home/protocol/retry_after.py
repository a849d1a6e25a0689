"""How long a server asks clients to wait: in a header, or in the body of a 429."""

from __future__ import annotations

import re

from ..exceptions import ProtocolError
from ..wire import Response
from .strict_json import parse_json

_DIGITS = re.compile(r"[0-9]+")
_RESETS = re.compile(r"resets in ~?\s*([0-9]+)\s*s")


def server_wait(response: Response, wall_time: float) -> float | None:
    """The wait in seconds that the server asked for in its headers or body; None if it did not."""
    milliseconds = response.headers.get("retry-after-ms", "").strip()
    if _DIGITS.fullmatch(milliseconds):
        return float(milliseconds[:40]) / 1000 or None
    header = response.headers.get("retry-after", "").strip()
    if header:
        found = parse_retry_after(header, wall_time)
        if found is not None:
            return found
    return _wait_in_body(response) if response.status == 429 else None


def seconds_to_wait(response: Response, wall_time: float) -> float | None:
    """How long no such request is wanted: as the server asks, or until its limit is reset where nothing is left."""
    wait = server_wait(response, wall_time)
    reset = response.headers.get("ratelimit-reset", "").strip()
    if wait is None and response.headers.get("ratelimit-remaining") == "0" and _DIGITS.fullmatch(reset):
        return float(reset[:40])
    return wait


def parse_retry_after(value: str, wall_time: float) -> float | None:
    """Seconds from a ``Retry-After`` value (RFC 9110 10.2.3): ASCII digits or one of the three date forms.

    None for anything else, and for a time in the past.
    """
    value = value.strip()
    if _DIGITS.fullmatch(value):
        return float(value[:40]) or None
    from email.utils import mktime_tz, parsedate_tz  # costs 10 ms to import and is rarely needed

    try:
        parsed = parsedate_tz(value)
        seconds = mktime_tz(parsed) - wall_time if parsed else 0.0
    except (ValueError, OverflowError, TypeError):
        return None
    return float(seconds) if seconds > 0 else None


def _wait_in_body(response: Response) -> float | None:
    try:
        body = parse_json(response.body[:65536])
    except ProtocolError:
        return None
    if not isinstance(body, dict):
        return None
    wait = body.get("retry_after")
    if isinstance(wait, (int, float)) and not isinstance(wait, bool) and wait > 0:
        return float(min(wait, 10**9))
    found = _RESETS.search(body["detail"]) if isinstance(body.get("detail"), str) else None
    return max(1.0, float(found[1])) if found else None
