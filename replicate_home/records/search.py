"""Search results."""

from __future__ import annotations

from .base import Record, field, many
from .model import ModelFields


class ModelMetadata(Record, noun="a model's metadata"):
    """Why a model matches."""

    __slots__ = ()

    score = field(float, "How well it matches; higher is better.")
    tags = many(str, "Its uses, in a few words each.")
    generated_description = field(str, "A longer description.")


class FoundModel(Record, noun="a found model"):
    """A model that matches a search."""

    __slots__ = ()

    model = field(ModelFields, "The model.", required=True)
    metadata = field(ModelMetadata, "Why it matches.")


class FoundCollection(Record, noun="a found collection"):
    """A collection that matches a search; ``collections.get(slug)`` has its models."""

    __slots__ = ()

    slug = field(str, "Its name in the URL.", required=True)
    name = field(str, "Its name.", default="")
    description = field(str, "What its models do, in a sentence.")
    models = many(str, "``owner/name`` of some of its models.")


class FoundPage(Record, noun="a found page"):
    """A page of the documentation that matches a search."""

    __slots__ = ()

    href = field(str, "Its URL, which may be relative to the site.", required=True)
    name = field(str, "Its title.", default="")


class SearchResults(Record, noun="search results"):
    """The results of a search, best matches first."""

    __slots__ = ()

    query = field(str, "What was searched for.", required=True)
    models = many(FoundModel, "Matching models.")
    collections = many(FoundCollection, "Matching collections.")
    pages = many(FoundPage, "Matching pages of the documentation.")

    def __repr__(self) -> str:
        found = f"{len(self.models)} models, {len(self.collections)} collections, {len(self.pages)} pages"
        return f"SearchResults({self.query!r}: {found})"
