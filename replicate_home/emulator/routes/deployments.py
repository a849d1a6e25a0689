"""Deployments of a model's version, and their predictions."""

from __future__ import annotations

import math
import re
from typing import Any

import attrs

from ...wire import Response
from ..catalog import HARDWARE
from ..dates import iso
from ..fields import Fields
from ..incoming import IncomingRequest, RunOptions, json_object
from ..pages import page_response
from ..problems import conflict, invalid
from ..responses import json_response
from ..routing import Route
from ..service import ACCOUNT, Service
from ..store import Deployment
from .creating import CREATE_FIELDS, create_prediction

QUIET = 900.0  # seconds that a deployment must have been unused before it can be deleted
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)


def create(service: Service, incoming: IncomingRequest) -> Response:
    """A new deployment, owned by the account."""
    fields = Fields(json_object(incoming))
    name, model = fields.text("name"), fields.text("model")
    if not _NAME.fullmatch(name):
        raise invalid("'name' is made of letters, digits, '.', '_' and '-'")
    if (ACCOUNT, name) in service.store.deployments:
        raise conflict(f"there is a deployment {ACCOUNT}/{name} already")
    new = Deployment(
        number=service.store.new_number(),
        owner=ACCOUNT,
        name=name,
        release=0,
        model=model,
        version=fields.text("version"),
        hardware=fields.text("hardware"),
        min_instances=fields.integer("min_instances", 0, 5),
        max_instances=fields.integer("max_instances", 0, 20),
        released=0.0,
    )
    return _release(service, new, fields)


def update(service: Service, incoming: IncomingRequest, owner: str, name: str) -> Response:
    """Change a deployment, which makes a new release of it."""
    return _release(service, service.store.deployment(owner, name), Fields(json_object(incoming)))


def _release(service: Service, before: Deployment, fields: Fields) -> Response:
    """The next release of ``before``, changed by the body."""
    after = attrs.evolve(
        before,
        release=before.release + 1,
        version=fields.text("version", before.version),
        hardware=fields.choice("hardware", HARDWARE, before.hardware),
        min_instances=fields.integer("min_instances", 0, 5, before.min_instances),
        max_instances=fields.integer("max_instances", 0, 20, before.max_instances),
        released=service.date(),
    )
    service.catalog.find_version(after.model, after.version)
    if after.min_instances > after.max_instances:
        raise invalid("'min_instances' must not be greater than 'max_instances'")
    service.store.deployments[after.owner, after.name] = after
    return json_response(_record(after))


def list_all(service: Service, incoming: IncomingRequest) -> Response:
    """A page of the deployments, the newest first."""
    return page_response(incoming, list(reversed(service.store.deployments.values())), _record)


def get(service: Service, _: IncomingRequest, owner: str, name: str) -> Response:
    """One deployment."""
    return json_response(_record(service.store.deployment(owner, name)))


def delete(service: Service, _: IncomingRequest, owner: str, name: str) -> Response:
    """Delete a deployment that is offline and unused."""
    deployment = service.store.deployment(owner, name)
    if deployment.min_instances > 0:
        raise conflict("a deployment must be offline before it can be deleted: set its min_instances to 0")
    if service.date() - _last_used(service, deployment) < QUIET:
        raise conflict("a deployment can be deleted after 15 minutes without use")
    service.store.deployments.pop((owner, name), None)
    return Response(204)


def predict(service: Service, incoming: IncomingRequest, owner: str, name: str) -> Response:
    """Run the deployed version."""
    deployment = service.store.deployment(owner, name)
    body = json_object(incoming)
    Fields(body).only(CREATE_FIELDS)
    options = RunOptions.of(incoming, body)
    model, version = service.catalog.find_version(deployment.model, deployment.version)
    return create_prediction(service, incoming, lambda: service.predict(model, version, options, deployment=deployment))


def _last_used(service: Service, deployment: Deployment) -> float:
    """When a prediction of the deployment last ran, in seconds since the epoch."""
    name = f"{deployment.owner}/{deployment.name}"
    used = [prediction for prediction in service.store.runs("predictions") if prediction.deployment == name]
    ends = [(prediction, prediction.end()) for prediction in used]
    return max((math.inf if end is None else prediction.epoch + end.at for prediction, end in ends), default=-math.inf)


def _record(deployment: Deployment) -> dict[str, Any]:
    configuration = ("hardware", "min_instances", "max_instances")
    return {
        "owner": deployment.owner,
        "name": deployment.name,
        "current_release": {
            "number": deployment.release,
            "model": deployment.model,
            "version": deployment.version,
            "created_at": iso(deployment.released),
            "created_by": {"type": "user", "username": ACCOUNT, "name": "This computer"},
            "configuration": {name: getattr(deployment, name) for name in configuration},
        },
    }


ROUTES = (
    Route("GET", "/deployments", "deployments.list", list_all),
    Route("POST", "/deployments", "deployments.create", create),
    Route("GET", "/deployments/*/*", "deployments.get", get),
    Route("PATCH", "/deployments/*/*", "deployments.update", update),
    Route("DELETE", "/deployments/*/*", "deployments.delete", delete),
    Route("POST", "/deployments/*/*/predictions", "deployments.predictions.create", predict),
)
