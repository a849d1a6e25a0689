"""The adapter of a session of our own, and what is asked of those of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import prepend_scheme_if_needed
from urllib3.util import Retry

from ..environment import tls_context
from ..prepared import ORIGINS, Place
from .connections import KEEPALIVE, adopt
from .exchange import Exchange

POOL_SIZE = 100


class OurRequest(requests.PreparedRequest):
    """A prepared request, filled in by hand: nothing of a session's auth, cookies or headers is in it."""

    def __init__(
        self, method: str, place: Place, headers: Mapping[str, str], body: Any, hooks: Any, exchange: Exchange
    ) -> None:
        super().__init__()
        self.method = method
        self.url = place.url
        self.headers = CaseInsensitiveDict(headers)
        self.body = body
        self.hooks = hooks
        self.place = place
        self.exchange = exchange


class DeadlineAdapter(HTTPAdapter):
    """An adapter whose connections obey deadlines; the way to an origin is found once."""

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
            context = self._contexts.get((verify, cert))
            if context is None:
                context = self._contexts[verify, cert] = tls_context(verify, cert)
            options = {"cert_reqs": options["cert_reqs"], "ssl_context": context}
        return host, options

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        """The pool for an origin, found once."""
        if not isinstance(request, OurRequest):
            return super().get_connection_with_tls_context(request, verify, proxies, cert)
        found = self._pools.get(request.place.origin)
        if found is None:
            request.exchange.phase = "resolve"
            pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            found = pool, super().request_url(request, proxies).startswith("/")
            if len(self._pools) >= ORIGINS:
                self._pools.clear()
            self._pools[request.place.origin] = found
        return found[0]

    def request_url(self, request: Any, proxies: Any) -> str:
        """The path, or the whole URL where a proxy wants it."""
        found = self._pools.get(request.place.origin) if isinstance(request, OurRequest) else None
        return request.place.target if found and found[1] else super().request_url(request, proxies)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing: the pool's TLS context has it."""

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """What of requests' own makes a difference: no cookies are read, and no encoding of a text is guessed."""
        if not isinstance(req, OurRequest):
            return super().build_response(req, resp)
        response = requests.Response()
        response.status_code, response.reason, response.raw = resp.status, resp.reason, resp
        response.headers = CaseInsensitiveDict(resp.headers)
        response.request, response.url = req, req.place.url
        return response

    def close(self) -> None:
        """Close the unused connections, also where the interpreter has ended their pools' own finalizers."""
        pools, self._pools = self._pools, {}
        for pool, _ in pools.values():
            pool.close()
        super().close()


def adopt_pools(adapter: Any, proxy: str | None) -> None:
    """Have a user's adapter take its connections from pools that obey deadlines, where it makes no kind of its own."""
    if isinstance(adapter, HTTPAdapter) and not isinstance(adapter, DeadlineAdapter):
        adopt(adapter.poolmanager)
        if proxy:
            adopt(adapter.proxy_manager_for(prepend_scheme_if_needed(proxy, "http")))  # type: ignore[no-untyped-call]


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
