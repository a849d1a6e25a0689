"""``client.collections``."""

from __future__ import annotations

from ..records.model import Collection
from ..records.page import PageFields
from .base import Cursor, Operation, page_at
from .names import checked_slug
from .readers import One, Page


def list_collections(cursor: Cursor = ...) -> Operation[PageFields[Collection]]:
    """The collections, without their models."""
    return Operation("collections.list", "GET", page_at(cursor, "/collections"), Page(Collection))


def get_collection(slug: str) -> Operation[Collection]:
    """A collection with its models. ``slug`` is its name in the URL, such as ``text-to-image``."""
    return Operation("collections.get", "GET", f"/collections/{checked_slug(slug)}", One(Collection))
