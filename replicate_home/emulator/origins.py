"""Keeps foreign web pages away from a server on the user's own machine.

A page can make its visitor's browser send requests to this machine; if its own name resolves to this machine's address,
it can read the responses too. Browsers send the page's origin and the name that the request was sent to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from .problems import Problem, forbidden

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_JSON, _FORM = "application/json", "multipart/form-data"


def check_origin(headers: Mapping[str, str], names: Collection[str] | None) -> None:
    """Refuse a request that was sent to a name not in ``names`` (None: any), or by a foreign page."""
    host, origin = headers.get("host"), headers.get("origin")
    if host is not None and names is not None and not _is_one_of(names, host):
        raise forbidden("this server does not answer to that name: serve with --allow-others to answer to any")
    if origin is not None and origin.lower() != f"http://{host}".lower():
        raise forbidden("web pages of other origins may not use this server")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise forbidden("web pages of other origins may not use this server")


def _is_one_of(names: Collection[str], host: str) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return False
    return name in names or (name.startswith("127.") and name.replace(".", "").isdigit())


def check_content_type(method: str, headers: Mapping[str, str]) -> None:
    """Refuse a body of a kind that a web page may send without a preflight request.

    Browsers send one before any method but GET, HEAD and POST, so a QUERY may be sent as text.
    """
    has_body = headers.get("content-length", "0").strip() != "0" or "transfer-encoding" in headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if has_body and method in ("GET", "HEAD", "POST") and kind not in (_JSON, _FORM):
        raise Problem(415, "Unsupported media type", f"the body is sent as {_JSON}, or a file as {_FORM}")
