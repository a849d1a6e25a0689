"""What an operation is, and how pages of a list are requested."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import EllipsisType
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import attrs

from ..dialects.base import Dialect
from ..exceptions import InvalidInput, NotFound, ProtocolError
from ..protocol import urls
from ..protocol.redaction import excerpt, without_frames, without_query
from ..records.page import PageFields
from ..wire import Request, Response, Upload

T = TypeVar("T")

Cursor = str | EllipsisType | None
"""A page of a list: ``...`` for the first, or the ``next`` or ``previous`` of a page. None marks either end."""


@attrs.frozen
class Operation(Generic[T]):
    """One call of the API, as a value.

    ``name`` is its name in the API's documentation. ``path`` is relative to the base URL, or the URL of a page.
    ``repeatable`` marks a call that is safe to send twice although its method is not; ``creates`` marks one that starts
    a run, which has an id and costs money. ``missing`` is the error class for 404. ``streams`` asks for the body piece
    by piece.
    """

    name: str
    method: str
    path: str
    reader: Callable[[Response], T] = attrs.field(repr=False)
    query: Mapping[str, str] = attrs.field(factory=dict, repr=False)  # a download's contains a signature
    json: Any = attrs.field(default=None, repr=False)
    body: bytes | Upload | None = attrs.field(default=None, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    repeatable: bool = False
    creates: bool = False
    missing: type[NotFound] = NotFound
    streams: bool = False

    def target(self, base_url: str) -> str:
        """The path with its query, or the URL of a page; raises :class:`InvalidInput` for a page on another server."""
        if self.path.startswith("/"):
            return f"{self.path}?{urlencode(self.query)}" if self.query else self.path
        if not _is_at(base_url, self.path):
            raise InvalidInput(f"the cursor must be a page of {base_url}, got {_shown(self.path)}")
        return self.path

    def request(self, dialect: Dialect) -> Request:
        """The request for it.

        Raises :class:`PermissionDenied` if this kind of server has no such operation, and :class:`InvalidInput` for
        values that JSON cannot hold.
        """
        parts: dict[str, Any] = {} if self.body is None else {"body": self.body}
        target = self.target(dialect.base_url)
        try:
            return dialect.call(
                self.method, target, json=self.json, headers=self.headers or None, streams=self.streams, **parts
            )
        except ValueError as error:
            message = f"the body is not JSON: {error}"
        raise InvalidInput(message)

    def not_found(self, error: NotFound) -> NotFound:
        """The error as an instance of this operation's ``missing`` class."""
        if isinstance(error, self.missing):
            return error
        return self.missing(
            str(error), status=error.status, title=error.title, detail=error.detail, request_id=error.request_id
        )

    def read(self, response: Response, base_url: str) -> T:
        """The result in a successful response; raises :class:`ProtocolError` if there is none.

        A page whose next or previous page is on another server than ``base_url`` is refused: it cannot be trusted.
        """
        found = without_frames(lambda: self.reader(response))
        for name in ("next", "previous") if isinstance(found, PageFields) else ():
            url = getattr(found, name)
            if url is not None and not _is_at(base_url, url):
                raise ProtocolError(f"a page's {name!r} should be a URL of the API itself, got {_shown(url)}")
        return found


def page_at(cursor: Cursor, path: str) -> str:
    """The path or URL of a page of the list at ``path``; raises :class:`InvalidInput` for an invalid cursor."""
    if cursor is ...:
        return path
    if cursor is None:
        raise InvalidInput("there is no such page: the cursor is None, which marks either end of a list")
    if not isinstance(cursor, str):
        raise TypeError(f"a cursor must be the next or previous of a page, got {type(cursor).__name__}")
    if urls.origin(cursor) is None:
        raise InvalidInput(f"a cursor must be the next or previous of a page, got {_shown(cursor)}")
    return cursor


def given(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _is_at(base_url: str, url: str) -> bool:
    """Whether a page is on the API's own server."""
    return urls.origin(url) == urls.origin(base_url)


def _shown(url: str) -> str:
    return repr(excerpt(without_query(url), 100))
