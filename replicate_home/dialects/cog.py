"""A self-hosted Cog server, Replicate's own open-source prediction server. https://cog.run/http

A server has one model. It responds to a create when the prediction has ended, or with its events while it runs; it ends
a prediction with the connection that created it, and keeps none that have ended. Clients make the ids.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from ..exceptions import PermissionDenied, ProtocolError
from ..protocol.redaction import excerpt, without_frames
from ..protocol.sse import ServerSentEvent
from ..protocol.strict_json import parse_json
from ..records.prediction import Snapshot, Status
from ..version import USER_AGENT
from ..wire import Request, Response, Secret
from .base import Create, OrdinaryAnswers, Refusal, checked_id, checked_snapshot, encode_json, parse_prediction
from .refs import ModelRef

_JSON = "application/json"
_EVENTS = "text/event-stream"
# Sent to read a running prediction. It can never start one, as an input must be an object.
_NO_RUN = {"input": "?"}
_NO_RUN_REFUSED = "Input must be a JSON object"
_NEVER_READY = {
    "SETUP_FAILED": "the model's setup failed",
    "DEFUNCT": "the server is defunct",
    "UNHEALTHY": "the model's process has died",
}


@attrs.frozen
class Cog(OrdinaryAnswers):
    """``token`` is for a proxy in front, as the server needs none; ``headers`` are sent with every request."""

    base_url: str
    token: Secret | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)  # a user's own may hold secrets
    name: str = "cog"
    aliases: bool = False
    uploads: bool = False
    keeps: ClassVar[bool] = False
    advice: ClassVar[Mapping[int, str]] = {
        401: "Cog itself asks for no token: if what is in front of the server does, pass api_token= or headers="
    }

    def create(self, wanted: Create) -> Request:
        """POST (never PUT, which may be sent twice): for the events if followed, with a webhook in the background."""
        body: dict[str, Any] = {"id": wanted.id, "input": wanted.input}
        if wanted.webhook is not None:
            body["webhook"] = wanted.webhook
        if wanted.webhook_events_filter is not None:
            body["webhook_events_filter"] = wanted.webhook_events_filter
        if wanted.follows:
            return self._request("POST", "/predictions", body, accept=_EVENTS, hold=math.inf)
        if wanted.webhook is not None:
            return self._request("POST", "/predictions", body, prefer="respond-async")
        return self._request("POST", "/predictions", body, hold=math.inf)

    def expected(self, wanted: Create) -> Snapshot:
        """The prediction with what the server leaves out of its responses."""
        found = {
            "id": wanted.id,
            "model": wanted.ref.model,
            "version": wanted.ref.version,
            "input": dict(wanted.input),
            "status": Status.STARTING.value,
            "created_at": wanted.created_at,
            "webhook": wanted.webhook,
        }
        return Snapshot({name: value for name, value in found.items() if value is not None})

    def instead(self, create: Request, status: int) -> Request | None:
        """After 406, which means that the model does not stream: a create that waits for the end."""
        if status != 406 or not create.streams:
            return None
        return attrs.evolve(create, headers={**create.headers, "Accept": _JSON}, streams=False)

    def refusal(self, status: int) -> Refusal:
        """409 means that it is busy, 503 that it is setting up."""
        return Refusal.LATER if status in (409, 503) else super().refusal(status)

    def health(self) -> Request:
        """GET /health-check."""
        return self._request("GET", "/health-check")

    def broken(self, response: Response) -> str | None:
        """Why it will never be ready: its setup failed, or its model's process died."""
        try:
            found = parse_json(response.body)
        except ProtocolError:
            return None
        status = found.get("status") if isinstance(found, dict) else None
        if status not in _NEVER_READY:
            return None
        setup = found.get("setup")
        logs = setup.get("logs") if isinstance(setup, dict) else None
        why = f"{_NEVER_READY[status]} ({status}): check the server's log, and restart it"
        return f"{why}; it said: {excerpt(str(logs), 2048)}" if logs else why

    def poll(self, known: Snapshot) -> Request:
        """PUT /predictions/{id}, which describes a running prediction, with an input that cannot start one."""
        return self._request("PUT", f"/predictions/{checked_id(known.id)}", _NO_RUN)

    def stream(self, known: Snapshot, last_event_id: str | None) -> Request:  # noqa: ARG002 - it replays from the first
        """The same request for its events, from the first."""
        return self._request("PUT", f"/predictions/{checked_id(known.id)}", _NO_RUN, accept=_EVENTS)

    def cancel(self, known: Snapshot) -> Request:
        """POST /predictions/{id}/cancel, whose response is an empty object."""
        return self._request("POST", f"/predictions/{checked_id(known.id)}/cancel")

    def gone(self, response: Response) -> bool:
        """404, or a complaint about the input, which it makes only if the prediction does not run."""
        if response.status in (404, 410, 422):
            return True
        return response.status == 200 and _NO_RUN_REFUSED.encode() in response.body[:4096]

    def heard(self, events: Sequence[ServerSentEvent]) -> Sequence[ServerSentEvent]:
        """The number of a chunk becomes its id; an event about the whole prediction becomes ``prediction``."""
        return without_frames(lambda: [said for event in events for said in _translated(event)])

    def snapshot(self, response: Response, known: Snapshot | None) -> Snapshot:
        """What the server leaves out, or sends as null, is taken from the create."""
        return without_frames(lambda: _snapshot(parse_prediction(response), known))

    def file(self, url: str) -> Request:
        """GET the URL."""
        return Request("GET", url, {"User-Agent": USER_AGENT, "Accept": "*/*"}, streams=True)

    def schema(self, ref: ModelRef) -> Request:  # noqa: ARG002 - there is one model
        """GET /openapi.json."""
        return self._request("GET", "/openapi.json")

    def openapi(self, response: Response) -> Mapping[str, Any]:
        """The response itself."""
        found = parse_json(response.body)
        return found if isinstance(found, dict) else {}

    def call(self, method: str, path: str, **parts: Any) -> Request:  # noqa: ARG002 - the protocol's signature
        """Refused: the server has only predictions of its one model."""
        raise PermissionDenied(
            f"a Cog server has no {method} {path}: it runs predictions of one model, and keeps none of them", status=403
        )

    def _request(
        self, method: str, path: str, json: Any = None, *, accept: str = _JSON, prefer: str = "", hold: float = 0.0
    ) -> Request:
        headers = {"User-Agent": USER_AGENT, **self.headers, "Accept": accept}
        if prefer:
            headers["Prefer"] = prefer
        body = None
        if json is not None:
            headers["Content-Type"] = _JSON
            body = encode_json(json)
        streams = accept == _EVENTS
        return Request(method, self.base_url + path, headers, body, token=self.token, streams=streams, hold=hold)


def _translated(event: ServerSentEvent) -> Iterator[ServerSentEvent]:
    """The event as the hosted API names it; nothing for one that adds nothing."""
    match event.event:
        case "output":
            found = _object_in(event)
            number = found.get("index")
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                raise ProtocolError(f"an 'output' event should have an 'index' from 0, got {number!r:.100}")
            yield ServerSentEvent("output", found.get("chunk"), f"0:{number}", "")  # type: ignore[arg-type]  # any JSON
        case "log":
            text = _object_in(event).get("data")
            if not isinstance(text, str):
                raise ProtocolError("a 'log' event should have text as its 'data'")
            yield ServerSentEvent("logs", text, None, "")
        case "start" | "completed":
            yield ServerSentEvent("prediction", event.data, None, "")
        case "error":
            yield ServerSentEvent("error", event.data, None, "")


def _object_in(event: ServerSentEvent) -> dict[str, Any]:
    found = parse_json(event.data.encode("utf-8", "surrogatepass"))
    if not isinstance(found, dict):
        raise ProtocolError(f"the data of an {event.event!r} event should be a JSON object")
    return found


def _snapshot(found: dict[str, Any], known: Snapshot | None) -> Snapshot:
    said = {name: value for name, value in found.items() if value is not None}
    before = {} if known is None else known.to_dict()
    return checked_snapshot({"status": Status.PROCESSING.value, **before, **said}, known)
