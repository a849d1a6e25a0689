"""What an operation is, and how the pages of a list are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import EllipsisType
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import attrs

from ..exceptions import InvalidInput, NotFound, ProtocolError
from ..protocol import urls
from ..protocol.redaction import excerpt, without_frames, without_query
from ..records.page import PageFields
from ..wire import Response, Upload

T = TypeVar("T")

Cursor = str | EllipsisType | None
"""Which page of a list: ``...`` for the first, or the ``next`` or ``previous`` of a page; None, where a list ends, is
none."""


@attrs.frozen
class Operation(Generic[T]):
    """One call of the API, as a value.

    ``name`` is what the API's own documentation calls it. ``path`` is below the base URL, or the URL of a page.
    ``repeatable`` marks a call that does no harm when it is sent twice, though its method does not say so; ``creates``
    one that starts a run, which has an id and costs money. ``missing`` is the error for what is not there. ``streams``
    asks for the body piece by piece.
    """

    name: str
    method: str
    path: str
    reader: Callable[[Response], T] = attrs.field(repr=False)
    query: Mapping[str, str] = attrs.field(factory=dict, repr=False)  # a download's has a signature
    json: Any = attrs.field(default=None, repr=False)
    body: bytes | Upload | None = attrs.field(default=None, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    repeatable: bool = False
    creates: bool = False
    missing: type[NotFound] = NotFound
    streams: bool = False

    def target(self, base_url: str) -> str:
        """The path with its query, or the URL of a page; raises :class:`InvalidInput` for a page of another server."""
        if self.path.startswith("/"):
            return f"{self.path}?{urlencode(self.query)}" if self.query else self.path
        url = _at(base_url, self.path)
        if url is None:
            raise InvalidInput(f"the cursor leads to another server than {base_url}: {_shown(self.path)}")
        return url

    def read(self, response: Response) -> T:
        """The result in a successful response; raises :class:`ProtocolError` where there is none."""
        return without_frames(lambda: self.reader(response))


def page_at(cursor: Cursor, path: str) -> str:
    """Where the page of a list is that begins at ``path``; raises :class:`InvalidInput` for a cursor that is none."""
    if cursor is ...:
        return path
    if cursor is None:
        raise InvalidInput("there is no such page: the cursor is None, as it is at either end of a list")
    if not isinstance(cursor, str):
        raise TypeError(f"a cursor is the next or previous of a page, got {type(cursor).__name__}")
    if urls.origin(cursor) is None:
        raise InvalidInput(f"a cursor is the next or previous of a page, got {_shown(cursor)}")
    return cursor


def following(page: PageFields[Any], base_url: str, seen: set[str]) -> str | None:
    """The cursor of the page after this one, None at the end; it is added to ``seen``.

    Raises :class:`ProtocolError` where it leads to another server than the API, or was seen before: such a list could
    not be trusted, or would not end.
    """
    cursor = page.next
    if cursor is None:
        return None
    if _at(base_url, cursor) is None:
        raise ProtocolError(f"the next page of a list should be at the API itself, got {_shown(cursor)}")
    if cursor in seen:
        raise ProtocolError(f"the list leads in a circle: {_shown(cursor)} came before")
    seen.add(cursor)
    return cursor


def given(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _at(base_url: str, url: str) -> str | None:
    """The URL of a page, None where it is at another server; https, though some lists say http of the same host."""
    home = urls.origin(base_url)
    if home is not None and home[0] == "https" and url.startswith("http://"):
        url = url.replace("http://", "https://", 1)
    return url if home is not None and urls.origin(url) == home else None


def _shown(url: str) -> str:
    return repr(excerpt(without_query(url), 100))
