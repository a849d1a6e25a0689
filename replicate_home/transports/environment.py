"""What is around a transport: which proxy leads to an origin, and whose certificates are believed there.

Read once for an origin. What a session says goes before the environment. ``.netrc`` is never read, and no proxy of the
environment is asked for what is on this machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import attrs
from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from ..exceptions import ProxyFailed
from ..protocol.urls import is_loopback
from ..wire import Request
from .errors import CertificatesUnusable, ProxyUnusable, made

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@attrs.frozen
class Environment:
    """The way to an origin: ``proxy`` is a URL or None; ``verify`` and ``cert`` are as requests has them.

    ``forwards`` is whether the proxy is sent the request itself, rather than asked for a tunnel. No password is shown.
    """

    proxy: str | None = attrs.field(repr=False)
    verify: bool | str
    cert: Any = attrs.field(repr=False)
    forwards: bool

    def keep_secret(self, request: Request) -> None:
        """Raise ProxyFailed where a proxy would read the token."""
        if self.forwards and request.token is not None:
            raise made(ProxyFailed, request, "proxy", "a proxy would be sent the token in the clear", processed=False)


def environment_of(
    url: str,
    *,
    proxies: Mapping[str, str] | None = None,
    verify: bool | str = True,
    cert: Any = None,
    trusted: bool = True,
) -> Environment:
    """What holds for the origin of ``url``. ``trusted`` is whether the variables of the environment count.

    Raises :class:`CertificatesUnusable` and :class:`ProxyUnusable`.
    """
    chosen = dict(proxies or {})
    if trusted and not is_loopback(url):
        chosen = {**get_environ_proxies(url, no_proxy=chosen.get("no_proxy")), **chosen}
    proxy = select_proxy(url, chosen) or None
    if proxy is not None:
        _check_proxy(proxy)
    if verify is True and trusted:
        verify = _bundle()
    _check_files(verify, cert)
    return Environment(proxy, verify, cert, proxy is not None and url[:6].lower() != "https:")


def _check_proxy(proxy: str) -> None:
    try:
        usable = parse_url(proxy).host
    except LocationParseError:
        usable = None
    if not usable:
        raise ProxyUnusable("it names no host")


def _bundle() -> bool | str:
    """Which authorities the environment names; True for the usual ones."""
    for name in CA_VARIABLES:
        path = os.environ.get(name)
        if path and not os.path.exists(path):
            raise CertificatesUnusable(f"{name} names {path!r}, which does not exist")
        if path:
            return path
    return True


def _check_files(verify: bool | str, cert: Any) -> None:
    paths = [cert] if isinstance(cert, str) else list(cert or ())
    for path in (*paths, verify):
        if isinstance(path, str) and not os.path.exists(path):
            raise CertificatesUnusable(f"{path!r} does not exist")
