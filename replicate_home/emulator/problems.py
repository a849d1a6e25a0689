"""Refusals: problem documents (RFC 9457) as the hosted API writes them, and the errors that become one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..wire import Response


class Problem(Exception):
    """The request is refused: ``status`` and what the document says."""

    def __init__(self, status: int, title: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.document = {"title": title, "detail": detail, "status": status, **more}

    def response(self, headers: Mapping[str, str]) -> Response:
        """The answer that says it."""
        body = json.dumps(self.document).encode()
        return Response(self.status, {**headers, "content-type": "application/problem+json"}, body)


def not_found(detail: str) -> Problem:
    """404: there is no such thing here."""
    return Problem(404, "Not found", detail)


def invalid(detail: str, title: str = "Invalid request") -> Problem:
    """422: the request says something that cannot be done."""
    return Problem(422, title, detail)


class InvalidField(Exception):
    """One value of an input is wrong; ``where`` is its place within the field."""

    def __init__(self, description: str, rule: str) -> None:
        super().__init__(description)
        self.description, self.rule, self.where = description, rule, ""

    @staticmethod
    @contextmanager
    def at(place: str) -> Iterator[None]:
        """Say that what goes wrong inside is at ``place`` of the value around it."""
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
        """Collect what goes wrong with the field ``name`` inside."""
        try:
            yield
        except InvalidField as error:
            described = f"{name}{error.where} {error.description}"
            self.fields.append({"type": error.rule, "field": name + error.where, "description": described})
