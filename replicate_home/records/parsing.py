"""The one way from what a server sent to a record. It stands apart so that records know of no errors."""

from __future__ import annotations

from typing import Any, TypeVar

from ..exceptions import ProtocolError
from .base import Record, fault_in

R = TypeVar("R", bound=Record)


def parse(kind: type[R], data: Any) -> R:
    """The record that a JSON value is; raises :class:`ProtocolError` naming the field that is wrong."""
    fault = fault_in(kind, data)
    if fault is not None:
        raise ProtocolError(fault)
    return kind(data)
