"""``client.search``."""

from __future__ import annotations

from ..records.search import SearchResults
from .base import Operation, given
from .readers import One


def search(query: str, *, limit: int | None = None) -> Operation[SearchResults]:
    """Public models, collections and documentation that match the words of ``query``.

    ``limit`` is the maximum number of models: 1 to 50, by default 20.
    """
    parameters = {"query": query, **given(limit=None if limit is None else str(limit))}
    return Operation("search", "GET", "/search", One(SearchResults), query=parameters)
