"""The one way from what a server sent to records. It stands apart so that records know of no errors."""

from __future__ import annotations

from typing import Any, TypeVar

from ..exceptions import ProtocolError
from .base import Record, fault_in, fault_in_list
from .page import PageFields

R = TypeVar("R", bound=Record)


def parse(kind: type[R], data: Any) -> R:
    """The record that a JSON value is; raises :class:`ProtocolError` naming the field that is wrong."""
    fault = fault_in(kind, data)
    if fault is not None:
        raise ProtocolError(fault)
    return kind(data)


def parse_list(kind: type[R], data: Any) -> list[R]:
    """The records in a JSON list; raises :class:`ProtocolError` naming the item and the field that is wrong."""
    fault = fault_in_list(kind, data)
    if fault is not None:
        raise ProtocolError(f"the list{fault}")
    return [kind(item) for item in data]


def parse_page(kind: type[R], data: Any) -> PageFields[R]:
    """One page of a list of records; raises :class:`ProtocolError` naming what is wrong."""
    fault = fault_in(PageFields, data)
    if fault is None and (wrong := fault_in_list(kind, data.get("results"))) is not None:
        fault = f"a page's 'results'{wrong}"
    if fault is not None:
        raise ProtocolError(fault)
    return PageFields(data, kind)
