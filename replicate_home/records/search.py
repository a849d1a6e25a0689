"""What a search found."""

from __future__ import annotations

from .base import Record, field, many
from .model import ModelFields


class ModelMetadata(Record, noun="a model's metadata"):
    """Why a model was found."""

    __slots__ = ()

    score = field(float, "How well it fits; more is better.")
    tags = many(str, "What it is for, in a few words each.")
    generated_description = field(str, "What it does, at length.")


class FoundModel(Record, noun="a found model"):
    """A model that fits a search."""

    __slots__ = ()

    model = field(ModelFields, "The model.", required=True)
    metadata = field(ModelMetadata, "Why it was found.")


class FoundCollection(Record, noun="a found collection"):
    """A collection that fits a search; ``collections.get(slug)`` has its models."""

    __slots__ = ()

    slug = field(str, "Its name in the URL.", required=True)
    name = field(str, "Its name.", default="")
    description = field(str, "What its models do, in a sentence.")
    models = many(str, "``owner/name`` of some of its models.")


class FoundPage(Record, noun="a found page"):
    """A page of the documentation that fits a search."""

    __slots__ = ()

    href = field(str, "Its address, which may be relative to the site's own.", required=True)
    name = field(str, "Its title.", default="")


class SearchResults(Record, noun="search results"):
    """What was found, the best first."""

    __slots__ = ()

    query = field(str, "What was searched for.", required=True)
    models = many(FoundModel, "Models that fit.")
    collections = many(FoundCollection, "Collections that fit.")
    pages = many(FoundPage, "Pages of the documentation that fit.")

    def __repr__(self) -> str:
        found = f"{len(self.models)} models, {len(self.collections)} collections, {len(self.pages)} pages"
        return f"SearchResults({self.query!r}: {found})"
