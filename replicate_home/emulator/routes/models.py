"""Models and their versions."""

from __future__ import annotations

from typing import Any

from ...wire import Response
from ..dates import iso
from ..incoming import IncomingRequest
from ..registry import Model
from ..responses import json_response, page_response
from ..routing import Route
from ..service import Service


def list_all(service: Service, incoming: IncomingRequest) -> Response:
    """Every model, by name."""
    models = sorted(service.models.all().items())
    return page_response([_model_record(service, incoming, model) for _, model in models])


def get(service: Service, incoming: IncomingRequest, owner: str, name: str) -> Response:
    """One model, with its latest version."""
    return json_response(_model_record(service, incoming, service.find_model(f"{owner}/{name}")[0]))


def list_versions(service: Service, _: IncomingRequest, owner: str, name: str) -> Response:
    """The versions of a model, the latest first."""
    model, _latest = service.find_model(f"{owner}/{name}")
    return page_response([_version_record(service, model, version) for version in model.versions])


def get_version(service: Service, _: IncomingRequest, owner: str, name: str, version: str) -> Response:
    """One version, with its schema."""
    return json_response(_version_record(service, *service.find_model(f"{owner}/{name}:{version}")))


def _model_record(service: Service, incoming: IncomingRequest, model: Model) -> dict[str, Any]:
    owner, _, name = model.name.partition("/")
    return {
        "url": f"{incoming.origin}/{model.name}",
        "owner": owner,
        "name": name,
        "description": model.description,
        "visibility": "public",
        "is_official": False,
        "run_count": sum(created.model == model.name for created in list(service.calls)),
        "latest_version": _version_record(service, model, model.versions[0]),
        **dict.fromkeys(("cover_image_url", "default_example", "github_url", "license_url", "paper_url")),
    }


def _version_record(service: Service, model: Model, version: str) -> dict[str, Any]:
    return {
        "id": version,
        "created_at": iso(service.epoch),
        "cog_version": "0.16.12",  # the official Python client parses it to learn how old the schema is
        "openapi_schema": model.openapi(),
    }


ROUTES = (
    Route("GET", "/models", list_all),
    Route("GET", "/models/*/*", get),
    Route("GET", "/models/*/*/versions", list_versions),
    Route("GET", "/models/*/*/versions/*", get_version),
)
