"""The search over models and collections."""

from __future__ import annotations

from ...wire import Response
from ..gallery import COLLECTIONS
from ..incoming import IncomingRequest
from ..model_records import description_of, model_record, search_score, words_of
from ..problems import Problem
from ..responses import json_response
from ..routing import Route
from ..service import Service


def search(service: Service, incoming: IncomingRequest) -> Response:
    """The public models and the collections that have a word of the query."""
    query = incoming.query.get("query", "")
    if not query:
        raise _refusal('Query parameter "query" is required')
    limit = _limit(incoming.query.get("limit", "20"))
    scored = [(search_score(model, query), model) for model in service.catalog.all()]
    found = [pair for pair in sorted(scored, key=lambda pair: -pair[0]) if pair[0] > 0][:limit]
    models = [
        {
            "model": model_record(service, model, incoming.origin),
            "metadata": {"generated_description": description_of(model), "tags": [], "score": score},
        }
        for score, model in found
    ]
    words = words_of(query)
    collections = [
        {
            "name": collection.name,
            "slug": collection.slug,
            "description": collection.description,
            "models": [model.name for model in collection.models(service.catalog)],
        }
        for collection in COLLECTIONS
        if any(word in f"{collection.name} {collection.description}".lower() for word in words)
    ]
    return json_response({"query": query, "models": models, "collections": collections, "pages": []})


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 50):
        raise _refusal("'limit' is an integer from 1 to 50")
    return int(text)


def _refusal(detail: str) -> Problem:
    """A 400, which only here is application/json in the API's document."""
    return Problem(400, "Bad request", detail, {"content-type": "application/json"})


ROUTES = (Route("GET", "/search", "search", search),)
