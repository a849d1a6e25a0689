"""The parts of requests that every call goes through, without what a call of ours does not need.

``send`` is requests' own, so that mocks which replace it work. The look-up of the pool is remembered, the
certificates are loaded once, and requests and responses are made without cookies, hooks and history.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, prepend_scheme_if_needed, select_proxy
from urllib3.util import Retry, create_urllib3_context

from ..exchange import Answer
from ..old_environment import CertificatesUnusable
from ..old_prepared import ORIGINS
from .deadline_connection import KEEPALIVE, adopt

POOL_SIZE = 100


class LeanRequest(PreparedRequest):
    """A prepared request, filled in by hand."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: Any, origin: str, target: str) -> None:
        self.method = method
        self.url = url
        self.headers = CaseInsensitiveDict(headers)
        self.body = body
        self.hooks = {"response": []}
        self._cookies = None
        self._body_position = None
        self.origin = origin
        self.target = target


class LeanResponse(Response):
    """A response whose body nobody reads through requests."""

    def __init__(self, request: PreparedRequest, answer: Answer) -> None:
        self._content = False  # type: ignore[assignment]  # as requests itself marks what was not read
        self._content_consumed = False
        self.status_code = answer.status
        self.reason = answer.reason
        self.headers = answer.headers  # type: ignore[assignment]
        self.request = request
        self.raw = answer


class SlimAdapter(HTTPAdapter):
    """An adapter whose connections obey deadlines and whose calls cost little."""

    def __init__(self) -> None:
        self._pools: dict[str, tuple[Any, bool]] = {}
        self._contexts: dict[tuple[Any, Any], Any] = {}
        super().__init__(pool_connections=ORIGINS, pool_maxsize=POOL_SIZE, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools those that obey deadlines."""
        super().init_poolmanager(*args, socket_options=KEEPALIVE, **options)
        adopt(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """The same for connections through a proxy."""
        manager = super().proxy_manager_for(proxy, socket_options=KEEPALIVE, **options)
        adopt(manager)
        return manager

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Give the pools one TLS context with the certificates loaded, instead of loading them for each connection."""
        host, options = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https":
            if (verify, cert) not in self._contexts:
                self._contexts[verify, cert] = _tls_context(verify, cert)
            options = {"cert_reqs": options["cert_reqs"], "ssl_context": self._contexts[verify, cert]}
        return host, options

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        """The pool for an origin, found once."""
        origin = getattr(request, "origin", None)
        if origin is None:
            return super().get_connection_with_tls_context(request, verify, proxies, cert)
        if origin not in self._pools:
            if len(self._pools) >= ORIGINS:
                self._pools.clear()
            pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            self._pools[origin] = pool, super().request_url(request, proxies).startswith("/")
        return self._pools[origin][0]

    def request_url(self, request: Any, proxies: Any) -> str:
        """The path, or the whole URL where a proxy wants it."""
        found = self._pools.get(getattr(request, "origin", ""))
        if found is not None and found[1]:
            return request.target  # type: ignore[no-any-return]
        return super().request_url(request, proxies)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing: the pool's TLS context has it."""

    def build_response(self, req: Any, resp: Any) -> Response:
        """A lean response, or requests' own for what a mock answers."""
        return LeanResponse(req, resp) if isinstance(resp, Answer) else super().build_response(req, resp)

    def close(self) -> None:
        """Close the connections that nobody uses and forget the pools."""
        pools, self._pools = self._pools, {}
        for pool, _ in pools.values():
            if hasattr(pool, "close_idle"):
                pool.close_idle()
        super().close()


def keeps_our_pools(adapter: Any, url: str, proxies: dict[str, str]) -> bool:
    """Have a user's adapter take its connections for ``url`` from pools that obey deadlines; False where it cannot.

    One that replaces ``send`` or ``build_response`` expects urllib3's own answers, and gets them.
    """
    kind = type(adapter)
    if not isinstance(adapter, HTTPAdapter) or not (
        kind is SlimAdapter or (kind.send is HTTPAdapter.send and kind.build_response is HTTPAdapter.build_response)
    ):
        return False
    proxy = select_proxy(url, proxies)
    if not proxy:
        return adopt(adapter.poolmanager)
    return adopt(adapter.proxy_manager_for(prepend_scheme_if_needed(proxy, "http")))  # type: ignore[no-untyped-call]


class RepeatsPosts(ValueError):
    """The adapter's own retries could create a prediction twice."""


def refuse_repeats(adapter: Any) -> None:
    """Raise :class:`RepeatsPosts` for an adapter that would send a POST again although it may have been processed."""
    retries = getattr(adapter, "max_retries", None)
    if not isinstance(retries, Retry) or (retries.total is not None and retries.total <= 0):
        return
    if not retries.allowed_methods or "POST" in retries.allowed_methods:
        raise RepeatsPosts(
            f"the session's {type(adapter).__name__} repeats POST requests (allowed_methods of its max_retries), which "
            "could create and bill a prediction twice; leave POST out of it"
        )


def _tls_context(verify: bool | str, cert: Any) -> Any:
    context = create_urllib3_context()
    try:
        if verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            place = DEFAULT_CA_BUNDLE_PATH if verify is True else verify
            context.load_verify_locations(**{"capath" if os.path.isdir(place) else "cafile": place})
        if cert:
            context.load_cert_chain(*((cert,) if isinstance(cert, str) else cert))
    except OSError as error:  # which ssl.SSLError is too
        raise CertificatesUnusable(f"{verify if isinstance(verify, str) else 'the default bundle'}: {error}") from None
    return context
