"""The client for plain scripts: blocking calls, and streams to iterate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..clock import Clock
from ..dialects.refs import ModelRef
from ..drivers.drive import Drive
from ..lifecycle.machine import State
from ..records.prediction import Snapshot
from .engine.calls import Call, checked_options
from .engine.connections import Connections, Models
from .engine.core import Core, Errand
from .engine.settings import DEFAULT, Route, Settings, TimeoutOption
from .outputs.results import Result
from .outputs.streams import Stream
from .resources.predictions import Prediction, Predictions

if TYPE_CHECKING:
    from .async_client import AsyncClient

T = TypeVar("T")


class Client(Core):
    """Runs models on Replicate, its homepage, or in this process.

    ``api_token`` is read from REPLICATE_API_TOKEN where it is not given. ``timeout`` is the whole budget of a
    call in seconds, 600 where nothing is said, None for no limit. ``max_retries`` is how often a request that is
    safe to repeat is sent again. One client may be used by many threads; pickled, it leaves its token behind.

    Which backend answers: ``backend=``, else what a given ``transport`` declares, else REPLICATE_HOME_BACKEND,
    else ``base_url=`` or REPLICATE_BASE_URL, else this process for ``local/...``, else the hosted API where there
    is a token, else the homepage for the few models that it has.
    """

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
        call = Call(
            model, input, prompt, messages, timeout, wait, webhook, webhook_events_filter, on_update, progress,
            cancel_on_exit, use_file_output, file_encoding_strategy,
        )  # fmt: skip
        with self._stream(call, delivers=False) as stream:
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
        call = Call(
            model, input, prompt, messages, timeout, wait, webhook, webhook_events_filter, on_update, progress,
            cancel_on_exit, use_file_output, file_encoding_strategy,
        )  # fmt: skip
        return self._stream(call, delivers=True)

    def use(self, model: str, **options: Any) -> Function:
        """The model as a function of its inputs; ``options`` are those of :meth:`run`."""
        ModelRef.parse(model, aliases=True)
        return Function(self, model, checked_options(options))

    @property
    def predictions(self) -> Predictions:
        """Create, get, list and cancel predictions."""
        return Predictions(self)

    def close(self) -> None:
        """Close the connections; a transport that was passed in stays open."""
        self._connections.close()

    def as_async(self) -> AsyncClient:
        """The same client for event loops, over the same connections, which it leaves open.

        They are served by threads: for thousands of predictions at once, make an :class:`AsyncClient` itself.
        """
        from .async_client import AsyncClient
        from .engine.async_connections import AsyncConnections

        return AsyncClient._made(self._settings, AsyncConnections(self._connections, owned=False))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- how it is done ----

    @classmethod
    def _connected(cls, transport: Any, clock: Clock | None, models: Models | None) -> Connections:
        if transport is not None:
            if not callable(getattr(transport, "send", None)):
                raise TypeError(f"a transport has send(request, deadline); {type(transport).__name__} has none")
            from ..transports.async_base import is_async  # brings asyncio, which costs 12 ms to import

            if is_async(transport):
                raise TypeError(f"{type(transport).__name__} is a transport for event loops: give it to AsyncClient")
        return Connections(transport, clock, models)

    def _set_up(self, given: Settings, shared: Connections) -> None:
        self._settings, self._connections, self._schemas = given, shared, {}

    def _shared(self) -> Connections:
        return self._connections

    def _drive(self, state: State, route: Route) -> Drive:
        return Drive(state, self._connections.transport(route.connections), self._clock)

    def _do(self, errand: Errand[T]) -> T:
        """Have an errand's requests made, one after the other."""
        try:
            state = next(errand.chore)
            while True:
                state = errand.chore.send(self._drive(state, errand.route).settle())
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # the chore's T

    def _stream(self, call: Call, *, delivers: bool) -> Stream:
        route = self._route(call.model)
        return self._streaming(self._beginning(call, route, delivers=delivers), call)

    def _follow(self, snapshot: Snapshot, backend: str | None, timeout: TimeoutOption) -> Stream:
        call = Call(snapshot.model or "", timeout=timeout)
        return self._streaming(self._following(snapshot, self._route(None, backend), timeout), call)

    def _streaming(self, errand: Errand[State], call: Call) -> Stream:
        drive = self._drive(self._do(errand), errand.route)
        return Stream(self, drive, self._dressing(errand.route, call))

    def _create(self, model: Any, input: Any, **options: Any) -> Prediction:
        call = Call(model, input, **options)
        route = self._route(call.model)
        return Prediction(self._do(self._creating(call, route)), self, route.dialect.name)


class Function:
    """A model as a function: call it with its inputs for a :class:`Result`."""

    def __init__(self, client: Client, model: str, options: Mapping[str, Any]) -> None:
        self._client = client
        self._options = options
        self.model = model

    def __call__(self, /, **inputs: Any) -> Result:
        """Run the model with these inputs."""
        return self._client.run(self.model, **self._arguments(inputs))

    def stream(self, /, **inputs: Any) -> Stream:
        """Stream the model's output for these inputs."""
        return self._client.stream(self.model, **self._arguments(inputs))

    def _arguments(self, inputs: dict[str, Any]) -> dict[str, Any]:
        messages = inputs.pop("messages", None)
        return {**self._options, "input": inputs, "messages": messages}

    def __repr__(self) -> str:
        return f"{self._client!r}.use({self.model!r})"
