"""``client.search``, for both clients."""

from __future__ import annotations

from ...operations.search import search
from .binding import AsyncResource, Resource, acall, call


class Search(Resource):
    """``client.search``."""

    __call__ = call(search)


class AsyncSearch(AsyncResource):
    """``client.search``, awaited."""

    __call__ = acall(search)
