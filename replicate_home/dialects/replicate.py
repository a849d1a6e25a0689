"""The hosted HTTP API, and everything that speaks like it: the emulator, the ``local`` backend.

https://replicate.com/docs/reference/http
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from ..protocol import urls
from ..protocol.redaction import without_frames
from ..protocol.strict_json import parse_json
from ..records.prediction import Snapshot
from ..version import USER_AGENT
from ..wire import Request, Response, Secret
from .base import Create, OrdinaryAnswers, checked_id, checked_snapshot, encode_json, parse_prediction
from .refs import ModelRef

BASE_URL = "https://api.replicate.com/v1"
SHORTEST_CANCEL_AFTER = 5
LONGEST_WAIT = 60
_JSON = "application/json"
_SENDABLE = re.compile(r"[!-~]([ -~]{0,1022}[!-~])?")  # what every HTTP library sends unchanged in a header


@attrs.frozen
class Replicate(OrdinaryAnswers):
    """``name`` is the backend's; ``headers`` are sent with every request to the API itself.

    ``things`` are what it is asked about: predictions, or ``trainings``, which have the same life.
    """

    base_url: str = BASE_URL
    token: Secret | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)  # a user's own may hold secrets
    name: str = "replicate"
    aliases: bool = False
    uploads: bool = True
    things: str = "predictions"
    advice: ClassVar[Mapping[int, str]] = {
        401: "set REPLICATE_API_TOKEN or pass api_token= (tokens: https://replicate.com/account/api-tokens)",
        402: "add credit at https://replicate.com/account/billing",
    }

    def call(
        self, method: str, path: str, *, json: Any = None, headers: Mapping[str, str] | None = None, **parts: Any
    ) -> Request:
        """A request to the API: ``path`` is relative to the base URL, or a URL from one of its responses.

        The token is sent only to the API's own origin.
        """
        url = self.base_url + path if path.startswith("/") else path
        ours = url.startswith(self.base_url + "/") or urls.carries_token(self.base_url, url)
        sent = {"User-Agent": USER_AGENT, "Accept": _JSON}
        if ours:
            sent.update(self.headers)
        if json is not None:
            parts["body"] = encode_json(json)
            sent["Content-Type"] = _JSON
        if headers:
            sent.update(headers)
        token = self.token if ours and urls.carries_token(self.base_url, url) else None
        return Request(method, url, sent, token=token, **parts)

    def create(self, wanted: Create) -> Request:
        """POST /predictions, or the predictions of a deployment or of an official model."""
        path, named = _asked_for(wanted.ref)
        body: dict[str, Any] = {**named, "input": wanted.input}
        if wanted.webhook is not None:
            body["webhook"] = wanted.webhook
        if wanted.webhook_events_filter is not None:
            body["webhook_events_filter"] = wanted.webhook_events_filter
        headers = create_headers(wanted.wait, wanted.cancel_after)
        hold = float(wanted.wait or 0)
        return self.call("POST", path, json=body, headers=headers, hold=hold, about=str(wanted.ref))

    def poll(self, known: Snapshot) -> Request:
        """GET /predictions/{id}; built from the id, never taken from a response."""
        return self.call("GET", f"/{self.things}/{checked_id(known.id)}")

    def cancel(self, known: Snapshot) -> Request | None:
        """POST /predictions/{id}/cancel, whose response is the prediction."""
        return self.call("POST", f"/{self.things}/{checked_id(known.id)}/cancel")

    def stream(self, known: Snapshot, last_event_id: str | None) -> Request | None:
        """GET the stream URL. It is a capability: only the API's own origin is sent the token."""
        url = known.urls.get("stream")
        if not isinstance(url, str) or not urls.is_safe(self.base_url, url):
            return None
        if last_event_id and not _SENDABLE.fullmatch(last_event_id):
            return None
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        return self.call("GET", url, headers=headers, streams=True)

    def snapshot(self, response: Response, known: Snapshot | None) -> Snapshot:
        """A prediction needs a valid id and a status; all else may be missing. URLs that it leaves out still hold."""
        return without_frames(lambda: _snapshot(parse_prediction(response), known))

    def file(self, url: str) -> Request:
        """GET the URL; only the API's own origin is sent the token."""
        return self.call("GET", url, headers={"Accept": "*/*"}, streams=True)

    def schema(self, ref: ModelRef) -> Request | None:
        """GET the model, or its version; None for a bare version or a deployment, whose model is unknown here."""
        if ref.model is None:
            return None
        version = "" if ref.version is None else f"/versions/{ref.version}"
        return self.call("GET", f"/models/{ref.model}{version}")

    def openapi(self, response: Response) -> Mapping[str, Any]:
        """``openapi_schema`` of the version, or of the model's latest version."""
        found = parse_json(response.body)
        if isinstance(found, dict) and isinstance(found.get("latest_version"), dict):
            found = found["latest_version"]
        document = found.get("openapi_schema") if isinstance(found, dict) else None
        return document if isinstance(document, dict) else {}


def create_headers(wait: int | None, cancel_after: float | None) -> dict[str, str]:
    """How long the server may hold a create, and the run may take; in seconds, within what the API accepts."""
    headers = {}
    if wait:
        headers["Prefer"] = f"wait={min(LONGEST_WAIT, wait)}"
    if cancel_after is not None:
        headers["Cancel-After"] = f"{max(SHORTEST_CANCEL_AFTER, math.ceil(cancel_after))}s"
    return headers


def _asked_for(ref: ModelRef) -> tuple[str, dict[str, Any]]:
    """The path of a create, and what its body has besides the input."""
    if ref.deployment:
        return f"/deployments/{ref.deployment}/predictions", {}
    if ref.official:
        return f"/models/{ref.model}/predictions", {}
    return "/predictions", {"version": ref.version or ref.model}


def _snapshot(found: dict[str, Any], known: Snapshot | None) -> Snapshot:
    said = found.get("urls") or {}
    if known is not None and known.urls and isinstance(said, dict):
        found["urls"] = {**known.urls, **said}
    return checked_snapshot(found, known)
