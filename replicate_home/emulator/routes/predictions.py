"""Predictions: created by version or by model, looked at, canceled and listed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ...wire import Response
from ..incoming import IncomingRequest, cancel_after, date, hold_seconds, json_object, webhook_fields
from ..problems import invalid
from ..registry import Model
from ..responses import json_response, page_response
from ..routing import Route
from ..service import Service
from ..store import page_of
from ..waiting import wait_for

_FILTERS = ("created_after", "created_before", "source")


def create_by_version(service: Service, incoming: IncomingRequest) -> Response:
    """Run the version that the body names."""
    body = json_object(incoming)
    wanted = body.get("version", body.get("model"))
    if not isinstance(wanted, str) or not wanted:
        raise invalid("'version' is required: 'owner/name', 'owner/name:version' or the id of a version")
    return _create(service, incoming, *service.find_model(wanted), body)


def create_by_model(service: Service, incoming: IncomingRequest, owner: str, name: str) -> Response:
    """Run the model that the path names."""
    return _create(service, incoming, *service.find_model(f"{owner}/{name}"), json_object(incoming))


def _create(
    service: Service, incoming: IncomingRequest, model: Model, version: str, body: Mapping[str, Any]
) -> Response:
    given = body.get("input")
    if not isinstance(given, dict):
        raise invalid("'input' is required, and is a JSON object")
    hold = hold_seconds(incoming)
    webhook, lifetime = webhook_fields(body), cancel_after(incoming)
    prediction = service.begin(model, version, given, origin=incoming.origin, lifetime=lifetime, webhook=webhook)
    if hold is None:
        return json_response(prediction.as_created(incoming.origin), 201)
    headers = {"preference-applied": "wait"}
    wait_for(service.clock, incoming, prediction.run, math.inf, hold)
    if prediction.has_ended():
        return json_response(prediction.now(incoming.origin), 201, headers)
    # The official clients tell by "starting" that the output is not all there; "processing" they take for the end.
    return json_response(prediction.as_created(incoming.origin), 202, headers)


def get(service: Service, incoming: IncomingRequest, id: str) -> Response:
    """A prediction as it is now."""
    prediction = service.store.prediction(id)
    prediction.run.look(incoming.peer)
    return json_response(prediction.now(incoming.origin))


def cancel(service: Service, incoming: IncomingRequest, id: str) -> Response:
    """End a prediction, unless it has ended."""
    prediction = service.store.prediction(id)
    prediction.run.cancel()
    return json_response(prediction.now(incoming.origin))


def list_all(service: Service, incoming: IncomingRequest) -> Response:
    """A page of the predictions, the newest first."""
    kept = {name: incoming.query[name] for name in _FILTERS if name in incoming.query}
    after, before = date(kept.get("created_after")), date(kept.get("created_before"))
    predictions = [
        prediction
        for prediction in service.store.predictions()
        if (after is None or prediction.created >= after) and (before is None or prediction.created < before)
    ]
    page = page_of(predictions if kept.get("source") != "web" else [], incoming.query.get("cursor"))

    def link(cursor: str | None) -> str | None:
        query = urlencode({**kept, "cursor": cursor})
        return f"{incoming.origin}/v1/predictions?{query}" if cursor is not None else None

    results = [prediction.now(incoming.origin) for prediction in page.predictions]
    return page_response(results, link(page.following), link(page.previous))


ROUTES = (
    Route("POST", "/predictions", create_by_version),
    Route("GET", "/predictions", list_all),
    Route("GET", "/predictions/*", get),
    Route("POST", "/predictions/*/cancel", cancel),
    Route("POST", "/models/*/*/predictions", create_by_model),
)
