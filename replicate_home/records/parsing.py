"""The one way from what a server sent to records. It stands apart so that records know of no errors."""

from __future__ import annotations

from typing import Any, TypeVar

from ..exceptions import ProtocolError
from .base import Record, fault_in, fault_in_list, kind_of
from .page import PageFields

R = TypeVar("R", bound=Record)


def parse(kind: type[R], data: Any) -> R:
    """The record that a JSON value is; raises :class:`ProtocolError` naming the field that is wrong."""
    fault = fault_in(kind, data)
    if fault is not None:
        raise ProtocolError(fault)
    return kind(data)


def parse_list(kind: type[R], data: Any, what: str = "the list") -> list[R]:
    """The records in a JSON list; raises :class:`ProtocolError` naming the item and the field that is wrong."""
    fault = fault_in_list(kind, data)
    if fault is not None:
        raise ProtocolError(f"{what}{fault}")
    return [kind(item) for item in data]


def parse_page(kind: type[R], data: Any) -> PageFields[R]:
    """One page of a list of records; raises :class:`ProtocolError` naming what is wrong."""
    if not isinstance(data, dict) or "results" not in data:
        raise ProtocolError(f"expected a page (a JSON object with 'results'), got {kind_of(data)}")
    for name in ("next", "previous"):
        if not isinstance(data.get(name), (str, type(None))):
            raise ProtocolError(f"a page's {name!r} should be a string, got {kind_of(data[name])}")
    rest = {name: value for name, value in data.items() if name not in ("results", "next", "previous")}
    results = parse_list(kind, data["results"], "a page's 'results'")
    return PageFields(results, data.get("next"), data.get("previous"), rest)
