"""The ways in which a response is read: values too, so that operations can be compared."""

from __future__ import annotations

from typing import Generic, TypeVar

import attrs

from ..exceptions import ProtocolError
from ..protocol import urls
from ..protocol.redaction import excerpt
from ..protocol.strict_json import parse_json
from ..records.base import Record
from ..records.page import PageFields
from ..records.parsing import parse, parse_list, parse_page
from ..wire import Response

R = TypeVar("R", bound=Record)


@attrs.frozen
class One(Generic[R]):
    """A record; ``id`` is the one that it has to have."""

    kind: type[R]
    id: str | None = None

    def __call__(self, response: Response, _: str, /) -> R:
        """The record in the response."""
        found = parse(self.kind, parse_json(response.body))
        if self.id is not None and found["id"] != self.id:
            raise ProtocolError(f"asked for {self.id!r}, got {excerpt(str(found['id']))!r}")
        return found


@attrs.frozen
class All(Generic[R]):
    """A list that comes without pages."""

    kind: type[R]

    def __call__(self, response: Response, _: str, /) -> list[R]:
        """The records in the response."""
        return parse_list(self.kind, parse_json(response.body))


@attrs.frozen
class Page(Generic[R]):
    """One page of a list, which leads to other pages of the same server only."""

    kind: type[R]

    def __call__(self, response: Response, base_url: str, /) -> PageFields[R]:
        """The page in the response."""
        page = parse_page(self.kind, parse_json(response.body))
        for name, url in (("next", page.next), ("previous", page.previous)):
            if url is not None and urls.origin(url) != urls.origin(base_url):
                raise ProtocolError(f"a page's {name!r} should be at the API itself, got {excerpt(url, 100)!r}")
        return page


@attrs.frozen
class Text:
    """Text as it is."""

    def __call__(self, response: Response, _: str, /) -> str:
        """The body of the response."""
        return response.body.decode("utf-8", "replace")


@attrs.frozen
class Content:
    """Bytes as they are."""

    def __call__(self, response: Response, _: str, /) -> bytes:
        """The body of the response."""
        return response.body


@attrs.frozen
class Accepted:
    """Whether it was done, or will be: no response but a successful one is read."""

    def __call__(self, _: Response, __: str, /) -> bool:
        """True."""
        return True
