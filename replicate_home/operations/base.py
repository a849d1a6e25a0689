"""An operation of the API as a value: what it asks, and how its response is read. A client has it done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import attrs

from ..dialects.base import Dialect, without_frames
from ..exceptions import ProtocolError
from ..protocol import urls
from ..protocol.strict_json import excerpt, parse_json
from ..wire import Request, Response

R = TypeVar("R")


@attrs.frozen
class Operation(Generic[R]):
    """``path`` is relative to the base URL, or a URL from one of the API's responses; ``parse`` reads the JSON."""

    method: str
    path: str
    parse: Callable[[Any], R]
    query: Mapping[str, str | None] = attrs.field(factory=dict)
    json: Any = None
    repeatable: bool = False
    """Whether it does no harm twice, although it is a POST."""

    def request(self, dialect: Dialect) -> Request:
        """The request for it; raises PermissionDenied where this kind of server has no such operation."""
        given = {name: value for name, value in self.query.items() if value is not None}
        path = f"{self.path}?{urlencode(given)}" if given else self.path
        return dialect.call(self.method, path, json=self.json)

    def read(self, response: Response, base_url: str) -> R:
        """What came of it; raises :class:`ProtocolError`."""
        return without_frames(lambda: self._read(response, base_url))

    def _read(self, response: Response, base_url: str) -> R:
        found = self.parse(parse_json(response.body) if response.body else None)
        if isinstance(found, PageFields):
            found.check(base_url)
        return found


@attrs.frozen
class PageFields(Generic[R]):
    """One page of a list: its items, and the URLs of the pages beside it."""

    results: list[R]
    next: str | None = None
    previous: str | None = None

    @classmethod
    def parse(cls, found: Any, item: Callable[[Any], R]) -> PageFields[R]:
        """The page in the API's JSON, each of its items read by ``item``."""
        if not isinstance(found, dict) or not isinstance(found.get("results"), list):
            raise ProtocolError("expected a page (an object with a list of 'results')")
        return cls([item(each) for each in found["results"]], found.get("next"), found.get("previous"))

    def check(self, base_url: str) -> None:
        """ProtocolError where the pages beside it are not at the API itself."""
        for name, url in (("next", self.next), ("previous", self.previous)):
            if url is not None and urls.origin(str(url)) != urls.origin(base_url):
                raise ProtocolError(f"a page's {name!r} should be at the API itself, got {excerpt(str(url), 100)!r}")
