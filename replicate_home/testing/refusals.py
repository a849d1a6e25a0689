"""The refusals that scripts can use, in the hosted service's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..emulator.problems import Problem
from ..wire import Response

_SAID: dict[int, tuple[str | None, str]] = {
    400: ("Bad request", "The request could not be read"),
    401: ("Unauthenticated", "You did not pass a valid authentication token"),
    402: ("Insufficient credit", "You have insufficient credit to run this model"),
    403: ("Forbidden", "You do not have permission to perform this action"),
    404: ("Not found", "The requested resource could not be found"),
    422: ("Input validation failed", "The input is not valid"),
    429: (None, "Request was throttled. Your rate limit resets soon"),
    500: ("Internal server error", "An unexpected error occurred"),
    502: ("Bad gateway", "The service could not be reached"),
    503: ("Service unavailable", "The service is temporarily unavailable"),
    504: ("Gateway timeout", "The service did not answer in time"),
}


def checked_status(status: int) -> int:
    """``status``, if it is an error status; raises ValueError otherwise."""
    if not 400 <= status <= 599:
        raise ValueError(f"a refusal needs a status from 400 to 599, not {status}")
    return status


def refusal(status: int, detail: str | None, *, retry_after: float | None, fields: Mapping[str, str] | None) -> Problem:
    """A problem document with this ``status``."""
    title, usual = _SAID.get(status, (None, f"refused with status {status}"))
    more: dict[str, Any] = {}
    headers = {}
    if fields is not None:
        more["invalid_fields"] = [
            {"type": "invalid", "field": name, "description": wrong} for name, wrong in fields.items()
        ]
        usual = "".join(f"- input.{name}: {wrong}\n" for name, wrong in fields.items())
    if retry_after is not None:
        headers["retry-after"] = f"{retry_after:g}"
        more["retry_after"] = retry_after
    return Problem(status, title, usual if detail is None else detail, headers, **more)


class _Page(Problem):
    """An HTML page instead of JSON."""

    def response(self, headers: Mapping[str, str]) -> Response:
        """The answer that shows it."""
        described = {"content-type": "text/html; charset=utf-8", **headers}
        return Response(self.status, described, str(self).encode())


def html_page(html: str, status: int) -> Problem:
    """A page with this ``status``."""
    return _Page(status, None, html)
