"""The error for a response with an error status.

Its class depends only on the status, whether the body is a problem document (RFC 9457), other JSON, HTML or empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..exceptions import (
    APIError,
    AuthenticationError,
    InvalidInput,
    NotFound,
    PaymentRequired,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ServerError,
)
from ..records.prediction import Snapshot
from ..wire import Request, Response
from .redaction import excerpt, readable, redact, without_query
from .strict_json import parse_json
from .urls import is_nowhere

_BY_STATUS: dict[int, type[APIError]] = {
    400: InvalidInput,
    401: AuthenticationError,
    402: PaymentRequired,
    403: PermissionDenied,
    404: NotFound,
    410: NotFound,
    422: InvalidInput,
    429: RateLimited,
}


def api_error(
    response: Response,
    request: Request | None = None,
    *,
    wall_time: float = 0.0,
    prediction: Snapshot | None = None,
    missing: type[NotFound] = NotFound,
    advice: Mapping[int, str] | None = None,
) -> APIError:
    """The error for a response that refuses ``request``.

    ``missing`` is the class for 404 and 410; ``advice`` is what to do about a status.
    """
    document = _document(response.body)
    title = _words(document.get("title"), request)
    detail = _words(_fields(document.get("detail")), request)
    if detail is None:
        detail = _words(document.get("error"), request) or _words(readable(_text(response.body)), request, 200)
    kind = _BY_STATUS.get(response.status, ServerError if response.status >= 500 else APIError)
    kind = missing if kind is NotFound else kind
    evidence: dict[str, Any] = {
        "status": response.status,
        "title": title,
        "detail": detail,
        "request_id": _words(response.headers.get("x-request-id") or response.headers.get("request-id"), request),
        "prediction": prediction,
    }
    if kind is RateLimited:
        from .retry_after import server_wait  # only needed after a 429

        evidence["retry_after"] = server_wait(response, wall_time)
    retry_after = evidence.get("retry_after")
    to_do = (advice or {}).get(response.status) if retry_after is None else f"the server asks to wait {retry_after:g} s"
    return kind(_message(response, request, title, detail, to_do), **evidence)


def redirect_error(response: Response, request: Request, *, prediction: Snapshot | None = None) -> ProtocolError:
    """The error for a redirect that is not followed."""
    target = _words(response.headers.get("location", "")[:200], request)
    return ProtocolError(
        f"{_asked(request)} was redirected ({response.status}) to {target or 'nowhere'!r}, which is not followed: "
        "check base_url",
        prediction=prediction,
    )


def unreadable(request: Request, error: ProtocolError) -> ProtocolError:
    """The error for a response to ``request`` that makes no sense, which names its URL."""
    return ProtocolError(f"{_asked(request)}: {error}", prediction=error.prediction)


def _text(body: bytes) -> str:
    return body[:4096].decode("utf-8", "replace")


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = parse_json(body[: 2**20])
    except ProtocolError:
        return {}
    return found if isinstance(found, dict) else {}


def _fields(detail: Any) -> Any:
    """FastAPI's list of invalid fields as text, such as ``input.size: 9 is too small``."""
    if not isinstance(detail, list) or not all(isinstance(one, dict) and "msg" in one for one in detail):
        return detail
    return "; ".join(_field(one.get("loc"), str(one["msg"])) for one in detail)


def _field(place: Any, message: str) -> str:
    parts = [str(part) for part in place if part not in ("body", "__root__")] if isinstance(place, list) else []
    return f"{'.'.join(parts)}: {message}" if parts else message


def _words(value: Any, request: Request | None, length: int = 2048) -> str | None:
    """Text that can be shown: on one line, at most 2 kB, and without the token if the server echoes it."""
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else repr(value)
    return excerpt(redact(text, request.token if request else None), length) or None


def _message(
    response: Response, request: Request | None, title: str | None, detail: str | None, to_do: str | None
) -> str:
    said = ": ".join(part for part in (title, _as_sentence(detail)) if part) or "no explanation"
    message = f"{response.status} {said}"
    if request and not is_nowhere(request.url):  # a model in this process has no address
        message = f"{_asked(request)}: {message}"
    if request and request.about and response.status in (404, 410) and request.about not in message:
        message = _followed(message, f"asked for {request.about!r}: check the name, and that your token may see it")
    return _followed(message, to_do) if to_do else message


def _followed(message: str, more: str) -> str:
    return f"{message} {more[0].upper()}{more[1:]}" if message.endswith(".") else f"{message}; {more}"


def _as_sentence(detail: str | None) -> str | None:
    """A list of invalid fields, as the API writes them one a line, as one sentence."""
    if detail is None or not detail.startswith("- "):
        return detail
    return detail.removeprefix("- ").replace(" - input.", "; input.")


def _asked(request: Request) -> str:
    return f"{request.method} {without_query(request.url)}"
