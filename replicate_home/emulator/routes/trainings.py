"""Trainings: runs whose end makes a version of another model."""

from __future__ import annotations

from ...wire import Response
from ..fields import Fields
from ..incoming import IncomingRequest, RunOptions, json_object
from ..pages import page_response
from ..problems import invalid
from ..registry import checked_name
from ..responses import json_response
from ..routing import Route
from ..service import Service


def create(service: Service, incoming: IncomingRequest, owner: str, name: str, version: str) -> Response:
    """Train a version, and give the result to the model that the body names."""
    body = json_object(incoming)
    try:
        destination = checked_name(Fields(body).text("destination"))
    except ValueError:
        raise invalid("'destination' must be a model: 'owner/name'") from None
    model, base = service.catalog.find_version(f"{owner}/{name}", version)
    training = service.train(model, base, destination, RunOptions.of(incoming, body))
    return json_response(training.as_created(incoming.origin), 201)


def get(service: Service, incoming: IncomingRequest, id: str) -> Response:
    """A training as it is now."""
    training = service.store.run(id, "trainings")
    training.run.look(incoming.peer)
    return json_response(training.now(incoming.origin))


def cancel(service: Service, incoming: IncomingRequest, id: str) -> Response:
    """End a training, unless it has ended; it then makes no version."""
    training = service.store.run(id, "trainings")
    training.run.cancel()
    return json_response(training.now(incoming.origin))


def list_all(service: Service, incoming: IncomingRequest) -> Response:
    """A page of the trainings, the newest first."""
    trainings = service.store.runs("trainings")
    return page_response(incoming, trainings, lambda training: training.now(incoming.origin))


ROUTES = (
    Route("POST", "/models/*/*/versions/*/trainings", "trainings.create", create),
    Route("GET", "/trainings", "trainings.list", list_all),
    Route("GET", "/trainings/*", "trainings.get", get),
    Route("POST", "/trainings/*/cancel", "trainings.cancel", cancel),
)
