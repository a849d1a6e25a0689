"""What the surroundings say about an origin: which proxy leads there, and whose certificates are believed there.

Read once for an origin. What a session says goes before the environment; ``.netrc`` is never read.
"""

from __future__ import annotations

import os
from typing import Any

import attrs
from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class CertificatesUnusable(Exception):
    """The file or folder of trusted certificates, or the client's own certificate, cannot be read."""


class ProxyUnusable(Exception):
    """The address of a proxy is none."""


@attrs.frozen
class Surroundings:
    """``proxies``, ``verify`` and ``cert`` as an adapter's ``send`` takes them. No proxy's password is shown."""

    proxies: dict[str, str] = attrs.field(repr=False)
    verify: bool | str
    cert: Any = attrs.field(repr=False)


def surroundings(session: Any, url: str) -> Surroundings:
    """What holds for the origin of ``url``."""
    proxies = dict(session.proxies)
    if session.trust_env:
        proxies = {**get_environ_proxies(url, no_proxy=proxies.get("no_proxy")), **proxies}
    _check_proxy(select_proxy(url, proxies))
    return Surroundings(proxies, _verify(session), session.cert)


def _check_proxy(proxy: str | None) -> None:
    try:
        usable = not proxy or parse_url(proxy).host
    except LocationParseError:
        usable = None
    if not usable:
        raise ProxyUnusable("it names no host")


def _verify(session: Any) -> bool | str:
    if session.verify is not True or not session.trust_env:
        verify: bool | str = session.verify
        return verify
    for name in CA_VARIABLES:
        path = os.environ.get(name)
        if path and not os.path.exists(path):
            raise CertificatesUnusable(f"{name} names {path!r}, which does not exist")
        if path:
            return path
    return True
