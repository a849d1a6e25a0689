"""Models and versions as the API shows them, and their score in a search."""

from __future__ import annotations

import re
from typing import Any

from .catalog import CatalogModel, Version
from .dates import iso
from .service import Service

_ADDRESSES = ("cover_image_url", "github_url", "license_url", "paper_url")


def model_record(service: Service, model: CatalogModel, origin: str) -> dict[str, Any]:
    """A model with its latest version."""
    owner, _, name = model.name.partition("/")
    versions, examples = model.versions, service.examples(model)
    return {
        "url": f"{origin}/{model.name}",
        "owner": owner,
        "name": name,
        "description": description_of(model),
        "visibility": model.visibility,
        "is_official": bool(model.official),
        "run_count": service.run_counts[model.name],
        "default_example": examples[0].now(origin) if examples else None,
        "latest_version": version_record(versions[0]) if versions else None,
        **{address: model.about.get(address) for address in _ADDRESSES},
    }


def version_record(version: Version) -> dict[str, Any]:
    """A version with its schema."""
    return {
        "id": version.id,
        "created_at": iso(version.created),
        "cog_version": "0.16.12",  # the official Python client parses it to learn how old the schema is
        "openapi_schema": version.openapi(),
    }


def description_of(model: CatalogModel) -> str | None:
    """The model's description, else its function's docstring."""
    said: str | None = model.about.get("description")
    return said if said is not None or model.served is None else model.served.description


def words_of(query: str) -> list[str]:
    """The words of a query, without punctuation: the official JavaScript client sends it in quotes."""
    return re.findall(r"\w+", query.lower())


def search_score(model: CatalogModel, query: str) -> float:
    """The share of the query's words that are in a model's name or description; 0.0 for a private model."""
    words = words_of(query)
    if model.visibility != "public" or not words:
        return 0.0
    text = f"{model.name} {description_of(model) or ''}".lower()
    return sum(word in text for word in words) / len(words)
