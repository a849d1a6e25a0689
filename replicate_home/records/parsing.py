"""The only way from JSON to a record. A separate module, so that records do not import errors."""

from __future__ import annotations

from typing import Any, TypeVar

from ..exceptions import ProtocolError
from .base import Record, fault_in

R = TypeVar("R", bound=Record)


def parse(kind: type[R], data: Any) -> R:
    """The record in a JSON value; raises :class:`ProtocolError` that names the invalid field."""
    fault = fault_in(kind, data)
    if fault is not None:
        raise ProtocolError(fault)
    return kind(data)
