"""The collections, and which models are in them, judged by their inputs and output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .catalog import Catalog, CatalogModel


@attrs.frozen
class Collection:
    """A collection of the models whose document passes ``takes``."""

    number: int
    slug: str
    name: str
    description: str
    full_description: str
    takes: Callable[[Mapping[str, Any]], bool]

    def models(self, catalog: Catalog) -> list[CatalogModel]:
        """The public models that are in it."""
        public = [model for model in catalog.all() if model.visibility == "public" and model.versions]
        return [model for model in public if self.takes(model.versions[0].openapi()["components"]["schemas"])]


def _is_file(schema: Mapping[str, Any]) -> bool:
    items = schema.get("items", {})
    return "uri" in (schema.get("format"), items.get("format"))


def _takes_a_file(schemas: Mapping[str, Any]) -> bool:
    return any(_is_file(schema) for schema in schemas["Input"].get("properties", {}).values())


def _makes_text(schemas: Mapping[str, Any]) -> bool:
    output = schemas["Output"]
    return not _is_file(output) and "string" in (output.get("type"), output.get("items", {}).get("type"))


COLLECTIONS = (
    Collection(
        3,
        "text-to-image",
        "Text to image",
        "Models that draw a picture of what they are told.",
        "## Text to image\n\nThese models turn words into a picture.",
        lambda schemas: _is_file(schemas["Output"]) and not _takes_a_file(schemas),
    ),
    Collection(
        2,
        "super-resolution",
        "Super resolution",
        "Models that make one picture from another.",
        "## Super resolution\n\nThese models turn a picture into a better one.",
        lambda schemas: _is_file(schemas["Output"]) and _takes_a_file(schemas),
    ),
    Collection(
        1,
        "language-models",
        "Language models",
        "Models that write text.",
        "## Language models\n\nThese models are given words and answer with words.",
        _makes_text,
    ),
)
