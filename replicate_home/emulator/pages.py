"""Lists in pages of a hundred, with cursors that stay valid while items are added."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlencode

import attrs

from ..wire import Response
from .incoming import IncomingRequest
from .problems import bad_request
from .responses import json_response

PAGE = 100


class Numbered(Protocol):
    """An item with a place in the order of creation."""

    @property
    def number(self) -> int:
        """Its place."""
        ...


T = TypeVar("T", bound=Numbered)


@attrs.frozen
class Page(Generic[T]):
    """Some of the items, and the cursors of the pages around them."""

    items: Sequence[T]
    previous: str | None
    following: str | None


def page_of(items: Sequence[T], cursor: str | None) -> Page[T]:
    """The page of ``items`` that ``cursor`` points at, or the first one.

    A cursor names an item at the edge of a page or, if that is gone, the place it had among newest-first ``items``.
    """
    start = _start(items, cursor) if cursor is not None else 0
    shown = items[start : start + PAGE]
    previous = _cursor("before", shown[0]) if shown and start > 0 else None
    following = _cursor("after", shown[-1]) if start + PAGE < len(items) else None
    return Page(shown, previous, following)


def _start(items: Sequence[T], cursor: str) -> int:
    try:
        word, _, number = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        edge = int(number)
    except ValueError:
        raise bad_request("the cursor is not one of this server") from None
    places = [place for place, item in enumerate(items) if item.number == edge]
    place = places[0] if places else sum(item.number > edge for item in items)
    if word == "before":
        return max(0, place - PAGE)
    return place + 1 if places else place


def _cursor(word: str, item: Numbered) -> str:
    return base64.urlsafe_b64encode(f"{word}:{item.number}".encode()).decode()


def page_response(
    incoming: IncomingRequest,
    items: Sequence[T],
    record: Callable[[T], Any],
    kept: Mapping[str, str] | None = None,
) -> Response:
    """The requested page of ``items``; the URLs of its neighbors repeat the parameters ``kept``."""
    page = page_of(items, incoming.query.get("cursor"))

    def link(cursor: str | None) -> str | None:
        query = urlencode({**(kept or {}), "cursor": cursor})
        return f"{incoming.origin}/v1{incoming.path}?{query}" if cursor is not None else None

    results = [record(item) for item in page.items]
    return json_response({"next": link(page.following), "previous": link(page.previous), "results": results})
