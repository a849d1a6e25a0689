"""Sending over an ``aiohttp.ClientSession``, in one event loop.

aiohttp connects, writes and parses; what is watched here is how far an exchange got, so that its end is told truly.
Exceptions of aiohttp hold headers: nothing of them is kept but a message, and what is raised is raised anew.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import attrs
import requests
from multidict import CIMultiDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy
from yarl import URL

from ..words.errors import ConnectFailed, ReplicateHomeError, RequestTimeout, TransportError
from ..words.wire import Request, Response, Upload
from .aiohttp_body import AiohttpBody, read_whole
from .aiohttp_errors import failure_of
from .aiohttp_lines import CURRENT, Exchange, Resolver, WatchedConnector, WatchedTLS
from .deadline_connection import REUSE_SECONDS, upload_pieces
from .environment import CertificatesUnusable, Surroundings, surroundings
from .http1 import HEAD_LIMIT, Malformed
from .transport_errors import made

_URL = re.compile(r"(https?)://([^/?#@\s\\]+)(?:[/?][^#\s]*)?(?:#.*)?", re.IGNORECASE | re.ASCII).fullmatch
_LINE_BREAK = re.compile(r"[\r\n\0]").search
_PIECE = 64 * 1024
_NO_TIMEOUTS = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
ORIGINS = 64
Contexts = dict[bool | str, ssl.SSLContext]
"""What each choice of certificates to trust is loaded into; event loops may share it."""


@attrs.frozen
class Way:
    """How an origin is reached. The proxy's credentials go to it in the tunnel's request, or in ours without one."""

    tls: ssl.SSLContext | bool = True
    proxy: URL | None = None
    tunnel: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    forwarded: Mapping[str, str] = attrs.field(factory=dict, repr=False)


class Sender:
    """One event loop's session."""

    def __init__(self, proxy: str | None, contexts: Contexts) -> None:
        self._settings = requests.Session()
        if proxy is not None:
            self._settings.proxies = {"http": proxy, "https": proxy}
        self._ways: dict[str, Way] = {}
        self._contexts = contexts
        self._session: aiohttp.ClientSession | None = None
        self._guard: AsyncIterator[None] | None = None

    async def send(self, request: Request, deadline: float | None) -> tuple[Response, AiohttpBody | None]:
        """Send ``request`` once and return the answer, whatever its status."""
        exchange = Exchange(request.method, deadline, request.connect)
        failure: BaseException
        try:
            return await self._ask(request, exchange)
        except asyncio.CancelledError as error:
            failure = asyncio.CancelledError(*error.args)
        except ReplicateHomeError as error:
            failure = error
        except Exception as error:
            failure = failure_of(error, exchange, request)
        # Raised here, not above, so that no frame of another library, which holds the headers, hangs on to it.
        raise failure

    async def close(self) -> None:
        """Close the session."""
        guard, self._guard, self._session = self._guard, None, None
        if guard is not None:
            await guard.aclose()  # type: ignore[attr-defined]  # it is a generator

    async def _ask(self, request: Request, exchange: Exchange) -> tuple[Response, AiohttpBody | None]:
        way = self._checked(request, exchange)
        session = self._session or await self._opened()
        CURRENT.set(exchange)
        async with asyncio.timeout(exchange.left()):
            answer = await session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=_headers(request, way.forwarded),
                data=_data(request.body, exchange),
                allow_redirects=False,
                proxy=way.proxy,
                proxy_headers=way.tunnel,
                ssl=way.tls,
            )
            exchange.phase = "body"
            return await _received(answer, request, exchange)

    def _checked(self, request: Request, exchange: Exchange) -> Way:
        found = _URL(request.url)
        if found is None:
            raise made(ConnectFailed, request, "resolve", "that is not a plain http or https URL", "", processed=False)
        if any(_LINE_BREAK(text) for header in request.headers.items() for text in header):
            raise made(TransportError, request, "send", "a header cannot be sent", "", processed=False)
        left = exchange.left()
        if left is not None and left <= 0:
            raise made(RequestTimeout, request, "connect", "the time allowed was over", "", processed=False)
        origin = f"{found[1]}://{found[2]}".lower()
        way = self._ways.get(origin)
        if way is None:
            if len(self._ways) >= ORIGINS:
                self._ways.clear()
            way = self._ways[origin] = self._way(surroundings(self._settings, request.url), request.url)
        exchange.way(way.proxy)
        return way

    def _way(self, around: Surroundings, url: str) -> Way:
        proxy = select_proxy(url, around.proxies)
        tls = self._context(around.verify) if "https" in (url[:5].lower(), (proxy or "")[:5].lower()) else True
        if not proxy:
            return Way(tls)
        address = URL(proxy if "://" in proxy else f"http://{proxy}")
        credentials = _credentials(address)
        is_tunnel = url[:5].lower() == "https"
        return Way(tls, address.with_user(None), credentials if is_tunnel else {}, {} if is_tunnel else credentials)

    def _context(self, verify: bool | str) -> ssl.SSLContext:
        context = self._contexts.get(verify)
        if context is None:
            context = self._contexts[verify] = _tls_context(verify)
        return context

    async def _opened(self) -> aiohttp.ClientSession:
        connector = WatchedConnector(limit=0, keepalive_timeout=REUSE_SECONDS, resolver=Resolver())
        self._session = session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NO_TIMEOUTS,
            auto_decompress=False,
            trust_env=False,
            max_line_size=HEAD_LIMIT,
            max_field_size=HEAD_LIMIT,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )
        # Event loops close the generators they know of before they end: with this one, the session.
        self._guard = _closing(session)
        await anext(self._guard)
        return session


async def _closing(session: aiohttp.ClientSession) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await session.close()


def _credentials(proxy: URL) -> dict[str, str]:
    if proxy.user is None:
        return {}
    pair = f"{proxy.user}:{proxy.password or ''}".encode()
    return {"Proxy-Authorization": "Basic " + b64encode(pair).decode()}


def _headers(request: Request, forwarded: Mapping[str, str]) -> CIMultiDict[str]:
    headers = CIMultiDict({"User-Agent": "replicate_home", "Accept-Encoding": "gzip", **forwarded})
    if request.streams:
        headers["Accept-Encoding"] = "identity"
    headers.update(request.headers)
    if request.body is not None:
        length = len(request.body) if isinstance(request.body, bytes) else request.body.length
        headers["Content-Length"] = str(length)
    if request.token is not None:
        headers["Authorization"] = "Bearer " + request.token.reveal()
    return headers


def _data(body: bytes | Upload | None, exchange: Exchange) -> Any:
    if body is None or (isinstance(body, bytes) and len(body) <= _PIECE):
        return body
    exchange.uploads = True
    return _uploaded(body, exchange)


async def _uploaded(body: bytes | Upload, exchange: Exchange) -> AsyncIterator[bytes]:
    """A long body in pieces, those of an upload read in a thread."""
    try:
        if isinstance(body, bytes):
            for start in range(0, len(body), _PIECE):
                yield body[start : start + _PIECE]
        else:
            pieces = upload_pieces(body)
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                if piece:
                    yield piece
    except Exception as error:
        exchange.fail(error)
    else:
        exchange.phase = "wait"


async def _received(
    answer: aiohttp.ClientResponse, request: Request, exchange: Exchange
) -> tuple[Response, AiohttpBody | None]:
    headers: dict[str, str] = {}
    for name, value in answer.headers.items():
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    try:
        if answer.status == 407 and exchange.proxied:
            raise aiohttp.ClientHttpProxyError(answer.request_info, (), status=407)
        if answer.status == 101:
            raise Malformed("the server switches protocols, which was not asked for")
        body = AiohttpBody(answer, headers, request, exchange)
        if headers.pop("content-encoding", "identity") != "identity":
            headers.pop("content-length", None)  # the body is given decoded, which changes its length
        if request.streams and _comes_in_pieces(request, answer.status, headers):
            return Response(answer.status, headers), body
        return Response(answer.status, headers, await read_whole(body)), None
    except BaseException:
        answer.close()
        raise


def _comes_in_pieces(request: Request, status: int, headers: Mapping[str, str]) -> bool:
    accepted = next((value for name, value in request.headers.items() if name.lower() == "accept"), "")
    if "text/event-stream" in accepted:
        return Response(status, headers).is_event_stream
    return status in (200, 206)


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
