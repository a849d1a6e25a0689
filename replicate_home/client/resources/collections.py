"""``client.collections``, for both clients."""

from __future__ import annotations

from ...operations.collections import get_collection, list_collections
from .binding import AsyncResource, Resource, acall, arecords, call, records


class Collections(Resource):
    """``client.collections``."""

    list = records(list_collections)
    get = call(get_collection)


class AsyncCollections(AsyncResource):
    """``client.collections``, awaited."""

    list = arecords(list_collections)
    get = acall(get_collection)
