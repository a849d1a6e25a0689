"""The ways to read a response. They can be compared, so that operations can be."""

from __future__ import annotations

from typing import Generic, TypeVar

import attrs

from ..exceptions import ProtocolError
from ..protocol.redaction import excerpt
from ..protocol.strict_json import parse_json
from ..records.base import Record
from ..records.page import PageFields, parse_list, parse_page
from ..records.parsing import parse
from ..wire import Response

R = TypeVar("R", bound=Record)


@attrs.frozen
class One(Generic[R]):
    """A record; ``id`` is the one it must have, if given."""

    kind: type[R]
    id: str | None = None

    def __call__(self, response: Response) -> R:
        """The record in the response."""
        found = parse(self.kind, parse_json(response.body))
        if self.id is not None and found["id"] != self.id:
            raise ProtocolError(f"asked for {self.id!r}, got {excerpt(str(found['id']))!r}")
        return found


@attrs.frozen
class All(Generic[R]):
    """A list without pages."""

    kind: type[R]

    def __call__(self, response: Response) -> list[R]:
        """The records in the response."""
        return parse_list(self.kind, parse_json(response.body))


@attrs.frozen
class Page(Generic[R]):
    """One page of a list."""

    kind: type[R]

    def __call__(self, response: Response) -> PageFields[R]:
        """The page in the response."""
        return parse_page(self.kind, parse_json(response.body))


def text(response: Response) -> str:
    """The body as text."""
    return response.body.decode("utf-8", "replace")


def content(response: Response) -> bytes:
    """The body as it is."""
    return response.body


def accepted(_: Response) -> bool:
    """True: only successful responses are read, so the request was accepted."""
    return True
