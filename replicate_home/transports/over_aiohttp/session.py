"""Sending requests with an ordinary ``aiohttp.ClientSession``, one for each event loop.

aiohttp's exceptions, and the frames they passed through, hold the headers; so new errors are raised instead.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import weakref
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

import aiohttp
import attrs
from multidict import CIMultiDict
from yarl import URL

from ...exceptions import ConnectFailed, ProxyFailed
from ...wire import Request, Response, Upload
from ..decoding import check_framing
from ..environment import Environment, environment_of, tls_context
from ..errors import ProxyUnusable, made
from ..prepared import ORIGINS, Place, comes_in_pieces, forget_encoding, headers_of, place_of, upload_pieces
from .body import AiohttpBody
from .connector import WatchedConnection, WatchedTLS, WatchfulConnector
from .exchange import OPENING, TRACING, Exchange
from .failures import failure_over_aiohttp

Contexts = dict[bool | str, ssl.SSLContext]
"""A TLS context for each choice of trusted certificates, shared by all event loops."""

_PIECE = 64 * 1024
_HEAD_LINE = 64 * 1024
_NO_TIMEOUTS = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


@attrs.frozen
class Route:
    """The way to an origin. A request waits for its ``turn`` to open a connection there."""

    environment: Environment
    proxy: URL | None = attrs.field(repr=False)
    tls: ssl.SSLContext | bool
    turn: asyncio.Semaphore = attrs.field(factory=lambda: asyncio.Semaphore(OPENING), repr=False)


class LoopSession:
    """The session of one event loop: our own, or the caller's (``given``), which is never closed here."""

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
        """Send ``request`` once and return the response, whatever its status."""
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
        raise failure  # outside of the except clause, so that the foreign exception is not its context

    async def close(self) -> None:
        """Close the connections of our own session."""
        guard, self._guard = self._guard, None
        self._session = self._given
        if guard is not None:
            await guard.aclose()  # type: ignore[attr-defined]  # it is a generator

    async def _exchange(self, request: Request, exchange: Exchange) -> tuple[Response, AiohttpBody | None]:
        place = place_of(request)
        route = self._route(place, request.url)
        route.environment.keep_secret(request)
        exchange.proxy, exchange.turn = None if route.proxy is None else str(route.proxy), route.turn
        response = await self._asked(request, place, route, exchange)
        exchange.phase = "body"
        body = AiohttpBody(response, request, exchange)
        try:
            if response.status == 407 and route.environment.forwards:
                what = "the proxy wants other credentials"
                raise made(ProxyFailed, request, "proxy", what, "407", processed=False)
            headers = _plain(response.headers)
            check_framing(headers)
            body.expect(headers, self._last_connection())
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
        headers = exchange.handed_over()
        if session.auth is not None:  # aiohttp refuses both; the header is set when it is sent
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

    def _last_connection(self) -> WatchedConnection | None:
        task = asyncio.current_task()
        return None if self._connector is None or task is None else self._connector.last_used.get(task)

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
            context = self._contexts[verify] = tls_context(verify)
            context.sslobject_class = WatchedTLS
        return context

    async def _opened(self) -> aiohttp.ClientSession:
        self._connector = WatchfulConnector()
        session = aiohttp.ClientSession(
            connector=self._connector, cookie_jar=aiohttp.DummyCookieJar(), trace_configs=[TRACING]
        )
        self._session = session
        # Event loops close their async generators before they end; this one closes the connections.
        self._guard = _closing(session, self._bodies)
        await anext(self._guard)
        return session


async def _closing(session: aiohttp.ClientSession, bodies: Iterable[AiohttpBody]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for body in list(bodies):  # later, aiohttp would warn about them
            body.close()
        await session.close()


def _data(body: bytes | Upload | None, exchange: Exchange) -> bytes | AsyncIterator[bytes] | None:
    """The body for aiohttp: a long one in pieces, so that we know when all of it was sent."""
    if body is None or (isinstance(body, bytes) and len(body) <= _PIECE):
        return body
    exchange.in_pieces = True
    return _sent(body, exchange)


async def _sent(body: bytes | Upload, exchange: Exchange) -> AsyncIterator[bytes]:
    """The pieces of a body, read one ahead.

    If the response arrives before aiohttp knows that it has sent the last piece, aiohttp closes the connection.
    """
    pieces = _cut(body) if isinstance(body, bytes) else upload_pieces(body)
    try:
        piece = await _next(pieces, body)
        while piece is not None:
            following = await _next(pieces, body)
            yield piece
            piece = following
    except Exception as error:
        exchange.failure = error
        raise
    exchange.phase = "wait" if exchange.phase == "send" else exchange.phase


async def _next(pieces: Iterator[bytes], body: bytes | Upload) -> bytes | None:
    if not isinstance(body, bytes):
        return await asyncio.to_thread(next, pieces, None)  # its source may stall
    for _ in range(2):  # lets an early response be read, which would be lost if writing failed first
        await asyncio.sleep(0)
    return next(pieces, None)


def _cut(body: bytes) -> Iterator[bytes]:
    return (body[start : start + _PIECE] for start in range(0, len(body), _PIECE))


def _plain(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by lower-case name, repeated ones joined, decoded as Latin-1."""
    plain: dict[str, str] = {}
    for name, value in headers.items():
        name = name.lower()
        if not value.isascii():
            value = value.encode("utf-8", "surrogateescape").decode("latin-1")
        plain[name] = f"{plain[name]}, {value}" if name in plain else value
    return plain


def adopted(session: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """The caller's session, with our trace configuration added."""
    if not isinstance(session, aiohttp.ClientSession):
        raise TypeError(f"session must be an aiohttp.ClientSession, got {type(session).__name__}")
    if session.trust_env:
        raise ValueError("a session with trust_env=True reads .netrc, and would have the token sent to proxies")
    if TRACING not in session.trace_configs:
        session.trace_configs.append(TRACING)
    return session
