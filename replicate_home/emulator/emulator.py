"""The emulator: one request in, one response out, in process or over a socket.

It speaks the hosted HTTP API (https://replicate.com/docs/reference/http) over models that are Python callables.
Nothing here knows of sockets; what waits, waits on behalf of a :class:`~.timeline.Peer`, which can be closed. Whatever
a request contains, the answer is a response; only errors of transport (a deadline, a closed peer) are raised.
"""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import attrs

from ..clock import SYSTEM_CLOCK, Clock, NotYet
from ..exceptions import ReplicateHomeError
from ..wire import Body, Request, Response
from .faults import Fault, FaultPlan, model_named
from .incoming import IncomingRequest, json_object
from .limits import Limits, RateLimiter
from .problems import Problem, not_found
from .registry import LocalModel, Models
from .routes import ROUTES
from .routing import Route, find_route
from .service import CreatedPrediction, Service
from .timeline import Peer
from .webhook_senders import Send, default_sender

BASE_URL = "https://local.invalid/v1"

Ask = Callable[[], Response | tuple[Response, Body | None]]


class HandledRequest(NamedTuple):
    """A request that was handled; ``path`` is without ``/v1``; ``status`` is None if no answer was given."""

    method: str
    path: str
    status: int | None


class Emulator:
    """A small Replicate.

    ``models`` maps names to callables, beside those registered for the process; ``clock`` may be a ``FakeClock``,
    then everything happens in virtual time and without threads; ``api_token`` None accepts any token and none;
    ``seed`` determines the ids, which otherwise differ each time. ``limits`` are those of the hosted service where
    they are asked for; ``send_webhook`` is given each signed webhook, by default it sends those to receivers on this
    machine. ``faults`` are what goes wrong on the way. ``requests`` and ``calls`` are the logs of what was asked and
    created.
    """

    def __init__(
        self,
        models: Mapping[str, Callable[..., Any] | LocalModel] | Models | None = None,
        clock: Clock = SYSTEM_CLOCK,
        base_url: str = BASE_URL,
        api_token: str | None = None,
        seed: int | str | None = None,
        *,
        limits: Limits | None = None,
        send_webhook: Send | None = None,
    ) -> None:
        limits = limits or Limits()
        self.service = Service(
            models if isinstance(models, Models) else Models(models),
            clock,
            base_url,
            seed=secrets.token_hex(16) if seed is None else seed,
            limits=limits,
            send_webhook=send_webhook or default_sender(clock),
        )
        self.clock = clock
        self.base_url = base_url
        self.faults = FaultPlan()
        self.requests: deque[HandledRequest] = deque(maxlen=100_000)
        self._api_token = api_token
        self._rates = RateLimiter(limits, clock)

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
        headers: dict[str, str] = {}
        self.service.webhooks.send_due()  # they report what happened before this request changes anything
        return self._handle(incoming, headers, partial(self._route, incoming, headers))

    def fault_for(self, request: Request) -> Fault | None:
        """The fault for ``request``, which is counted; a request that the server never sees is logged here."""
        if not self.faults:
            return None
        incoming = IncomingRequest.of(request, None, None)
        try:
            found = find_route(ROUTES, request.method, incoming.path)
        except Problem:
            found = None
        fault = self.faults.take(found.operation if isinstance(found, Route) else "", lambda: self._model_of(incoming))
        if fault is not None and fault.effect.answer is not None:
            self.requests.append(HandledRequest(request.method, incoming.path, fault.effect.answer.status))
        return fault

    def _model_of(self, incoming: IncomingRequest) -> str | None:
        """The model that a request is about."""
        kind, _, rest = incoming.path.removeprefix("/files").lstrip("/").partition("/")
        store, id = self.service.store, rest.partition("/")[0]
        try:
            if kind == "streams":
                return store.streamed(id).model
            if kind in ("predictions", "trainings", "delivery") and id:
                return store.run(id, "trainings" if kind == "trainings" else "predictions").model
            return model_named(json_object(incoming), incoming.path)
        except Problem:
            return None

    def close(self) -> None:
        """Cancel what runs, and wait briefly for its threads; a model that never sleeps cannot be stopped."""
        self.service.close()

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def unknown_route(self, incoming: IncomingRequest) -> Response:
        """The response for an unknown path."""
        raise not_found(f"there is nothing at {incoming.path} on this server")

    def _handle(self, incoming: IncomingRequest, headers: dict[str, str], ask: Ask) -> tuple[Response, Body | None]:
        try:
            response, body = self._answer(incoming, headers, ask)
        except NotYet as later:
            later.again = partial(self._handle, incoming, headers, later.again or ask)
            raise
        except BaseException:
            self._handled(incoming, None)
            raise
        self._handled(incoming, response.status)
        return response, body

    def _handled(self, incoming: IncomingRequest, status: int | None) -> None:
        self.service.webhooks.send_due()
        self.requests.append(HandledRequest(incoming.request.method, incoming.path, status))

    def _answer(self, incoming: IncomingRequest, headers: dict[str, str], ask: Ask) -> tuple[Response, Body | None]:
        try:
            answer = ask()
            response, body = answer if isinstance(answer, tuple) else (answer, None)
            return attrs.evolve(response, headers={**headers, **response.headers}), body
        except Problem as problem:
            return problem.response(headers), None
        except ReplicateHomeError:
            raise
        except Exception as error:  # no request may end the server
            described = f"{type(error).__name__} while answering {incoming.request.method} {incoming.path}"
            return Problem(500, "Internal server error", described).response(headers), None

    def _route(self, incoming: IncomingRequest, headers: dict[str, str]) -> tuple[Response, Body | None]:
        """The response; the rate limit is added to ``headers``."""
        found = find_route(ROUTES, incoming.request.method, incoming.path)
        if isinstance(found, Route) and found.public:
            return found.answer(self.service, incoming)
        self._check_token(incoming)
        headers.update(self._rates.count(found.rate if isinstance(found, Route) else "requests", incoming.token))
        if isinstance(found, Route):
            return found.answer(self.service, incoming)
        return found or self.unknown_route(incoming), None

    def _check_token(self, incoming: IncomingRequest) -> None:
        if self._api_token is None:
            return
        given, right = (token.encode("utf-8", "replace") for token in (incoming.token, self._api_token))
        if not hmac.compare_digest(given, right):
            raise Problem(401, "Unauthenticated", "You did not pass a valid authentication token")
