"""What keeps web pages of other people away from a server on the user's own machine.

A page can have its visitor's browser send requests to this machine, and by a name that it gives the address of this
machine it can read the answers too. Browsers say where a request comes from, and which name it was sent to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from .problems import Problem, forbidden

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_JSON, _FORM = "application/json", "multipart/form-data"


def check_origin(headers: Mapping[str, str], names: Collection[str] | None) -> None:
    """Refuse a request that was sent to another name than one of ``names`` (None: any), or by a foreign page."""
    host, origin = headers.get("host"), headers.get("origin")
    if host is not None and names is not None and not _is_one_of(names, host):
        raise forbidden("this server is not known by that name: serve with --allow-others to have it answer to any")
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
    """Refuse a body of a kind that a web page may send without being asked whether it may.

    Browsers ask before any other method than GET, HEAD and POST: a QUERY may be sent as text.
    """
    has_body = headers.get("content-length", "0").strip() != "0" or "transfer-encoding" in headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if has_body and method in ("GET", "HEAD", "POST") and kind not in (_JSON, _FORM):
        raise Problem(415, "Unsupported media type", f"the body is sent as {_JSON}, or a file as {_FORM}")
