"""Sending over an ordinary ``aiohttp.ClientSession``, in one event loop: which way an origin is reached, what comes.

Exceptions of aiohttp, and the frames they passed through, hold headers: what is raised is raised anew.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
import weakref
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

import aiohttp
import attrs
from multidict import CIMultiDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from yarl import URL

from ...exceptions import ConnectFailed, ProxyFailed
from ...wire import Request, Response, Upload
from ..decoding import check_framing
from ..environment import Environment, environment_of
from ..errors import CertificatesUnusable, ProxyUnusable, made
from ..prepared import ORIGINS, Place, comes_in_pieces, forget_encoding, headers_of, place_of, upload_pieces
from .body import AiohttpBody
from .connector import Reached, WatchedTLS, WatchfulConnector
from .exchange import OPENING, TRACING, Exchange
from .failures import failure_over_aiohttp

Contexts = dict[bool | str, ssl.SSLContext]
"""What each choice of certificates to trust is loaded into; event loops may share it."""

_PIECE = 64 * 1024
_HEAD_LINE = 64 * 1024
_NO_TIMEOUTS = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


@attrs.frozen
class Route:
    """How an origin is reached; a request takes a ``turn`` to open a connection there."""

    environment: Environment
    proxy: URL | None = attrs.field(repr=False)
    tls: ssl.SSLContext | bool
    turn: asyncio.Semaphore = attrs.field(factory=lambda: asyncio.Semaphore(OPENING), repr=False)


class LoopSession:
    """One event loop's session: our own, or ``given``, which is never closed here."""

    def __init__(self, proxy: str | None, contexts: Contexts, given: aiohttp.ClientSession | None = None) -> None:
        self._proxies = {} if proxy is None else {"http": proxy, "https": proxy}
        self._contexts = contexts
        self._given = given
        self._session = given
        self._connector: WatchfulConnector | None = None
        self._guard: AsyncIterator[None] | None = None
        self._bodies: weakref.WeakSet[AiohttpBody] = weakref.WeakSet()
        self._routes: dict[str, Route] = {}

    async def send(self, request: Request, deadline: float | None) -> tuple[Response, AiohttpBody | None]:
        """Send ``request`` once and return the answer, whatever its status."""
        left = None if deadline is None else deadline - time.monotonic()
        until = None if left is None else asyncio.get_running_loop().time() + left
        exchange = Exchange(connect=request.connect, until=until, timeout=asyncio.timeout_at(until))
        try:
            if left is not None and left <= 0:
                raise TimeoutError
            async with exchange.timeout:
                return await self._exchange(request, exchange)
        except BaseException as error:
            failure = failure_over_aiohttp(error, request, exchange)
        finally:
            exchange.end_turn()
        raise failure  # not above, where what failed would hang on to it

    async def close(self) -> None:
        """Close the connections of a session of our own."""
        guard, self._guard = self._guard, None
        self._session = self._given
        if guard is not None:
            await guard.aclose()  # type: ignore[attr-defined]  # it is a generator

    async def _exchange(self, request: Request, exchange: Exchange) -> tuple[Response, AiohttpBody | None]:
        place = place_of(request)
        route = self._route(place, request.url)
        route.environment.keep_secret(request)
        exchange.proxied, exchange.turn = route.proxy is not None, route.turn
        response = await self._asked(request, place, route, exchange)
        exchange.phase = "body"
        body = AiohttpBody(response, request, exchange)
        try:
            if response.status == 407 and route.environment.forwards:
                what = "the proxy wants other credentials"
                raise made(ProxyFailed, request, "proxy", what, "407", processed=False)
            headers = _plain(response.headers)
            check_framing(headers)
            body.expect(headers, self._reached())
            forget_encoding(headers)
            if not comes_in_pieces(request, response.status, headers):
                return Response(response.status, headers, await body.whole()), None
        except BaseException:
            body.close()
            raise
        self._bodies.add(body)
        return Response(response.status, headers), body

    async def _asked(self, request: Request, place: Place, route: Route, exchange: Exchange) -> aiohttp.ClientResponse:
        session = self._session or await self._opened()
        if session.closed:
            raise made(ConnectFailed, request, "connect", "the session is closed", processed=False)
        exchange.headers = CIMultiDict(headers_of(request, place.host))
        data = _data(request.body, exchange)
        headers = exchange.hand_over()
        if session.auth is not None:  # aiohttp refuses a header besides; it is put in its place as it leaves
            headers.pop("Authorization", None)
        return await session.request(
            request.method,
            URL(place.url, encoded=True),
            headers=headers,
            data=data,
            skip_auto_headers=("Accept", "Content-Type"),
            allow_redirects=False,
            raise_for_status=False,
            auto_decompress=False,
            timeout=_NO_TIMEOUTS,
            max_line_size=_HEAD_LINE,
            max_field_size=_HEAD_LINE,
            proxy=route.proxy,
            ssl=route.tls,
            trace_request_ctx=exchange,
        )

    def _reached(self) -> Reached | None:
        task = asyncio.current_task()
        return None if self._connector is None or task is None else self._connector.given.get(task)

    def _route(self, place: Place, url: str) -> Route:
        route = self._routes.get(place.origin)
        if route is None:
            if len(self._routes) >= ORIGINS:
                self._routes.clear()
            route = self._routes[place.origin] = self._made_route(place, url)
        return route

    def _made_route(self, place: Place, url: str) -> Route:
        environment = environment_of(url, proxies=self._proxies, trusted=self._given is None)
        proxy = environment.proxy and URL(
            environment.proxy if "://" in environment.proxy else f"http://{environment.proxy}"
        )
        if proxy and proxy.scheme not in ("http", "https"):  # aiohttp would speak HTTP to it
            raise ProxyUnusable(f"its scheme is {proxy.scheme}, and it must be http or https in an event loop")
        uses_tls = place.scheme == "https" or (proxy and proxy.scheme == "https")
        tls = self._context(environment.verify) if uses_tls and self._given is None else True
        return Route(environment, proxy or None, tls)

    def _context(self, verify: bool | str) -> ssl.SSLContext:
        context = self._contexts.get(verify)
        if context is None:
            context = self._contexts[verify] = _tls_context(verify)
        return context

    async def _opened(self) -> aiohttp.ClientSession:
        self._connector = WatchfulConnector()
        session = aiohttp.ClientSession(
            connector=self._connector, cookie_jar=aiohttp.DummyCookieJar(), trace_configs=[TRACING]
        )
        self._session = session
        # Event loops close the generators they know of before they end: with this one, the connections.
        self._guard = _closing(session, self._bodies)
        await anext(self._guard)
        return session


async def _closing(session: aiohttp.ClientSession, bodies: Iterable[AiohttpBody]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for body in list(bodies):  # while their loop still can: a connection that is dropped later warns
            body.close()
        await session.close()


def _data(body: bytes | Upload | None, exchange: Exchange) -> bytes | AsyncIterator[bytes] | None:
    """A body as aiohttp takes it: a long one in pieces, so that it is known how far it was sent."""
    if body is None or (isinstance(body, bytes) and len(body) <= _PIECE):
        return body
    exchange.in_pieces = True
    return _sent(_cut(body) if isinstance(body, bytes) else _read(upload_pieces(body)), exchange)


async def _sent(pieces: AsyncIterator[bytes], exchange: Exchange) -> AsyncIterator[bytes]:
    try:
        async for piece in pieces:
            yield piece
    except Exception as error:
        exchange.failure = error
        raise
    exchange.phase = "wait" if exchange.phase == "send" else exchange.phase


async def _cut(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _PIECE):
        for _ in range(2):  # what has arrived is heard, since an early answer is lost where writing fails first
            await asyncio.sleep(0)
        yield body[start : start + _PIECE]


async def _read(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces that are read in a thread, for their source may stall, and one ahead.

    For aiohttp closes a connection on which the answer came before it was told that this was the last piece.
    """
    piece = await asyncio.to_thread(next, pieces, None)
    while piece is not None:
        following = await asyncio.to_thread(next, pieces, None)
        yield piece
        piece = following


def _plain(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by lower-case name, those that came several times joined, in Latin-1."""
    plain: dict[str, str] = {}
    for name, value in headers.items():
        name = name.lower()
        if not value.isascii():
            value = value.encode("utf-8", "surrogateescape").decode("latin-1")
        plain[name] = f"{plain[name]}, {value}" if name in plain else value
    return plain


def _tls_context(verify: bool | str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslobject_class = WatchedTLS
    place = DEFAULT_CA_BUNDLE_PATH if isinstance(verify, bool) else verify
    message = ""
    try:
        context.load_verify_locations(**{"capath" if os.path.isdir(place) else "cafile": place})
    except OSError as error:
        message = f"{place}: {error}"
    if message:
        raise CertificatesUnusable(message)
    return context


def adopted(session: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """A session that the caller made, which from now on tells us how far our requests have got."""
    if not isinstance(session, aiohttp.ClientSession):
        raise TypeError(f"session must be an aiohttp.ClientSession, got {type(session).__name__}")
    if session.trust_env:
        raise ValueError("a session with trust_env=True reads .netrc, and would have the token sent to proxies")
    if TRACING not in session.trace_configs:
        session.trace_configs.append(TRACING)
    return session
