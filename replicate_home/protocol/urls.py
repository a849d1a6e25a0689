"""Which URL belongs to whom: origins, what may be requested, and where the token may go.

The token goes to the API's own origin only, over https, or to a loopback address. A URL from a server's
answer is requested only where :func:`is_safe` says so.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
_NUMERIC = re.compile(r".*:.*|(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*")
_INTERNAL = re.compile(r"[^.]*|.*\.(internal|local|localhost|localdomain|lan|home|home\.arpa|intranet|corp|private)")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_PORTS = {"https": 443, "http": 80}


@lru_cache(maxsize=512)  # asked several times in every call, and splitting a URL is slow
def origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an http(s) URL; None for anything that is not plainly one.

    User names, spaces, backslashes, percent signs in hosts and hosts outside ASCII are not plain: clients disagree on
    their meaning.
    """
    if _FORBIDDEN.search(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname
    if parts.scheme not in _PORTS or not host or not host.isascii() or "@" in parts.netloc or "%" in parts.netloc:
        return None
    return parts.scheme, host, _PORTS[parts.scheme] if port is None else port


def is_loopback(url: str) -> bool:
    """Whether the URL is for this machine itself."""
    found = origin(url)
    return found is not None and _LOOPBACK.fullmatch(found[1]) is not None


def carries_token(base_url: str, url: str) -> bool:
    """Whether a request for ``url`` may carry the token for the API at ``base_url``."""
    found = origin(url)
    return found is not None and found == origin(base_url) and (found[0] == "https" or is_loopback(url))


def is_safe(base_url: str, url: str) -> bool:
    """Whether a URL that came in an answer from ``base_url`` may be requested at all.

    Either it is at the API's own origin, or it is https to a host that does not look internal; an API on this
    machine may also name other ports of this machine.
    """
    found = origin(url)
    if found is None:
        return False
    if found == origin(base_url) or (is_loopback(base_url) and is_loopback(url)):
        return True
    return found[0] == "https" and _is_public(found[1].removesuffix("."))


def _is_public(host: str) -> bool:
    """Whether a host does not look internal; an address must be written the usual way, for 0x7f.1 is one too."""
    if not _NUMERIC.fullmatch(host):
        return _INTERNAL.fullmatch(host) is None
    from ipaddress import IPv6Address, ip_address  # costs 4 ms to import and is rarely needed

    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and (address.packed[0] >> 5 != 1 or address.sixtofour or address.teredo):
        return False  # site-local, or another address is embedded, which may be any
    return address.is_global and not address.is_multicast


def resolve(base_url: str, location: str) -> str:
    """The absolute form of ``location``, which may be relative to ``base_url``; empty where it is no URL."""
    try:
        return urljoin(base_url, location)
    except ValueError:
        return ""


def normalized(base_url: str) -> str:
    """The API's base URL with its ``/v1``, whether it was given with or without; raises ValueError."""
    if origin(base_url) is None:
        raise ValueError(
            f"base_url must be an http or https URL without credentials, such as https://host/v1; got {base_url!r}"
        )
    if "?" in base_url or "#" in base_url:
        raise ValueError(f"base_url must not have a query or fragment; got {base_url!r}")
    bare = base_url.rstrip("/")
    return bare if bare.endswith("/v1") else bare + "/v1"
