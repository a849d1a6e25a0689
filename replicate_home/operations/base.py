"""What an operation is, and how the pages of a list are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from types import EllipsisType
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlencode

import attrs

from ..exceptions import InvalidInput, NotFound, ProtocolError
from ..protocol import urls
from ..protocol.redaction import excerpt, without_frames, without_query
from ..records.page import PageFields
from ..wire import Response, Upload

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Cursor = str | EllipsisType | None
"""Which page of a list: ``...`` for the first, or the ``next`` or ``previous`` of a page; None, where a list ends, is
none."""


class Reader(Protocol[T_co]):
    """Makes a result of a successful response."""

    def __call__(self, response: Response, base_url: str, /) -> T_co:
        """The result in a response of the API at ``base_url``; raises :class:`ProtocolError` where there is none."""
        ...


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
    reader: Reader[T] = attrs.field(repr=False)
    query: Mapping[str, str] = attrs.field(factory=dict)
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
        if urls.origin(self.path) != urls.origin(base_url):
            raise InvalidInput(f"the cursor leads to another server than {base_url}: {_shown(self.path)}")
        return self.path

    def read(self, response: Response, base_url: str) -> T:
        """The result in a response of the API at ``base_url``; raises :class:`ProtocolError` where there is none."""
        return without_frames(lambda: self.reader(response, base_url))


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


def following(page: PageFields[Any], seen: set[str]) -> str | None:
    """The cursor of the page after this one, None at the end; it is noted as ``seen``.

    Raises :class:`ProtocolError` where it was seen before, for the list would never end.
    """
    if page.next in seen:
        raise ProtocolError(f"the list leads in a circle: {_shown(page.next)} came before")
    if page.next is not None:
        seen.add(page.next)
    return page.next


def given(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _shown(url: str) -> str:
    return repr(excerpt(without_query(url), 100))
