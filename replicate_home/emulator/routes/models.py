"""Models: listed, searched, created, changed and deleted."""

from __future__ import annotations

from typing import Any

from ...wire import Response
from ..catalog import HARDWARE, CatalogModel
from ..fields import Fields
from ..incoming import LARGEST_JSON, IncomingRequest, json_object, query_choice, whole_body
from ..model_records import model_record, search_score
from ..pages import page_response
from ..problems import bad_request, invalid, not_found
from ..registry import checked_name
from ..responses import json_response
from ..routing import Route
from ..service import Service

_ADDRESSES = ("github_url", "paper_url", "license_url", "cover_image_url", "weights_url")
_SORTED_BY = {
    "model_created_at": lambda model: (model.created, model.number),
    "latest_version_created_at": lambda model: (model.latest_at, model.number),
}


def list_all(service: Service, incoming: IncomingRequest) -> Response:
    """The public models, those with the latest version first unless told otherwise."""
    field = query_choice(incoming, "sort_by", tuple(_SORTED_BY)) or "latest_version_created_at"
    direction = query_choice(incoming, "sort_direction", ("asc", "desc")) or "desc"
    public = [model for model in service.catalog.all() if model.visibility == "public"]
    models = sorted(public, key=_SORTED_BY[field], reverse=direction == "desc")
    kept = {name: incoming.query[name] for name in ("sort_by", "sort_direction") if name in incoming.query}
    return page_response(incoming, models, lambda model: model_record(service, model, incoming.origin), kept)


def search(service: Service, incoming: IncomingRequest) -> Response:
    """The public models that have a word of the query, those with most of them first."""
    try:
        query = whole_body(incoming.request, LARGEST_JSON).decode()
    except UnicodeDecodeError:
        raise bad_request("the query is not UTF-8") from None
    if not query.strip():
        raise bad_request("the body is the query, as text/plain")
    scored = [(search_score(model, query), model) for model in service.catalog.all()]
    found = [model for score, model in sorted(scored, key=lambda pair: -pair[0]) if score > 0]

    def record(model: CatalogModel) -> dict[str, Any]:
        shown = model_record(service, model, incoming.origin)
        return {**shown, "description": shown["description"] or ""}  # never null here

    return page_response(incoming, found, record)


def create(service: Service, incoming: IncomingRequest) -> Response:
    """A new model, without versions."""
    fields = Fields(json_object(incoming))
    visibility = fields.choice("visibility", ("public", "private"))
    about = {"hardware": fields.choice("hardware", HARDWARE), **_about(fields)}
    try:
        name = checked_name(f"{fields.text('owner')}/{fields.text('name')}")
    except ValueError as error:
        raise invalid(str(error)) from None
    model = service.catalog.create(name, about, visibility)
    return json_response(model_record(service, model, incoming.origin), 201)


def get(service: Service, incoming: IncomingRequest, owner: str, name: str) -> Response:
    """One model, with its latest version."""
    model = service.catalog.find(f"{owner}/{name}")
    return json_response(model_record(service, model, incoming.origin))


def update(service: Service, incoming: IncomingRequest, owner: str, name: str) -> Response:
    """Change a model's description."""
    model = service.catalog.find(f"{owner}/{name}")
    model.about.update(_about(Fields(json_object(incoming))))
    return json_response(model_record(service, model, incoming.origin))


def delete(service: Service, _: IncomingRequest, owner: str, name: str) -> Response:
    """Delete a model that was created over the API; served models stay."""
    service.catalog.delete(f"{owner}/{name}")
    return Response(204)


def readme(service: Service, _: IncomingRequest, owner: str, name: str) -> Response:
    """The model's README, in Markdown."""
    text = service.catalog.find(f"{owner}/{name}").about.get("readme")
    if text is None:
        raise not_found("this model has no README")
    return Response(200, {"content-type": "text/plain; charset=utf-8"}, text.encode("utf-8", "replace"))


def examples(service: Service, incoming: IncomingRequest, owner: str, name: str) -> Response:
    """The model's example predictions."""
    made = service.examples(service.catalog.find(f"{owner}/{name}"))
    return page_response(incoming, made, lambda example: example.now(incoming.origin))


def _about(fields: Fields) -> dict[str, Any]:
    """The description in the body, as far as it has one."""
    said = {name: fields.text(name) for name in ("description", "readme") if fields.has(name)}
    addresses = {name: address for name in _ADDRESSES if (address := fields.address(name)) is not None}
    return {**said, **addresses}


ROUTES = (
    Route("GET", "/models", "models.list", list_all),
    Route("POST", "/models", "models.create", create),
    Route("QUERY", "/models", "models.search", search),
    Route("GET", "/models/*/*", "models.get", get),
    Route("PATCH", "/models/*/*", "models.update", update),
    Route("DELETE", "/models/*/*", "models.delete", delete),
    Route("GET", "/models/*/*/readme", "models.readme.get", readme),
    Route("GET", "/models/*/*/examples", "models.examples.list", examples),
)
