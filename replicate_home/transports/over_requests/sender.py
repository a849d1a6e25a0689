"""Sending over a ``requests.Session``: what is prepared for a request, what comes of it.

``Session.send`` is called, so that hooks, mocks, recorders and tracing see the request; the request is prepared by
hand, so that nothing else of a session goes along.
"""

from __future__ import annotations

from typing import Any

import attrs
import requests

from ...exceptions import ProxyFailed, ReplicateHomeError
from ...wire import Body, Request, Response
from ..environment import Environment, environment_of
from ..errors import failure_of, made
from ..prepared import ORIGINS, Place, comes_in_pieces, forget_encoding, headers_of, place_of, upload_pieces
from .adapter import DeadlineAdapter, OurRequest, RepeatsPosts, adopt_pools, refuse_repeats
from .bodies import ArrivingBody, read_whole, reader_of
from .connections import SEND_SIZE
from .exchange import Deadline, Exchange


@attrs.frozen
class Route:
    """What holds for all requests to one origin."""

    adapter: Any
    around: Environment
    proxies: dict[str, str] = attrs.field(repr=False)


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
        exchange = Exchange(method=request.method, deadline=deadline, connect=request.connect)
        failure: BaseException
        try:
            return self._answered(request, exchange)
        except (ReplicateHomeError, RepeatsPosts) as error:
            failure = error
        except Exception as error:
            failure = failure_of(error, request, exchange)
        except BaseException as error:
            failure = error
        exchange.drop()
        # Raised here, not above, and without a trace of what is below, whose frames hold the token.
        failure.__context__ = None
        raise failure.with_traceback(None)

    def close(self) -> None:
        """Give up the connections of a session of its own."""
        self._routes.clear()
        if self._is_own:
            self._session.close()

    def _answered(self, request: Request, exchange: Exchange) -> tuple[Response, Body | None]:
        exchange.left()
        place = place_of(request)
        route = self._route(request, place)
        response = self._sent(request, exchange, place, route)
        headers = {name.lower(): value for name, value in response.headers.items()}
        status = response.status_code
        if status == 407 and route.around.forwards:
            raise made(ProxyFailed, request, "proxy", "the proxy wants other credentials", "407", processed=False)
        reader = reader_of(response, exchange, headers)
        forget_encoding(headers)
        if comes_in_pieces(request, status, headers):
            return Response(status, headers), ArrivingBody(reader, exchange, request)
        return Response(status, headers, read_whole(reader)), None

    def _sent(self, request: Request, exchange: Exchange, place: Place, route: Route) -> requests.Response:
        """What the session answers, with its own hooks called."""
        location: list[str] = []

        def keep_location(response: requests.Response, **_: Any) -> None:
            # A session would look the redirect up and read all of its body, without following it.
            if response.is_redirect:
                location.append(response.headers.pop("location"))

        body, hooks = request.body, self._session.hooks.get("response", ())
        prepared = OurRequest(
            request.method,
            place,
            headers_of(request, place.host),
            body if body is None or isinstance(body, bytes) else upload_pieces(body),
            {"response": [*((hooks,) if callable(hooks) else hooks), keep_location]},
            exchange,
        )
        if isinstance(body, bytes) and 0 < len(body) <= SEND_SIZE:
            exchange.head = b""
        exchange.phase = "wait"  # where nothing is heard of the connection, the worst is assumed
        response = self._session.send(
            prepared,
            stream=True,
            timeout=Deadline(exchange),  # type: ignore[arg-type]  # urllib3's, which adapters take as they are
            verify=route.around.verify,
            cert=route.around.cert,
            proxies=route.proxies,
            allow_redirects=False,
        )
        if location:
            response.headers["location"] = location[0]
        exchange.response = response
        return response

    def _route(self, request: Request, place: Place) -> Route:
        session = self._session
        adapter: Any = session.get_adapter(request.url)
        route = self._routes.get(place.origin)
        if route is None or route.adapter is not adapter:
            refuse_repeats(adapter)
            around = environment_of(
                request.url,
                proxies=session.proxies,
                verify=True if session.verify is None else session.verify,
                cert=session.cert,
                trusted=session.trust_env,
            )
            adopt_pools(adapter, around.proxy)
            route = Route(adapter, around, {} if around.proxy is None else {place.scheme: around.proxy})
            if len(self._routes) >= ORIGINS:
                self._routes.clear()
            self._routes[place.origin] = route
        route.around.keep_secret(request)
        return route


class _NoCookies(requests.cookies.RequestsCookieJar):
    """Keeps none."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Do nothing."""


def _own_session() -> requests.Session:
    session = requests.Session()
    session.cookies = _NoCookies()
    adapter = DeadlineAdapter()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
