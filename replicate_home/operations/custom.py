"""``client.request``: a call that is not in the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..exceptions import InvalidInput
from ..wire import Response
from .base import Operation


def custom(method: str, path: str, *, json: Any = None, query: Mapping[str, str] | None = None) -> Operation[Response]:
    """Any call of the API; its result is the response."""
    if not (isinstance(method, str) and isinstance(path, str)):
        raise TypeError(f"method and path must be strings, got {type(method).__name__} and {type(path).__name__}")
    if not (method.isascii() and method.isalpha()):
        raise InvalidInput(f"method must be a word such as GET, got {method[:100]!r}")
    return Operation("request", method.upper(), path, _as_it_is, query=dict(query or {}), json=json)


def _as_it_is(response: Response) -> Response:
    return response
