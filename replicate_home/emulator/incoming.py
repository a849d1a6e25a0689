"""Requests, read strictly: body, preferences, dates. Anything malformed raises a Problem."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import attrs

from ..wire import Request
from .fields import Fields
from .files import LARGEST_FILE
from .problems import Problem, bad_request, invalid
from .timeline import Peer

DEFAULT_EVENTS = frozenset({"output", "completed"})
EVENTS = frozenset({"start", "output", "logs", "completed"})
LARGEST_JSON = 64 * 2**20
LARGEST_FORM = LARGEST_FILE + 2**20
LONGEST_HOLD = 60.0
_DURATION = re.compile(r"(?=.)(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s?)?", re.ASCII)
_EVENT_ID = re.compile(r"\d{1,20}:(\d{1,20})", re.ASCII)
_PREFER = re.compile(r"wait(?:=([1-9]|[1-5][0-9]|60))?", re.ASCII)
_WEBHOOK_FIELDS = ("webhook", "webhook_events_filter", "webhook_completed")


@attrs.frozen
class IncomingRequest:
    """A request as the routes see it: ``path`` is without ``/v1``; ``origin`` begins the URLs in the response."""

    request: Request
    headers: Mapping[str, str]
    origin: str
    path: str
    query: Mapping[str, str]
    deadline: float
    peer: Peer

    @classmethod
    def of(cls, request: Request, deadline: float | None, peer: Peer | None) -> IncomingRequest:
        """Parse a request."""
        try:
            parts = urlsplit(request.url)
            query = {
                name: values[-1]
                for name, values in parse_qs(parts.query, keep_blank_values=True, max_num_fields=100).items()
            }
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
        """Its token, or an empty string."""
        if self.request.token is not None:
            return self.request.token.reveal()
        scheme, _, given = self.headers.get("authorization", "").partition(" ")
        return given if scheme.lower() in ("bearer", "token") else ""


def whole_body(request: Request, limit: int) -> bytes:
    """The request's body, read from its source if it is an upload."""
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
        raise bad_request(f"the body is not JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise bad_request("the body is not a JSON object")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is not a number in JSON")
    return number


@attrs.frozen
class RunOptions:
    """The options of a create; ``lifetime`` is how many seconds the run may take before it is canceled."""

    input: dict[str, Any]
    origin: str
    lifetime: float | None = None
    webhook: str | None = None
    webhook_events: frozenset[str] = DEFAULT_EVENTS
    webhook_fields: Mapping[str, Any] = attrs.field(factory=dict)

    @classmethod
    def of(cls, incoming: IncomingRequest, body: Mapping[str, Any]) -> RunOptions:
        """Read the options from a create's headers and ``body``."""
        fields = Fields(body)
        webhook, events = fields.address("webhook"), _events(body.get("webhook_events_filter", sorted(DEFAULT_EVENTS)))
        legacy = fields.address("webhook_completed")  # an older form of the filter
        if webhook is None and legacy is not None:
            webhook, events = legacy, frozenset({"completed"})
        fields.boolean("stream", True)  # an old option without effect
        return cls(
            fields.mapping("input"),
            incoming.origin,
            cancel_after(incoming),
            webhook,
            events,
            {name: body[name] for name in _WEBHOOK_FIELDS if body.get(name) is not None},
        )


def _events(given: Any) -> frozenset[str]:
    if not isinstance(given, list) or not all(isinstance(event, str) and event in EVENTS for event in given):
        raise invalid(f"'webhook_events_filter' is a list of {', '.join(sorted(EVENTS))}")
    return frozenset(given)


@attrs.frozen
class Hold:
    """For how many seconds to hold a create, and the preference that asks for it."""

    seconds: float
    preference: str


def hold_of(incoming: IncomingRequest) -> Hold | None:
    """What ``Prefer: wait`` asks for; None without it."""
    for preference in incoming.headers.get("prefer", "").split(","):
        preference = preference.strip()
        if preference.partition("=")[0].strip() == "wait":
            found = _PREFER.fullmatch(preference)
            if found is None:
                raise invalid(f"'Prefer: wait=n' takes 1 to 60 whole seconds, not {preference[:40]!r}")
            return Hold(float(found[1] or LONGEST_HOLD), preference)
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


def query_choice(incoming: IncomingRequest, name: str, choices: Collection[str]) -> str | None:
    """A query parameter that is one of ``choices``; None if it is absent."""
    value = incoming.query.get(name)
    if value is not None and value not in choices:
        raise bad_request(f"{name!r} is one of {', '.join(choices)}, not {value[:40]!r}")
    return value


def date(text: str | None) -> float | None:
    """Seconds since the epoch for an ISO 8601 date; UTC if it names no zone."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise bad_request(f"{text[:40]!r} is not an ISO 8601 date") from None


def last_event_number(incoming: IncomingRequest) -> int:
    """The number of the last event that the reader has, from ``Last-Event-ID``; -1 for none."""
    found = _EVENT_ID.fullmatch(incoming.headers.get("last-event-id", ""))
    return int(found[1]) if found else -1
