"""One page of a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import attrs

from .base import Record

R = TypeVar("R", bound=Record)


@attrs.frozen
class PageFields(Generic[R]):
    """One page of a list: its items, and the URLs of the pages after and before it, which serve as cursors."""

    results: list[R]
    next: str | None = None
    previous: str | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The page as the API sends it."""
        results = [record.to_dict() for record in self.results]
        return {"next": self.next, "previous": self.previous, "results": results, **self.extra}
