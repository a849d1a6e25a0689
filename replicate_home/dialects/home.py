"""Replicate's homepage endpoint: a few models, no key, polling only.

It is undocumented: the requests are those of the homepage itself. It has no cancel and no event stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..exceptions import ModelNotFound, PermissionDenied
from ..records.prediction import Snapshot, Status
from ..version import USER_AGENT
from ..wire import Request, Response
from .base import Create, OrdinaryAnswers, checked_id, checked_snapshot, encode_json, parse_prediction
from .catalogue import model_versions
from .refs import ModelRef

BASE_URL = "https://homepage.replicate.com"


@attrs.frozen
class Home(OrdinaryAnswers):
    """``headers`` are sent with every request."""

    base_url: str = BASE_URL
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)  # a user's own may hold secrets
    token: None = None
    name: str = "home"
    aliases: bool = True
    uploads: bool = False

    def create(self, wanted: Create) -> Request:
        """POST /api/prediction; needs the model's version, which the catalogue knows for its own models."""
        model = wanted.ref.model
        version = wanted.ref.version or model_versions.get(model or "")
        if version is None:
            raise ModelNotFound(
                f"the homepage endpoint does not know {str(wanted.ref)!r}; it has {', '.join(model_versions)}. "
                "Other models need a token: set REPLICATE_API_TOKEN"
            )
        body: dict[str, Any] = {"model": model} if model else {}
        return self._request("POST", "/api/prediction", {**body, "version": version, "input": wanted.input})

    def poll(self, known: Snapshot) -> Request:
        """GET /api/poll?id=."""
        return self._request("GET", f"/api/poll?id={checked_id(known.id)}")

    def cancel(self, known: Snapshot) -> Request | None:  # noqa: ARG002 - the protocol's signature
        """None: it cannot."""
        return None

    def stream(self, known: Snapshot, last_event_id: str | None) -> Request | None:  # noqa: ARG002 - as above
        """None: it cannot."""
        return None

    def snapshot(self, response: Response, known: Snapshot | None) -> Snapshot:
        """The response may leave out what is known: id, model, and the status of a new prediction."""
        found = parse_prediction(response)
        for field in ("id", "model") if known is not None else ():
            if found.get(field) is None and known is not None and field in known.to_dict():
                found[field] = known[field]
        found.setdefault("status", Status.STARTING.value if known is None else str(known.status))
        return checked_snapshot(found, known)

    def file(self, url: str) -> Request:
        """GET the URL."""
        return Request("GET", url, {"User-Agent": USER_AGENT, "Accept": "*/*"}, streams=True)

    def schema(self, ref: ModelRef) -> Request | None:  # noqa: ARG002 - the protocol's signature
        """None: it has none."""
        return None

    def openapi(self, response: Response) -> Mapping[str, Any]:  # noqa: ARG002 - as above
        """Empty."""
        return {}

    def call(self, method: str, path: str, **parts: Any) -> Request:  # noqa: ARG002 - as above
        """Refused: the endpoint only creates and reads predictions."""
        raise PermissionDenied(
            f"the homepage endpoint has no {method} {path}: use the API, with a token in REPLICATE_API_TOKEN",
            status=403,
        )

    def _request(self, method: str, path: str, json: Any = None) -> Request:
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            "Origin": "https://replicate.com",
            "Referer": "https://replicate.com/",
            **self.headers,
        }
        if json is None:
            return Request(method, self.base_url + path, headers)
        headers["Content-Type"] = "application/json"
        return Request(method, self.base_url + path, headers, encode_json(json))
