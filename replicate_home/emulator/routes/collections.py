"""Collections of models."""

from __future__ import annotations

from ...wire import Response
from ..gallery import COLLECTIONS
from ..incoming import IncomingRequest
from ..model_records import model_record
from ..pages import page_response
from ..problems import not_found
from ..responses import json_response
from ..routing import Route
from ..service import Service


def list_all(_: Service, incoming: IncomingRequest) -> Response:
    """Every collection, without its models."""
    return page_response(
        incoming,
        COLLECTIONS,
        lambda collection: {
            "name": collection.name,
            "slug": collection.slug,
            "description": collection.description,
        },
    )


def get(service: Service, incoming: IncomingRequest, slug: str) -> Response:
    """One collection with its models."""
    for collection in COLLECTIONS:
        if collection.slug == slug:
            models = collection.models(service.catalog)
            return json_response(
                {
                    "name": collection.name,
                    "slug": collection.slug,
                    "description": collection.description,
                    "full_description": collection.full_description,
                    "models": [model_record(service, model, incoming.origin) for model in models],
                }
            )
    known = ", ".join(collection.slug for collection in COLLECTIONS)
    raise not_found(f"there is no collection {slug!r} on this server. It has: {known}")


ROUTES = (
    Route("GET", "/collections", "collections.list", list_all),
    Route("GET", "/collections/*", "collections.get", get),
)
