"""Sending over aiohttp's connections, in one event loop: which way an origin is reached, and what comes back.

Exceptions of aiohttp hold headers: nothing of them is kept but a message, and what is raised is raised anew.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping

import aiohttp
import requests
from multidict import CIMultiDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy
from yarl import URL

from ...exceptions import ProxyFailed, ReplicateHomeError
from ...wire import Request, Response
from ..http1 import Concealed, Cut, Payload, request_head
from ..old_environment import CertificatesUnusable, ProxyUnusable, surroundings
from ..old_errors import made
from ..old_prepared import ORIGINS, Place, comes_in_pieces, forget_encoding, headers_of, place_of
from ..over_requests.deadline_connection import REUSE_SECONDS
from .body import AiohttpBody, read_whole
from .errors import failure_of
from .exchange import AsyncExchange, Resolver, WatchedTLS, Way

Contexts = dict[bool | str, ssl.SSLContext]
"""What each choice of certificates to trust is loaded into; event loops may share it."""


class Sender:
    """One event loop's connections."""

    def __init__(self, proxy: str | None, contexts: Contexts) -> None:
        self._settings = requests.Session()
        if proxy is not None:
            self._settings.proxies = {"http": proxy, "https": proxy}
        self._ways: dict[str, Way] = {}
        self._contexts = contexts
        self._connector: aiohttp.TCPConnector | None = None
        self._guard: AsyncIterator[None] | None = None

    async def send(self, request: Request, deadline: float | None) -> tuple[Response, AiohttpBody | None]:
        """Send ``request`` once and return the answer, whatever its status."""
        exchange = AsyncExchange(deadline, request.connect)
        failure: BaseException
        try:
            way = self._prepare(request, exchange)
            await exchange.reach(self._connector or await self._opened(), way, request.method)
            head = await exchange.ask(request.body)
            if head.status == 407 and way.forwards:
                raise made(ProxyFailed, request, "proxy", "the proxy wants other credentials", "407", processed=False)
            body = AiohttpBody(Payload(request.method, head), exchange, request)
            forget_encoding(head.headers)
            if comes_in_pieces(request, head.status, head.headers):
                return Response(head.status, head.headers), body
            return Response(head.status, head.headers, await read_whole(body, deadline)), None
        except asyncio.CancelledError as error:
            failure = asyncio.CancelledError(*error.args)
            task = asyncio.current_task()
            if task is not None and not task.cancelling():  # aiohttp cancels name look-ups when it is closed
                failure = failure_of(Cut("the transport was closed"), exchange, request)
        except ReplicateHomeError as error:
            failure = error
        except Exception as error:
            failure = failure_of(error, exchange, request)
        except BaseException:
            exchange.drop()
            raise
        exchange.drop()
        # Raised here, not above, so that no frame of another library, which holds the headers, hangs on to it.
        raise failure

    async def close(self) -> None:
        """Close the connections."""
        guard, self._guard, self._connector = self._guard, None, None
        if guard is not None:
            await guard.aclose()  # type: ignore[attr-defined]  # it is a generator

    def _prepare(self, request: Request, exchange: AsyncExchange) -> Way:
        """Have the exchange know what to send, and return the way there."""
        place = place_of(request)
        way = self._ways.get(place.origin)
        if way is None:
            if len(self._ways) >= ORIGINS:
                self._ways.clear()
            way = self._ways[place.origin] = self._way(place, request.url)
        exchange.phase = "send"
        headers = {**headers_of(request, place.host), **way.credentials}
        target = place.origin + place.target if way.forwards else place.target
        exchange.head = request_head(request.method, target, headers)
        return way

    def _way(self, place: Place, url: str) -> Way:
        around = surroundings(self._settings, url)
        proxy = select_proxy(url, around.proxies)
        uses_tls = "https" in (place.scheme, (proxy or "")[:5].lower())
        tls = self._context(around.verify) if uses_tls else True
        server = URL(place.origin)
        if not proxy:
            return Way(_server(server, tls))
        address = URL(proxy if "://" in proxy else f"http://{proxy}")
        if address.scheme not in ("http", "https"):  # aiohttp would speak HTTP to it
            raise ProxyUnusable(f"its scheme is {address.scheme}, and it must be http or https in an event loop")
        credentials = _credentials(address)
        if place.scheme == "https":
            return Way(_server(server, tls, address.with_user(None), credentials))
        concealed = {name: Concealed(value) for name, value in credentials.items()}
        return Way(_server(server, tls, address.with_user(None)), True, concealed)

    def _context(self, verify: bool | str) -> ssl.SSLContext:
        context = self._contexts.get(verify)
        if context is None:
            context = self._contexts[verify] = _tls_context(verify)
        return context

    async def _opened(self) -> aiohttp.TCPConnector:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=REUSE_SECONDS, resolver=Resolver())
        self._connector = connector
        # Event loops close the generators they know of before they end: with this one, the connections.
        self._guard = _closing(connector)
        await anext(self._guard)
        return connector


async def _closing(connector: aiohttp.TCPConnector) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await connector.close()


def _server(
    url: URL, tls: ssl.SSLContext | bool, proxy: URL | None = None, credentials: Mapping[str, str] | None = None
) -> aiohttp.ClientRequest:
    """What a connector is asked for; no such request is ever sent."""
    loop = asyncio.get_running_loop()
    to_proxy = None if credentials is None else CIMultiDict(credentials)
    server = aiohttp.ClientRequest("GET", url, loop=loop, ssl=tls, proxy=proxy, proxy_headers=to_proxy)
    if to_proxy is not None:  # aiohttp adds it when it connects, and would not know its connection again
        to_proxy["Host"] = server.headers["Host"]
    return server


def _credentials(proxy: URL) -> dict[str, str]:
    if proxy.user is None:
        return {}
    pair = f"{proxy.user}:{proxy.password or ''}".encode()
    return {"Proxy-Authorization": "Basic " + b64encode(pair).decode()}


def _tls_context(verify: bool | str) -> ssl.SSLContext:
    context = WatchedTLS(ssl.PROTOCOL_TLS_CLIENT)
    place = DEFAULT_CA_BUNDLE_PATH if isinstance(verify, bool) else verify
    message = ""
    try:
        context.load_verify_locations(**_location(place))
    except OSError as error:
        message = f"{place}: {error}"
    if message:
        raise CertificatesUnusable(message)
    return context


def _location(place: str) -> dict[str, str]:
    return {"capath" if os.path.isdir(place) else "cafile": place}
