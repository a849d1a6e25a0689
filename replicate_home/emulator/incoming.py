"""What a request says, read strictly: its body, its preferences, its dates. Whatever is malformed is a Problem."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import attrs

from ..wire import Request
from .files import LARGEST_FILE
from .problems import Problem, invalid
from .timeline import Peer

LARGEST_JSON = 64 * 2**20
LARGEST_FORM = LARGEST_FILE + 2**20
LONGEST_HOLD = 60.0
_DURATION = re.compile(r"(?=.)(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s?)?", re.ASCII)
_EVENT_ID = re.compile(r"\d{1,20}:(\d{1,20})", re.ASCII)
_PREFER = re.compile(r"wait(?:=([1-9]|[1-5][0-9]|60))?", re.ASCII)
_WEBHOOK_EVENTS = frozenset({"start", "output", "logs", "completed"})


@attrs.frozen
class IncomingRequest:
    """A request as the routes see it: ``path`` is without ``/v1``; ``origin`` is what URLs in the answer begin with."""

    request: Request
    headers: Mapping[str, str]
    origin: str
    path: str
    query: Mapping[str, str]
    deadline: float
    peer: Peer

    @classmethod
    def of(cls, request: Request, deadline: float | None, peer: Peer | None) -> IncomingRequest:
        """Take a request apart."""
        try:
            parts = urlsplit(request.url)
            query = {name: values[-1] for name, values in parse_qs(parts.query, max_num_fields=100).items()}
        except ValueError:
            parts, query = urlsplit("http://unreadable.invalid/"), {}
        path = unquote(parts.path)
        return cls(
            request,
            {name.lower(): value for name, value in request.headers.items()},
            f"{parts.scheme}://{parts.netloc}",
            path.removeprefix("/v1") if path.startswith("/v1/") else path,
            query,
            math.inf if deadline is None else deadline,
            peer or Peer(),
        )

    @property
    def token(self) -> str:
        """The token that came with it, or an empty string."""
        if self.request.token is not None:
            return self.request.token.reveal()
        scheme, _, given = self.headers.get("authorization", "").partition(" ")
        return given if scheme.lower() in ("bearer", "token") else ""


def whole_body(request: Request, limit: int) -> bytes:
    """The request's body, read from its source where it is an upload."""
    body = request.body or b""
    pieces = [body] if isinstance(body, bytes) else body.open()
    whole = bytearray()
    for piece in pieces:
        whole += piece
        if len(whole) > limit:
            raise Problem(413, "Content Too Large", "Files must be less than 100MB in size")
    return bytes(whole)


def json_object(incoming: IncomingRequest) -> dict[str, Any]:
    """The body as a JSON object."""
    body = whole_body(incoming.request, LARGEST_JSON)
    try:
        value = json.loads(body, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "Bad request", f"the body is not JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise Problem(400, "Bad request", "the body is not a JSON object")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number in JSON")
    return number


def webhook_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """The webhook fields, to be shown with the prediction."""
    fields = {name: body[name] for name in ("webhook", "webhook_events_filter") if body.get(name) is not None}
    webhook, events = fields.get("webhook", ""), fields.get("webhook_events_filter", [])
    if not isinstance(webhook, str) or (webhook and not webhook.startswith(("http://", "https://"))):
        raise invalid("'webhook' is a URL")
    if not isinstance(events, list) or not all(isinstance(name, str) and name in _WEBHOOK_EVENTS for name in events):
        raise invalid(f"'webhook_events_filter' is a list of {sorted(_WEBHOOK_EVENTS)}")
    return fields


def hold_seconds(incoming: IncomingRequest) -> float | None:
    """How long ``Prefer: wait`` asks a create to be held; None where it does not."""
    for preference in incoming.headers.get("prefer", "").split(","):
        preference = preference.strip()
        if preference.partition("=")[0].strip() == "wait":
            found = _PREFER.fullmatch(preference)
            if found is None:
                raise invalid(f"'Prefer: wait=n' takes 1 to 60 whole seconds, not {preference[:40]!r}")
            return float(found[1] or LONGEST_HOLD)
    return None


def cancel_after(incoming: IncomingRequest) -> float | None:
    """The seconds in a ``Cancel-After`` header."""
    text = incoming.headers.get("cancel-after")
    if text is None:
        return None
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise invalid(f"'Cancel-After' looks like 90, 90s, 5m or 1h30m45s, not {text[:40]!r}")
    hours, minutes, seconds = (int(number or 0) for number in found.groups())
    total = hours * 3600 + minutes * 60 + seconds
    if total < 5:
        raise invalid("'Cancel-After' is at least 5 seconds")
    return float(total)


def date(text: str | None) -> float | None:
    """Seconds since the epoch for an ISO 8601 date; UTC where it names no zone."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise Problem(400, "Bad request", f"{text[:40]!r} is not an ISO 8601 date") from None


def last_event_number(incoming: IncomingRequest) -> int:
    """The number of the last event that the reader has, from ``Last-Event-ID``; -1 for none."""
    found = _EVENT_ID.fullmatch(incoming.headers.get("last-event-id", ""))
    return int(found[1]) if found else -1
