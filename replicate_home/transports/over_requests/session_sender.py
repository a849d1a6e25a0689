"""Sending over a ``requests.Session``: what is prepared for a request, which way it goes, what comes of it.

A request is prepared by hand and goes straight to the session's adapter, so that mocks and adapters work, and nothing
else of a session does.
"""

from __future__ import annotations

from typing import Any

import attrs
import requests
from urllib3.util import Timeout

from ...exceptions import ProxyFailed, ReplicateHomeError
from ...wire import Body, Request, Response
from ..exchange import Answer, Broken, Exchange, upload_pieces
from ..old_environment import Surroundings, surroundings
from ..old_errors import made, of_exchange, of_foreign
from ..old_prepared import ORIGINS, Place, comes_in_pieces, forget_encoding, headers_of, place_of
from ..response_body import ExchangeReader, ForeignReader, Reader, StreamBody, read_whole
from .slim_adapter import LeanRequest, RepeatsPosts, SlimAdapter, keeps_our_pools, refuse_repeats

_UNTIMED = Timeout(connect=None, read=None)


@attrs.frozen
class Route:
    """What holds for all requests to one origin."""

    adapter: Any
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
        place = place_of(request)
        route = self._route(request.url, place)
        body = request.body
        source = body if body is None or isinstance(body, bytes) else upload_pieces(body)
        headers = headers_of(request, route.host)
        url = place.origin + place.target
        prepared = LeanRequest(request.method, url, headers, source, place.origin, place.target)
        around, timeout = route.around, _UNTIMED if route.obeys else _timed(exchange)
        exchange.phase = "wait"  # where the adapter fails without running the exchange, the worst is assumed
        with exchange:
            return route.adapter.send(
                prepared, stream=True, timeout=timeout, verify=around.verify, cert=around.cert, proxies=around.proxies
            )

    def _route(self, url: str, place: Place) -> Route:
        adapter: Any = self._session.get_adapter(url)
        route = self._routes.get(place.origin)
        if route is None or route.adapter is not adapter:
            refuse_repeats(adapter)
            around = surroundings(self._session, url)
            route = Route(adapter, place.host, around, keeps_our_pools(adapter, url, around.proxies))
            if len(self._routes) >= ORIGINS:
                self._routes.clear()
            self._routes[place.origin] = route
        return route


def _own_session() -> requests.Session:
    session = requests.Session()
    adapter = SlimAdapter()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


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
        if response.status_code == 407 and answer.exchange.forwarded:
            answer.exchange.drop()
            raise made(ProxyFailed, request, "proxy", "the proxy wants other credentials", "407", processed=False)
        reader = ExchangeReader(answer, request)
    else:
        reader = ForeignReader(response, request)
    forget_encoding(headers)
    status = response.status_code
    if comes_in_pieces(request, status, headers):
        return Response(status, headers), StreamBody(reader, request)
    return Response(status, headers, read_whole(reader, request, deadline)), None
