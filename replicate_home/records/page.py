"""Lists of records, complete or one page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from ..exceptions import ProtocolError
from .base import JSONObject, Record, fault_in, fault_in_list, field

R = TypeVar("R", bound=Record)


class PageFields(Record, Generic[R], noun="a page"):
    """One page of a list: its items, and the URLs of the next and previous page, which serve as cursors."""

    __slots__ = ("_kind", "results")
    results: list[R]

    next = field(str, "The URL of the page after this one; None at the end.")
    previous = field(str, "The URL of the page before this one; None at the beginning.")

    def __init__(self, data: Mapping[str, Any], kind: type[R]) -> None:
        super().__init__(data)
        self._kind = kind
        self.results = [kind(item) for item in data["results"]]

    @property
    def extra(self) -> JSONObject:
        """The fields from the server that are not declared here."""
        return {name: value for name, value in super().extra.items() if name != "results"}

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and isinstance(other, PageFields) and other._kind is self._kind

    __hash__ = Record.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.to_dict(), self._kind)

    def __repr__(self) -> str:
        return f"PageFields({len(self.results)} {self._kind.__name__}{', more' if self.next else ''})"


def parse_list(kind: type[R], data: Any) -> list[R]:
    """The records in a JSON list; raises :class:`ProtocolError` that names the invalid item and field."""
    fault = fault_in_list(kind, data)
    if fault is not None:
        raise ProtocolError(f"the list{fault}")
    return [kind(item) for item in data]


def parse_page(kind: type[R], data: Any) -> PageFields[R]:
    """One page of a list of records; raises :class:`ProtocolError` that names what is invalid."""
    fault = fault_in(PageFields, data)
    if fault is None and (wrong := fault_in_list(kind, data.get("results"))) is not None:
        fault = f"a page's 'results'{wrong}"
    if fault is not None:
        raise ProtocolError(fault)
    return PageFields(data, kind)
