"""The engine of a blocking client: it makes calls and returns records.

Resources, handles, streams, files and the command line use an engine; none of them knows a client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from random import random
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from ...clock import Clock, SystemClock
from ...dialects.base import checked_id, snapshot_of_answer
from ...dialects.refs import ModelRef
from ...drivers import calling
from ...drivers.calling import Beginning, Calling
from ...drivers.drive import Drive
from ...drivers.driving import name_cause
from ...exceptions import APIError, ModelError, NotFound, PermissionDenied, ReplicateHomeError, UnsafeURL
from ...lifecycle import endings
from ...lifecycle.life import Terms
from ...lifecycle.machine import Settled, State, creating, downloading, following
from ...protocol import urls
from ...records.prediction import Snapshot
from ...wire import Response
from ..inputs.prompting import checked_input, is_json
from .calls import HOLD, RunOptions, begin, reference_of
from .connections import Connections
from .routing import Route, choose, named
from .settings import DEFAULT, PLAIN_SECONDS, Settings, TimeoutOption

if TYPE_CHECKING:
    from ...operations.base import Operation
    from ...records.schema import Schema

R = TypeVar("R")
T = TypeVar("T")


class BaseEngine:
    """A client's settings and connections, and the steps of its calls. Nothing here waits.

    ``life_terms`` are terms of every life that begins here, such as its pace.
    """

    def __init__(self, settings: Settings, connections: Connections, **life_terms: Any) -> None:
        self.settings = settings
        self.connections = connections
        self.clock: Clock = connections.clock
        self._life_terms = life_terms
        self.webhook_secret: str | None = None
        """The secret that signs the account's webhooks, once it was read."""
        self._schemas: dict[tuple[str, str], Schema] = {}

    def __str__(self) -> str:
        """The arguments that the client was created with; the token is redacted."""
        given, transport = self.settings, self.connections.given
        told = {"backend": given.backend, "base_url": given.base_url, "api_token": given.token}
        shown = [f"{name}={value!r}" for name, value in told.items() if value is not None]
        return ", ".join(shown if transport is None else [*shown, f"transport={type(transport).__name__}"])

    def route(self, ref: Any = None, backend: str | None = None) -> Route:
        """Where a call about the model ``ref`` goes, or one about something at ``backend``."""
        if backend is not None:
            return named(self.settings, self.connections.declared, backend)
        return choose(self.settings, self.connections.declared, str(ref) if isinstance(ref, ModelRef) else ref)

    def route_to(self, things: str, backend: str | None = None) -> Route:
        """Where a call about ``predictions`` goes, or about things with the same life, such as ``trainings``."""
        route = self.route(backend=backend)
        dialect: Any = route.dialect
        return route if things == "predictions" else attrs.evolve(route, dialect=attrs.evolve(dialect, things=things))

    def backend_of(self, prediction_id: str) -> str | None:
        """The backend that is known to have a prediction; None for the one that calls go to anyway."""
        made_here = self.connections.given is None and self.connections.knows_locally(prediction_id)
        return "local" if made_here else None

    def terms(self, route: Route, timeout: TimeoutOption = DEFAULT, seconds: float | None = None, **more: Any) -> Terms:
        """What holds for a call that begins now; ``seconds`` is its default limit."""
        clock, budget = self.clock, self.settings.budget(timeout, seconds)
        now = clock.now()
        return Terms(
            dialect=route.dialect,
            deadline=None if budget.total is None else now + budget.total,
            timeout=budget,
            max_retries=self.settings.max_retries,
            # With a custom clock, such as a test's, every run is the same.
            seed=random() if isinstance(clock, SystemClock) else 0.5,  # noqa: S311 - jitter is not secret
            epoch=clock.time() - now,
            **self._life_terms,
            **more,
        )

    def plain_terms(self, route: Route) -> Terms:
        """What holds for a call that follows no prediction."""
        return self.terms(route, seconds=PLAIN_SECONDS)

    # ---- the steps of calls, for both engines ----

    def beginning(self, options: RunOptions, route: Route, *, delivers: bool, hold: float) -> Calling[Beginning]:
        """A prediction that is followed to its end."""
        life_terms = self.terms(route, options.timeout, delivers=delivers, cancels=options.cancel_on_exit)
        is_limited = options.timeout is not DEFAULT or self.settings.timeout is not None
        hold = 0.0 if delivers else hold
        schema_of = partial(self.asking_schema, life_terms)
        return begin(options, life_terms, schema_of, hold, is_limited, self._time_of_day(route))

    def creating(self, options: RunOptions, route: Route) -> Calling[Snapshot]:
        """A prediction that is created, and not followed."""
        # A prediction that ends with this call anyway is canceled if the call is left.
        cancels = not route.dialect.keeps and options.webhook is None
        life_terms = self.terms(route, options.timeout, follows=False, cancels=cancels)
        schema_of = partial(self.asking_schema, life_terms)
        begins = yield from begin(options, life_terms, schema_of, 0.0, False, self._time_of_day(route))
        return calling.snapshot_of((yield begins))

    def getting(self, prediction_id: str, route: Route) -> Calling[Snapshot]:
        """A prediction by its id."""
        known = Snapshot({"id": checked_id(prediction_id)})
        dialect = route.dialect
        request = dialect.poll(known)
        try:
            response = yield from calling.response_to(self.plain_terms(route), request)
        except APIError as error:
            if dialect.keeps or not dialect.gone(Response(error.status)):
                raise
            raise endings.forgotten(known) from error
        if not dialect.keeps and dialect.gone(response):
            raise endings.forgotten(known)
        return calling.read(request, lambda: snapshot_of_answer(dialect, response, known))

    def canceling(self, known: Snapshot, route: Route) -> Calling[Snapshot]:
        """A prediction after a cancel; harmless if it has already ended."""
        checked_id(known.id)
        request = route.dialect.cancel(known)
        if request is None:
            raise PermissionDenied(f"the {route.dialect.name} endpoint cannot cancel a prediction", status=403)
        try:
            response = yield from calling.response_to(self.plain_terms(route), request, repeatable=True)
        except NotFound:
            if route.dialect.keeps or "status" not in known:  # only its id is known
                raise
            return known
        return calling.read(request, lambda: snapshot_of_answer(route.dialect, response, known))

    def operating(self, operation: Operation[R], route: Route, life_terms: Terms | None = None) -> Calling[R]:
        """One operation of the API."""
        request = operation.request(route.dialect)
        asked = life_terms or self.plain_terms(route)
        try:
            response = yield from calling.response_to(asked, request, repeatable=operation.repeatable)
        except NotFound as error:
            raise operation.not_found(error) from None
        return calling.read(request, lambda: operation.read(response, route.dialect.base_url))

    def starting(
        self, ask: Callable[[Mapping[str, Any]], Operation[Any]], input: Any, strategy: str | None, route: Route
    ) -> Calling[Snapshot]:
        """A run that an operation creates; files in its input are sent first."""
        life_terms = self.terms(route, follows=False)
        inputs = checked_input(input, None, None)
        ask({}).request(route.dialect)  # raises for bad arguments before any file is sent
        if not is_json(inputs):
            from ..inputs.encoding import encoded  # only needed for files and the like

            inputs = yield from encoded(life_terms, inputs, strategy)
        over = yield partial(creating, life_terms, ask(inputs).request(route.dialect))
        return calling.snapshot_of(over)

    def asking_schema(self, life_terms: Terms, ref: ModelRef, *, strict: bool = False) -> Calling[Schema]:
        """A model's inputs and output, read once; ``strict`` raises if it cannot be read."""
        dialect = life_terms.dialect
        key = (dialect.base_url, str(ref))
        if key in self._schemas:
            return self._schemas[key]
        from ...records.schema import Schema

        request = dialect.schema(ref)
        found = Schema()
        try:
            if request is None:
                raise PermissionDenied(f"the {dialect.name} endpoint has no schema of {ref}", status=403)
            response = yield from calling.response_to(life_terms, request)
            found = Schema.of(dialect.openapi(response))
        except ReplicateHomeError as error:
            if strict:
                raise
            if not isinstance(error, APIError):
                return found  # it was not reached: the next call asks again
        self._schemas[key] = found
        return found

    def _time_of_day(self, route: Route) -> str | None:
        """Now, for servers that leave ``created_at`` to the client (ISO 8601)."""
        if route.dialect.keeps:
            return None
        from datetime import UTC, datetime  # costs a millisecond to import

        return datetime.fromtimestamp(self.clock.time(), UTC).isoformat()

    def downloading(self, url: str, route: Route, headers: Mapping[str, str]) -> State:
        """The life of a download; ``headers`` say which part of the file is wanted."""
        if not urls.is_safe(route.dialect.base_url, url):
            raise UnsafeURL(f"{url.partition('?')[0][:200]!r} was not requested: only https URLs of public hosts are")
        request = route.dialect.file(url)
        request = attrs.evolve(request, headers={**request.headers, **headers})
        return downloading(self.terms(route), request, self.clock.now())

    def ended(self, snapshot: Snapshot, route: Route) -> Snapshot:
        """A prediction that has ended, if it succeeded; raises its error otherwise."""
        over = following(self.plain_terms(route), snapshot, self.clock.now())
        assert isinstance(over, Settled)
        if isinstance(over.error, ModelError):
            name_cause(over.error, self.connections.asked_already(route.connections))
        return calling.snapshot_of(over)


class Engine(BaseEngine):
    """Makes calls in the caller's thread."""

    def perform(self, steps: Calling[T], route: Route) -> T:
        """Make a call's requests, one after the other."""
        return calling.call(steps, partial(self.drive, route=route), self.clock)

    def drive(self, state: State, route: Route) -> Drive:
        """A life that begins with ``state``."""
        gate = self.connections.gate(route.dialect)
        return Drive(state, self.connections.transport(route.connections), self.clock, gate)

    def begin(self, options: RunOptions, route: Route, *, delivers: bool) -> Drive:
        """The life of a new prediction; ``delivers`` is whether its output is handed out as it grows."""
        begins = self.perform(self.beginning(options, route, delivers=delivers, hold=HOLD), route)
        return self.drive(begins(self.clock.now()), route)

    def follow(self, snapshot: Snapshot, route: Route, timeout: TimeoutOption) -> Drive:
        """A life that goes on from what is known of a prediction, handing out all of its output."""
        return self.drive(following(self.terms(route, timeout), snapshot, self.clock.now()), route)

    def create(self, options: RunOptions, route: Route) -> Snapshot:
        """Create a prediction and leave it running."""
        return self.perform(self.creating(options, route), route)

    def get(self, prediction_id: str, route: Route) -> Snapshot:
        """A prediction as it is now."""
        return self.perform(self.getting(prediction_id, route), route)

    def cancel(self, known: Snapshot, route: Route) -> Snapshot:
        """Cancel a prediction, of which only the id need be known."""
        return self.perform(self.canceling(known, route), route)

    def wait(self, snapshot: Snapshot, route: Route, timeout: TimeoutOption) -> Snapshot:
        """A prediction as it ends, failed or not."""
        return self.perform(calling.ended(self.terms(route, timeout, delivers=False), snapshot), route)

    def operate(self, operation: Operation[R], backend: str | None = None) -> R:
        """Perform one operation of the API."""
        route = self.route(backend=backend)
        return self.perform(self.operating(operation, route), route)

    def schema(self, model: Any) -> Schema:
        """A model's inputs and output."""
        ref = reference_of(model)
        route = self.route(ref)
        parsed = ModelRef.parse(ref, aliases=route.dialect.aliases)
        return self.perform(self.asking_schema(self.plain_terms(route), parsed, strict=True), route)

    def download(self, url: str, route: Route, headers: Mapping[str, str]) -> Drive:
        """A settled life whose body is an open download; raises if it could not be opened."""
        drive = self.drive(self.downloading(url, route, headers), route)
        error = drive.settle().error
        if error is not None:
            raise error
        return drive

    def close(self) -> None:
        """Close the connections; a transport that was passed in stays open."""
        self.connections.close()


def checked_transport(transport: Any) -> None:
    """Raise TypeError for anything but a blocking transport."""
    if transport is None:
        return
    if not callable(getattr(transport, "send", None)):
        raise TypeError(f"a transport has send(request, deadline); {type(transport).__name__} has none")
    from ...transports.async_base import is_async  # brings asyncio, which costs 12 ms to import

    if is_async(transport):
        raise TypeError(f"{type(transport).__name__} is a transport for event loops: give it to AsyncClient")
