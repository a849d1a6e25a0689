"""The emulator: one request in, one response out, whether it came in process or over a socket.

It speaks the hosted HTTP API (https://replicate.com/docs/reference/http) over models that are Python callables.
Nothing here knows of sockets; what waits, waits on behalf of a :class:`~.timeline.Peer`, which can be closed. Whatever
a request contains, the answer is a response; only errors of transport (a deadline, a closed peer) are raised.
"""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import attrs

from ..clock import SYSTEM_CLOCK, Clock
from ..exceptions import ReplicateHomeError
from ..wire import Body, Request, Response
from .incoming import IncomingRequest
from .problems import Problem, not_found
from .registry import Models
from .routes import ROUTES
from .routing import find_route
from .service import CreatedPrediction, Service
from .timeline import Peer

BASE_URL = "https://local.invalid/v1"


class HandledRequest(NamedTuple):
    """A request that was handled; ``path`` is without ``/v1``; ``status`` is None if no answer was given."""

    method: str
    path: str
    status: int | None


class Emulator:
    """A small Replicate.

    ``models`` maps names to callables, beside those registered for the process; ``clock`` may be a ``FakeClock``,
    then everything happens in virtual time and without threads; ``api_token`` None accepts any token and none;
    ``seed`` determines the ids. ``requests`` and ``calls`` are the logs of what was asked and created.
    """

    def __init__(
        self,
        models: Mapping[str, Callable[..., Any]] | Models | None = None,
        clock: Clock = SYSTEM_CLOCK,
        base_url: str = BASE_URL,
        api_token: str | None = None,
        seed: int | str = 0,
    ) -> None:
        self.service = Service(models if isinstance(models, Models) else Models(models), clock, base_url, seed)
        self.clock = clock
        self.base_url = base_url
        self.requests: deque[HandledRequest] = deque(maxlen=100_000)
        self._api_token = api_token

    @property
    def calls(self) -> deque[CreatedPrediction]:
        """The predictions that were created, the oldest first."""
        return self.service.calls

    def handle(
        self, request: Request, deadline: float | None = None, peer: Peer | None = None
    ) -> tuple[Response, Body | None]:
        """Answer ``request``; a body that is still arriving comes with the response.

        Raises ``RequestTimeout`` at ``deadline`` (a time on the clock) and ``Disconnected`` when ``peer`` is closed.
        """
        incoming = IncomingRequest.of(request, deadline, peer)
        status = None
        try:
            response, body = self._answer(incoming)
            status = response.status
            return response, body
        finally:
            self.requests.append(HandledRequest(request.method, incoming.path, status))

    def close(self) -> None:
        """Cancel what runs, and wait a moment for its threads; a model that never sleeps cannot be stopped."""
        self.service.close()

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def unknown_route(self, incoming: IncomingRequest) -> Response:
        """The answer where there is nothing at this path."""
        raise not_found(f"there is nothing at {incoming.path}: this is a local server, with fewer endpoints")

    def _answer(self, incoming: IncomingRequest) -> tuple[Response, Body | None]:
        headers = _rate_headers(incoming)
        try:
            response, body = self._route(incoming)
            return attrs.evolve(response, headers={**headers, **response.headers}), body
        except Problem as problem:
            return problem.response(headers), None
        except ReplicateHomeError:
            raise
        except Exception as error:  # whatever a request contains, it must not end the server
            described = f"{type(error).__name__} while answering {incoming.request.method} {incoming.path}"
            return Problem(500, "Internal server error", described).response(headers), None

    def _route(self, incoming: IncomingRequest) -> tuple[Response, Body | None]:
        route = find_route(ROUTES, incoming.request.method, incoming.path)
        if route is None:
            return self.unknown_route(incoming), None
        if not route.public:
            self._check_token(incoming)
        return route.answer(self.service, incoming)

    def _check_token(self, incoming: IncomingRequest) -> None:
        if self._api_token is None:
            return
        given, right = (token.encode("utf-8", "replace") for token in (incoming.token, self._api_token))
        if not hmac.compare_digest(given, right):
            raise Problem(401, "Unauthenticated", "You did not pass a valid authentication token")


def _rate_headers(incoming: IncomingRequest) -> dict[str, str]:
    creates = incoming.request.method == "POST" and incoming.path.endswith("/predictions")
    polls = incoming.request.method == "GET" and incoming.path.startswith("/predictions/")
    remaining = "599" if creates else "59999" if polls else "2999"
    return {"ratelimit-remaining": remaining, "ratelimit-reset": "1"}
