"""The versions of models."""

from __future__ import annotations

from ...wire import Response
from ..catalog import no_versions
from ..incoming import IncomingRequest
from ..model_records import version_record
from ..pages import page_response
from ..responses import json_response
from ..routing import Route
from ..service import Service


def list_all(service: Service, incoming: IncomingRequest, owner: str, name: str) -> Response:
    """The versions of a model, the latest first."""
    model = service.catalog.find(f"{owner}/{name}")
    if model.official:
        raise no_versions()
    return page_response(incoming, model.versions, version_record)


def get(service: Service, _: IncomingRequest, owner: str, name: str, id: str) -> Response:
    """One version, with its schema."""
    return json_response(version_record(service.catalog.find_version(f"{owner}/{name}", id)[1]))


def delete(service: Service, _: IncomingRequest, owner: str, name: str, id: str) -> Response:
    """Delete a version that a training made, with its predictions; served versions stay."""
    deployed = {deployment.version for deployment in list(service.store.deployments.values())}
    bases = {training.version for training in service.store.runs("trainings")}
    if service.catalog.delete_version(f"{owner}/{name}", id, (deployed | bases).__contains__):
        for prediction in service.store.runs("predictions"):
            if prediction.version == id:
                service.store.forget(prediction)
    return Response(202)


ROUTES = (
    Route("GET", "/models/*/*/versions", "models.versions.list", list_all),
    Route("GET", "/models/*/*/versions/*", "models.versions.get", get),
    Route("DELETE", "/models/*/*/versions/*", "models.versions.delete", delete),
)
