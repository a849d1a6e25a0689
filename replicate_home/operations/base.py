"""What an operation is, and how the pages of a list are asked for."""

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
        if not _is_at(base_url, self.path):
            raise InvalidInput(f"the cursor leads to another server than {base_url}: {_shown(self.path)}")
        return self.path

    def request(self, dialect: Dialect) -> Request:
        """The request for it.

        Raises :class:`PermissionDenied` where this kind of server has no such operation, :class:`InvalidInput` for what
        JSON cannot hold.
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
        """The error for what is not there, by its own kind and with what was said of it."""
        if isinstance(error, self.missing):
            return error
        return self.missing(
            str(error), status=error.status, title=error.title, detail=error.detail, request_id=error.request_id
        )

    def read(self, response: Response, base_url: str) -> T:
        """The result in a successful response; raises :class:`ProtocolError` where there is none.

        A page that leads to another server than the API at ``base_url`` is none: what follows it could not be trusted.
        """
        found = without_frames(lambda: self.reader(response))
        for name in ("next", "previous") if isinstance(found, PageFields) else ():
            url = getattr(found, name)
            if url is not None and not _is_at(base_url, url):
                raise ProtocolError(f"a page's {name!r} should be at the API itself, got {_shown(url)}")
        return found


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


def given(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _is_at(base_url: str, url: str) -> bool:
    """Whether a page is at the API itself."""
    return urls.origin(url) == urls.origin(base_url)


def _shown(url: str) -> str:
    return repr(excerpt(without_query(url), 100))
