"""Refusals: problem documents (RFC 9457) as the hosted API sends them, and the errors behind them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..wire import Response


class Problem(Exception):
    """The request is refused, with this ``status``, document and ``headers``."""

    def __init__(
        self, status: int, title: str | None, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers or {}
        self.document = {**({"title": title} if title else {}), "detail": detail, "status": status, **more}

    def response(self, headers: Mapping[str, str]) -> Response:
        """The response."""
        body = json.dumps(self.document).encode()
        described = {"content-type": "application/problem+json", **headers, **self.headers}
        return Response(self.status, described, body)


def not_found(detail: str) -> Problem:
    """404: it does not exist."""
    return Problem(404, "Not found", detail)


def bad_request(detail: str) -> Problem:
    """400: the request is malformed."""
    return Problem(400, "Bad request", detail)


def forbidden(detail: str) -> Problem:
    """403: the account may not do that."""
    return Problem(403, "Forbidden", detail)


def conflict(detail: str) -> Problem:
    """409: it conflicts with the current state."""
    return Problem(409, "Conflict", detail)


def invalid(detail: str, title: str = "Invalid request") -> Problem:
    """422: the request is well-formed, but impossible."""
    return Problem(422, title, detail)


def hint(wrong: str, known: Iterable[str], alike: float = 0.6) -> str:
    """The name that was probably meant, and all names."""
    from difflib import get_close_matches  # only mistakes need it

    names = list(known)
    close = get_close_matches(wrong[:100], names, n=1, cutoff=alike)
    meant = f"Did you mean {close[0]!r}? " if close else ""
    return f"{meant}It has: {', '.join(names) or 'none'}"


class InvalidField(Exception):
    """One value of an input is wrong; ``where`` is its place within the field."""

    def __init__(self, description: str, rule: str) -> None:
        super().__init__(description)
        self.description, self.rule, self.where = description, rule, ""

    @staticmethod
    @contextmanager
    def at(place: str) -> Iterator[None]:
        """Locate errors inside at ``place`` of the surrounding value."""
        try:
            yield
        except InvalidField as error:
            error.where = place + error.where
            raise

    @staticmethod
    @contextmanager
    def collected() -> Iterator[InvalidFields]:
        """Raise one :class:`Problem` at the end for all the fields found wrong inside."""
        wrong = InvalidFields()
        yield wrong
        if wrong.fields:
            detail = "".join(f"- input.{field['field']}: {field['description']}\n" for field in wrong.fields)
            raise Problem(422, "Input validation failed", detail, invalid_fields=wrong.fields)


class InvalidFields:
    """The fields of one input that were found wrong."""

    def __init__(self) -> None:
        self.fields: list[dict[str, str]] = []

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Collect errors about the field ``name`` inside."""
        try:
            yield
        except InvalidField as error:
            described = f"{name}{error.where} {error.description}"
            self.fields.append({"type": error.rule, "field": name + error.where, "description": described})
