"""Sending over a ``requests.Session``: what is prepared for a request, which way it goes, what comes of it.

A request is prepared by hand and goes straight to the session's adapter, so that mocks and adapters work, and nothing
else of a session does. The token is opened here only, into a value that no repr shows.
"""

from __future__ import annotations

import re
from typing import Any

import attrs
import requests
from requests.utils import requote_uri
from urllib3.util import Timeout

from ..words.errors import ConnectFailed, ProxyFailed, ReplicateHomeError
from ..words.wire import Body, Request, Response
from .deadline_connection import Answer, Broken, Exchange, upload_pieces
from .environment import Surroundings, surroundings
from .http1 import Concealed
from .response_body import ExchangeReader, ForeignReader, Reader, StreamBody, read_whole
from .slim_adapter import ORIGINS, LeanRequest, RepeatsPosts, SlimAdapter, keeps_our_pools, refuse_repeats
from .transport_errors import made, of_exchange, of_foreign

USER_AGENT = "replicate_home"

_URL = re.compile(r"(https?)://([^/?#@\s\\]+)((?:[/?][^#\s]*)?)(?:#.*)?", re.IGNORECASE).fullmatch
_UNTIMED = Timeout(connect=None, read=None)


@attrs.frozen
class Route:
    """What holds for all requests to one origin."""

    adapter: Any
    origin: str
    host: str
    around: Surroundings
    obeys: bool
    """Whether its connections obey deadlines themselves."""


class SessionSender:
    """Sends over ``session``, or over one of its own."""

    def __init__(self, session: requests.Session | None) -> None:
        self._is_own = session is None
        self._session = _own_session() if session is None else session
        self._routes: dict[str, Route] = {}
        for adapter in self._session.adapters.values():
            refuse_repeats(adapter)

    def send(self, request: Request, deadline: float | None) -> tuple[Response, Body | None]:
        """Send ``request`` once and return the answer, whatever its status."""
        exchange = Exchange(request.method, request.body, deadline, request.connect)
        failure: ReplicateHomeError
        try:
            return _received(self._ask(request, exchange), request, deadline)
        except (ReplicateHomeError, RepeatsPosts):
            raise
        except Broken:
            failure = of_exchange(exchange, request)
        except Exception as error:
            failure = of_foreign(error, request, exchange.phase)
        except BaseException:
            exchange.drop()
            raise
        # Raised here, not above, so that no foreign frame hangs on to it.
        raise failure

    def close(self) -> None:
        """Give up the connections of a session of its own."""
        self._routes.clear()
        if self._is_own:
            self._session.close()

    def _ask(self, request: Request, exchange: Exchange) -> Any:
        found = _URL(request.url)
        if found is None or not found[2].isascii():
            raise made(ConnectFailed, request, "resolve", "that is not a plain http or https URL", "", processed=False)
        route = self._route(request.url, found[1].lower(), found[2])
        prepared = _prepared(request, route, found[3])
        around, timeout = route.around, _UNTIMED if route.obeys else _timed(exchange)
        exchange.phase = "wait"  # where the adapter fails without running the exchange, the worst is assumed
        with exchange:
            return route.adapter.send(
                prepared, stream=True, timeout=timeout, verify=around.verify, cert=around.cert, proxies=around.proxies
            )

    def _route(self, url: str, scheme: str, authority: str) -> Route:
        origin = f"{scheme}://{authority}"
        adapter: Any = self._session.get_adapter(url)
        route = self._routes.get(origin)
        if route is None or route.adapter is not adapter:
            refuse_repeats(adapter)
            around = surroundings(self._session, url)
            host = authority.removesuffix(":443" if scheme == "https" else ":80")
            route = Route(adapter, origin, host, around, keeps_our_pools(adapter, url, around.proxies))
            if len(self._routes) >= ORIGINS:
                self._routes.clear()
            self._routes[origin] = route
        return route


def _own_session() -> requests.Session:
    session = requests.Session()
    adapter = SlimAdapter()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _prepared(request: Request, route: Route, target: str) -> LeanRequest:
    if not target.startswith("/"):
        target = "/" + target
    if not target.isascii():
        target = requote_uri(target)
    headers = {
        "Host": route.host,
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity" if request.streams else "gzip",
        **request.headers,
    }
    body: Any = request.body
    if body is None:
        if request.method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = "0"
    elif isinstance(body, bytes):
        headers["Content-Length"] = str(len(body))
    else:
        headers["Content-Length"] = str(body.length)
        body = upload_pieces(body)
    if request.token is not None:
        headers["Authorization"] = Concealed("Bearer " + request.token.reveal())
    return LeanRequest(request.method, route.origin + target, headers, body, route.origin, target)


def _timed(exchange: Exchange) -> Timeout:
    left = exchange.left()
    limits = [limit for limit in (left, exchange.connect) if limit is not None]
    return Timeout(connect=min(limits, default=None), read=left)


def _received(response: Any, request: Request, deadline: float | None) -> tuple[Response, Body | None]:
    """The answer as a value, and its body where that is wanted piece by piece."""
    answer = response.raw
    headers = {name.lower(): value for name, value in response.headers.items()}
    reader: Reader
    if isinstance(answer, Answer):
        if response.status_code == 407 and answer.exchange.proxied:
            answer.exchange.drop()
            raise made(ProxyFailed, request, "proxy", "the proxy wants other credentials", "407", processed=False)
        reader = ExchangeReader(answer, request)
    else:
        reader = ForeignReader(response, request)
    if headers.pop("content-encoding", "identity") != "identity":
        headers.pop("content-length", None)  # the body is given decoded, which changes its length
    status = response.status_code
    if request.streams and _comes_in_pieces(request, status, headers):
        return Response(status, headers), StreamBody(reader, request)
    return Response(status, headers, read_whole(reader, request, deadline)), None


def _comes_in_pieces(request: Request, status: int, headers: dict[str, str]) -> bool:
    accepted = next((value for name, value in request.headers.items() if name.lower() == "accept"), "")
    if "text/event-stream" in accepted:
        return Response(status, headers).is_event_stream
    return status in (200, 206)
