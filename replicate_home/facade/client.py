"""The client for plain scripts: blocking calls, and streams to iterate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

from ..drivers.drive import Drive
from ..edges.clock import Clock
from ..edges.transport import Transport
from ..rules import urls
from ..rules.backends import Replicate
from ..rules.life import Terms
from ..rules.lifecycle import Settled, State, downloading, following
from ..rules.refs import ModelRef
from ..words.errors import ModelError, UnsafeURL
from ..words.records import Snapshot
from ..words.wire import Request
from . import chores
from .calls import Call, begin, terms
from .connections import Connections, Models
from .file_output import Download, pieces_with_files
from .handles import Prediction, Predictions
from .progress import reporting
from .results import Result, result_of
from .settings import (
    DEFAULT,
    PLAIN_SECONDS,
    Route,
    Settings,
    TimeoutOption,
    checked_headers,
    checked_retries,
    checked_timeout,
    checked_token,
    choose,
    named,
    settings,
)
from .streams import Stream

T = TypeVar("T")


class Client:
    """Runs models on Replicate, its homepage, or in this process.

    ``api_token`` is read from REPLICATE_API_TOKEN where it is not given. ``timeout`` is the whole budget of a
    call in seconds, 600 where nothing is said, None for no limit. ``max_retries`` is how often a request that is
    safe to repeat is sent again. One client may be used by many threads; pickled, it leaves its token behind.

    Which backend answers: ``backend=``, else what a given ``transport`` declares, else REPLICATE_HOME_BACKEND,
    else ``base_url=`` or REPLICATE_BASE_URL, else this process for ``local/...``, else the hosted API where there
    is a token, else the homepage for the few models that it has.
    """

    def __init__(
        self,
        api_token: str | None = None,
        *,
        backend: str | None = None,
        base_url: str | None = None,
        timeout: TimeoutOption = DEFAULT,
        max_retries: Any = 3,
        headers: Mapping[str, str] | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings(api_token, backend, base_url, timeout, max_retries, headers)
        self._connections = Connections(transport, clock, None)
        self._schemas: dict[tuple[str, str], Mapping[str, Any]] = {}

    @classmethod
    def local(cls, models: Models | None = None, **options: Any) -> Client:
        """A client for models in this process: no account, no network. ``models`` maps ``local/name`` to callables."""
        client = cls(backend="local", **options)
        client._connections.models = models
        return client

    def with_options(
        self,
        *,
        api_token: str | None = None,
        timeout: TimeoutOption = DEFAULT,
        max_retries: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Client:
        """A client with these options instead, sharing this one's connections; ``headers`` are added."""
        changes: dict[str, Any] = {}
        if api_token is not None:
            changes["token"] = checked_token(api_token)
        if timeout is not DEFAULT:
            changes["timeout"] = checked_timeout(timeout)
        if max_retries is not None:
            changes["max_retries"] = checked_retries(max_retries)
        if headers is not None:
            changes["headers"] = {**self._settings.headers, **checked_headers(headers)}
        return self._made(attrs.evolve(self._settings, **changes), self._connections)

    def run(
        self,
        model: str,
        input: Mapping[str, Any] | None = None,
        *,
        prompt: str | None = None,
        messages: Any = None,
        timeout: TimeoutOption = DEFAULT,
        wait: bool | float | None = None,
        webhook: str | None = None,
        webhook_events_filter: list[str] | None = None,
        on_update: Any = None,
        progress: Any = False,
        cancel_on_exit: bool = True,
        use_file_output: bool = True,
        file_encoding_strategy: str | None = None,
    ) -> Result:
        """Run a model and return its output when it has succeeded.

        ``timeout`` bounds the whole call; at its end, or on an exception, the prediction is canceled unless
        ``cancel_on_exit`` is False. ``wait`` is how many seconds the server may hold the first request.
        ``on_update`` is called with every new snapshot of the prediction.

        Raises :class:`ModelError` where the model failed, :class:`PredictionTimeout`,
        :class:`CreateOutcomeUnknown` where nobody can say whether it runs, and the errors of any request.
        """
        arguments = {name: value for name, value in locals().items() if name != "self"}
        with self._stream(Call(**arguments), delivers=False) as stream:
            return stream.result()

    def stream(
        self,
        model: str,
        input: Mapping[str, Any] | None = None,
        *,
        prompt: str | None = None,
        messages: Any = None,
        timeout: TimeoutOption = DEFAULT,
        wait: bool | float | None = None,
        webhook: str | None = None,
        webhook_events_filter: list[str] | None = None,
        on_update: Any = None,
        progress: Any = False,
        cancel_on_exit: bool = True,
        use_file_output: bool = True,
        file_encoding_strategy: str | None = None,
    ) -> Stream:
        """Run a model and iterate its output as it grows; see :class:`Stream`, and :meth:`run` for the options."""
        arguments = {name: value for name, value in locals().items() if name != "self"}
        return self._stream(Call(**arguments), delivers=True)

    def use(self, model: str, **options: Any) -> Function:
        """The model as a function of its inputs; ``options`` are those of :meth:`run`."""
        ModelRef.parse(model, aliases=True)
        return Function(self, model, options)

    @property
    def predictions(self) -> Predictions:
        """Create, get, list and cancel predictions."""
        return Predictions(self)

    def close(self) -> None:
        """Close the connections; a transport that was passed in stays open."""
        self._connections.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        given = self._settings
        shown = {"backend": given.backend, "base_url": given.base_url, "api_token": given.token}
        return f"Client({', '.join(f'{name}={value!r}' for name, value in shown.items() if value is not None)})"

    def __reduce__(self) -> tuple[Any, ...]:
        given, shared = self._settings, self._connections
        required = given.requires_token or given.current_token() is not None
        bare = attrs.evolve(given, token=None, requires_token=required)
        return _unpickled, (bare, shared.given, shared.clock, shared.models)

    # ---- how it is done ----

    @classmethod
    def _made(cls, given: Settings, connections: Connections) -> Client:
        client = cls.__new__(cls)
        client._settings, client._connections, client._schemas = given, connections, {}
        return client

    @property
    def _clock(self) -> Clock:
        return self._connections.clock

    def _route(self, ref: str | None, backend: str | None = None) -> Route:
        if backend is not None:
            return named(self._settings, self._connections.declared, backend)
        return choose(self._settings, self._connections.declared, ref, aliases=True)

    def _drive(self, state: State, route: Route) -> Drive:
        return Drive(state, self._connections.transport(route.connections), self._clock)

    def _do(self, chore: chores.Chore[T], route: Route) -> T:
        """Have a chore's requests made, one after the other."""
        try:
            state = next(chore)
            while True:
                state = chore.send(self._drive(state, route).settle())
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # the chore's T

    def _plain_terms(self, route: Route) -> Terms:
        return terms(self._settings, route, self._clock, self._settings.budget(DEFAULT, PLAIN_SECONDS))

    def _stream(self, call: Call, *, delivers: bool) -> Stream:
        route = self._route(call.model)
        state = self._do(begin(self._settings, route, self._clock, call, self._schema, delivers=delivers), route)
        return self._streaming(state, route, call)

    def _streaming(self, state: State, route: Route, call: Call) -> Stream:
        base_url = route.dialect.base_url

        def shape(items: list[Any]) -> list[Any]:
            return pieces_with_files(items, base_url, opener) if call.use_file_output else items

        def opener(url: str) -> Download:
            return self._download(url, route)

        return Stream(
            self._drive(state, route),
            shape,
            lambda snapshot: result_of(snapshot, base_url, opener, use_file_output=call.use_file_output),
            lambda prediction_id: self._do_cancel(prediction_id, route.dialect.name),
            reporting(call.on_update, call.progress),
        )

    def _schema(self, life_terms: Terms, ref: ModelRef, now: float) -> chores.Chore[Mapping[str, Any]]:
        key = (life_terms.dialect.base_url, str(ref))
        if key not in self._schemas:
            self._schemas[key] = yield from chores.input_schema(life_terms, ref, now)
        return self._schemas[key]

    def _create(self, model: Any, input: Any, **options: Any) -> Prediction:
        call = Call(model, input, **options)
        route = self._route(call.model)
        chore = begin(self._settings, route, self._clock, call, self._schema, follows=False)
        settled = self._drive(self._do(chore, route), route).settle()
        return Prediction(_snapshot_of(settled), self, route.dialect.name)

    def _backend_of(self, prediction_id: str) -> str | None:
        """Where a prediction lives, as far as its id alone tells."""
        if self._connections.given is None and self._connections.knows_locally(prediction_id):
            return "local"
        return None

    def _do_get(self, prediction_id: str, backend: str | None) -> Snapshot:
        route = self._route(None, backend)
        return self._do(chores.get(self._plain_terms(route), prediction_id, self._clock.now()), route)

    def _do_cancel(self, prediction_id: str, backend: str | None) -> Snapshot:
        route = self._route(None, backend)
        return self._do(chores.cancel(self._plain_terms(route), prediction_id, self._clock.now()), route)

    def _page(self, path: str, **parameters: str | None) -> Mapping[str, Any]:
        route = self._route(None)
        chore = chores.page(self._plain_terms(route), chores.query(path, **parameters), self._clock.now())
        return self._do(chore, route)

    def _wait(self, snapshot: Snapshot, backend: str | None, timeout: TimeoutOption) -> Snapshot:
        if snapshot.is_terminal:
            return snapshot
        route = self._route(None, backend)
        life_terms = terms(self._settings, route, self._clock, self._settings.budget(timeout), delivers=False)
        settled = self._drive(following(life_terms, snapshot, self._clock.now()), route).settle()
        if isinstance(settled.error, ModelError):
            return _known(settled)
        return _snapshot_of(settled)

    def _follow(self, snapshot: Snapshot, backend: str | None, timeout: TimeoutOption) -> Stream:
        route = self._route(None, backend)
        life_terms = terms(self._settings, route, self._clock, self._settings.budget(timeout))
        state = following(life_terms, snapshot, self._clock.now())
        return self._streaming(state, route, Call(snapshot.model or "", timeout=timeout))

    def _result(self, snapshot: Snapshot, backend: str | None) -> Result:
        route = self._route(None, backend)
        settled = following(self._plain_terms(route), snapshot, self._clock.now())
        assert isinstance(settled, Settled)
        final = _snapshot_of(settled)
        return result_of(final, route.dialect.base_url, lambda url: self._download(url, route), use_file_output=True)

    def _download(self, url: str, route: Route) -> Download:
        """Ask for a file; its body is read by whoever gets the :class:`Download`."""
        dialect = route.dialect
        if not urls.is_safe(dialect.base_url, url):
            raise UnsafeURL(f"{url.partition('?')[0][:200]!r} is not fetched: only https to a public host is")
        if isinstance(dialect, Replicate):
            request = dialect.request("GET", url, headers={"Accept": "*/*"}, streams=True)
        else:
            request = Request("GET", url, {"Accept": "*/*"}, streams=True)
        budget = self._settings.budget(DEFAULT)
        life_terms = terms(self._settings, route, self._clock, budget)
        drive = self._drive(downloading(life_terms, request, self._clock.now()), route)
        settled = drive.settle()
        if settled.error is not None:
            raise settled.error
        assert settled.answer is not None

        def read() -> bytes:
            limits = [life_terms.deadline, None if budget.idle is None else self._clock.now() + budget.idle]
            return drive.read(min((limit for limit in limits if limit is not None), default=None))

        return Download(settled.answer.content_type, read, drive.close_body)


class Function:
    """A model as a function: call it with its inputs for a :class:`Result`."""

    def __init__(self, client: Client, model: str, options: Mapping[str, Any]) -> None:
        self._client = client
        self._options = options
        self.model = model

    def __call__(self, **inputs: Any) -> Result:
        """Run the model with these inputs."""
        return self._client.run(self.model, **self._arguments(inputs))

    def stream(self, **inputs: Any) -> Stream:
        """Stream the model's output for these inputs."""
        return self._client.stream(self.model, **self._arguments(inputs))

    def _arguments(self, inputs: dict[str, Any]) -> dict[str, Any]:
        messages = inputs.pop("messages", None)
        return {**self._options, "input": inputs, "messages": messages}

    def __repr__(self) -> str:
        return f"{self._client!r}.use({self.model!r})"


def _unpickled(given: Settings, transport: Transport | None, clock: Clock, models: Models | None) -> Client:
    return Client._made(given, Connections(transport, clock, models))


def _known(settled: Settled) -> Snapshot:
    assert settled.life.snapshot is not None
    return settled.life.snapshot


def _snapshot_of(settled: Settled) -> Snapshot:
    """What a life that went well ended with; raises what it ended with otherwise."""
    if settled.error is not None:
        raise settled.error
    return _known(settled)
