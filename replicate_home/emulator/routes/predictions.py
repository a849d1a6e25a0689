"""Predictions: created by version or by model, looked at, canceled and listed."""

from __future__ import annotations

from ...wire import Response
from ..catalog import CatalogModel, Version
from ..fields import Fields
from ..incoming import IncomingRequest, RunOptions, date, json_object, query_choice
from ..pages import page_response
from ..responses import json_response
from ..routing import Route
from ..service import Service
from .creating import CREATE_FIELDS, create_prediction

_FILTERS = ("created_after", "created_before", "source")


def create_by_version(service: Service, incoming: IncomingRequest) -> Response:
    """Run the version that the body names."""
    body = json_object(incoming)
    fields = Fields(body)
    fields.only({*CREATE_FIELDS, "version"})
    return _create(service, incoming, RunOptions.of(incoming, body), *service.catalog.resolve(fields.text("version")))


def create_by_model(service: Service, incoming: IncomingRequest, owner: str, name: str) -> Response:
    """Run the model that the path names."""
    body = json_object(incoming)
    Fields(body).only(CREATE_FIELDS)
    return _create(service, incoming, RunOptions.of(incoming, body), *service.catalog.by_name(f"{owner}/{name}"))


def _create(
    service: Service, incoming: IncomingRequest, options: RunOptions, model: CatalogModel, version: Version
) -> Response:
    return create_prediction(service, incoming, lambda: service.predict(model, version, options))


def get(service: Service, incoming: IncomingRequest, id: str) -> Response:
    """A prediction as it is now."""
    prediction = service.store.run(id, "predictions")
    prediction.run.look(incoming.peer)
    prediction.check_trouble()
    return json_response(prediction.now(incoming.origin))


def cancel(service: Service, incoming: IncomingRequest, id: str) -> Response:
    """End a prediction, unless it has ended."""
    prediction = service.store.run(id, "predictions")
    prediction.run.cancel()
    prediction.check_trouble()
    return json_response(prediction.now(incoming.origin))


def list_all(service: Service, incoming: IncomingRequest) -> Response:
    """A page of the predictions, the newest first."""
    kept = {name: incoming.query[name] for name in _FILTERS if name in incoming.query}
    after, before = date(kept.get("created_after")), date(kept.get("created_before"))
    web_only = query_choice(incoming, "source", ("web",)) is not None
    predictions = [
        prediction
        for prediction in service.store.runs("predictions")
        if (after is None or prediction.created >= after) and (before is None or prediction.created < before)
    ]
    shown = [] if web_only else predictions  # all of them were created over the API
    return page_response(incoming, shown, lambda prediction: prediction.now(incoming.origin), kept)


ROUTES = (
    Route("POST", "/predictions", "predictions.create", create_by_version),
    Route("GET", "/predictions", "predictions.list", list_all),
    Route("GET", "/predictions/*", "predictions.get", get),
    Route("POST", "/predictions/*/cancel", "predictions.cancel", cancel),
    Route("POST", "/models/*/*/predictions", "models.predictions.create", create_by_model),
)
