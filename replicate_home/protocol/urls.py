"""Origins of URLs: which ones may be requested, and where the token may go.

The token goes only to the API's own origin, over https or to a loopback address. A URL from a response is
requested only if :func:`is_safe` allows it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
_NUMERIC = re.compile(r".*:.*|(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*")
_INTERNAL = re.compile(r"[^.]*|.*\.(internal|local|localhost|localdomain|lan|home|home\.arpa|intranet|corp|private)")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_PORTS = {"https": 443, "http": 80}


@lru_cache(maxsize=512)  # asked several times in every call, and splitting a URL is slow
def origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an http(s) URL; None for anything that is not clearly one.

    User names, spaces, backslashes, percent signs in hosts and non-ASCII hosts are refused: clients disagree about
    what they mean.
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
    """Whether the URL is on this machine."""
    found = origin(url)
    return found is not None and _LOOPBACK.fullmatch(found[1]) is not None


def is_nowhere(url: str) -> bool:
    """Whether the host is one that exists nowhere (RFC 6761), as that of a server in this process."""
    found = origin(url)
    return found is not None and found[1].endswith(".invalid")


def carries_token(base_url: str, url: str) -> bool:
    """Whether a request for ``url`` may carry the token for the API at ``base_url``."""
    found = origin(url)
    return found is not None and found == origin(base_url) and (found[0] == "https" or is_loopback(url))


def is_safe(base_url: str, url: str) -> bool:
    """Whether a URL in a response from ``base_url`` may be requested.

    Either it is at the API's own origin, or it is https to a host that does not look internal; an API on this
    machine may also name other ports of this machine, and one on an internal network other hosts there.
    """
    found = origin(url)
    if found is None:
        return False
    if found == origin(base_url) or are_neighbors(base_url, url):
        return True
    return found[0] == "https" and _is_public(found[1].removesuffix("."))


def are_neighbors(base_url: str, url: str) -> bool:
    """Whether both are on this machine, or both on an internal network beyond it."""
    if is_loopback(base_url) and is_loopback(url):
        return True
    hosts = [found[1].removesuffix(".") for found in (origin(base_url), origin(url)) if found is not None]
    return len(hosts) == 2 and all(_is_on_internal_network(host) for host in hosts)


def _is_on_internal_network(host: str) -> bool:
    """Judged by name or address. Not this machine, and not link-local, where clouds serve credentials."""
    if _LOOPBACK.fullmatch(host) or host.endswith(".localhost"):
        return False
    if not _NUMERIC.fullmatch(host):
        return _INTERNAL.fullmatch(host) is not None
    address = _address(host)
    return address is not None and address.is_private and not (address.is_loopback or address.is_link_local)


def _is_public(host: str) -> bool:
    """Whether a host does not look internal. Addresses must be in the usual form: 0x7f.1 is one, too."""
    if not _NUMERIC.fullmatch(host):
        return _INTERNAL.fullmatch(host) is None
    from ipaddress import IPv6Address  # as below

    address = _address(host)
    if address is None:
        return False
    if isinstance(address, IPv6Address) and (address.packed[0] >> 5 != 1 or address.sixtofour or address.teredo):
        return False  # site-local, or with any other address embedded in it
    return address.is_global and not address.is_multicast


def _address(host: str) -> IPv4Address | IPv6Address | None:
    from ipaddress import ip_address  # costs 4 ms to import and is rarely needed

    try:
        return ip_address(host)
    except ValueError:
        return None


def resolve(base_url: str, location: str) -> str:
    """The absolute form of ``location``, which may be relative to ``base_url``; empty if it is not a URL."""
    try:
        return urljoin(base_url, location)
    except ValueError:
        return ""


def normalized(base_url: str) -> str:
    """The API's base URL with ``/v1``, whether or not it was given; raises ValueError if it is invalid."""
    bare = _checked_base(base_url)
    return bare if bare.endswith("/v1") else bare + "/v1"


def without_version(base_url: str) -> str:
    """The base URL of a server without ``/v1``; raises ValueError if it is invalid or has a ``/v1``."""
    bare = _checked_base(base_url)
    if bare.endswith("/v1"):
        raise ValueError(f"a Cog server has no /v1: base_url should be {bare.removesuffix('/v1')!r}, got {base_url!r}")
    return bare


def _checked_base(base_url: str) -> str:
    if origin(base_url) is None:
        raise ValueError(
            f"base_url must be an http or https URL without credentials, such as https://host/v1; got {base_url!r}"
        )
    if "?" in base_url or "#" in base_url:
        raise ValueError(f"base_url must not have a query or fragment; got {base_url!r}")
    return base_url.rstrip("/")
