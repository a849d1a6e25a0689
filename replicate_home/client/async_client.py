"""The client for event loops: the same calls as :class:`Client`, awaited, and streams for ``async for``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from ..clock import Clock
from ..dialects.refs import ModelRef
from ..drivers.adrive import AsyncDrive
from ..lifecycle.machine import Settled, State
from ..lifecycle.policy import LEAVING
from ..records.prediction import Snapshot
from ..transports.threaded import in_thread
from .engine import chores
from .engine.async_connections import AsyncConnections
from .engine.calls import Call, checked_options
from .engine.connections import Models
from .engine.core import Core, Errand
from .engine.settings import DEFAULT, Route, Settings, TimeoutOption
from .outputs.async_streams import AsyncStream
from .outputs.results import Result
from .resources.async_predictions import AsyncPrediction, AsyncPredictions

T = TypeVar("T")


class AsyncClient(Core):
    """Runs models on Replicate, its homepage, or in this process, from event loops; see :class:`Client`.

    ``transport`` is of either kind: a blocking one is served by threads. Where none is given the network is reached
    with aiohttp, if that is installed (``pip install "replicate_home[async]"``), else by threads too; by threads some
    dozens of requests go at a time, and creates are not held by the server.

    One client may be used in several event loops, one after the other or at once.
    """

    async def run(
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
        ``on_update`` is called with every new snapshot of the prediction, and awaited where it is a coroutine.

        Raises :class:`ModelError` where the model failed, :class:`PredictionTimeout`,
        :class:`CreateOutcomeUnknown` where nobody can say whether it runs, and the errors of any request.
        """
        async with self._stream(Call(
            model, input, prompt, messages, timeout, wait, webhook, webhook_events_filter, on_update, progress,
            cancel_on_exit, use_file_output, file_encoding_strategy,
        ), delivers=False) as stream:  # fmt: skip
            return await stream.result()

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
    ) -> AsyncStream:
        """Run a model and iterate its output as it grows; see :class:`AsyncStream`, and :meth:`run` for the options."""
        call = Call(
            model, input, prompt, messages, timeout, wait, webhook, webhook_events_filter, on_update, progress,
            cancel_on_exit, use_file_output, file_encoding_strategy,
        )  # fmt: skip
        return self._stream(call, delivers=True)

    def use(self, model: str, **options: Any) -> AsyncFunction:
        """The model as a function of its inputs; ``options`` are those of :meth:`run`."""
        ModelRef.parse(model, aliases=True)
        return AsyncFunction(self, model, checked_options(options))

    @property
    def predictions(self) -> AsyncPredictions:
        """Create, get, list and cancel predictions."""
        return AsyncPredictions(self)

    async def close(self) -> None:
        """Close the connections, after waiting for cancels under way; a transport that was passed in stays open."""
        await self._async_connections.close()

    aclose = close

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- how it is done ----

    @classmethod
    def _connected(cls, transport: Any, clock: Clock | None, models: Models | None) -> AsyncConnections:
        return AsyncConnections.over(transport, clock, models)

    def _set_up(self, given: Settings, shared: AsyncConnections) -> None:
        self._settings, self._async_connections, self._schemas = given, shared, {}
        self._connections = shared.shared

    def _shared(self) -> AsyncConnections:
        return self._async_connections

    def _longest_hold(self, route: Route) -> float:
        # Whoever is cancelled waits for the answer to a create, to cancel the prediction by its id: never for long.
        return LEAVING if self._async_connections.is_native(route.connections) else 0.0

    def _drive(self, state: State, route: Route) -> AsyncDrive:
        return AsyncDrive(
            state, self._async_connections.transport(route.connections), self._clock, self._async_connections.leaving
        )

    async def _do(self, errand: Errand[T]) -> T:
        """Have an errand's requests made, one after the other; what reads files does so in a thread."""
        over: Settled | None = None
        while True:
            if errand.reads_files:
                state, value = await in_thread(self._async_connections.readers, _advanced, errand.chore, over)
            else:
                state, value = _advanced(errand.chore, over)
            if state is None:
                return value  # type: ignore[no-any-return]  # the chore's T
            over = await self._drive(state, errand.route).settle()

    def _stream(self, call: Call, *, delivers: bool) -> AsyncStream:
        route = self._route(call.model)
        begin = partial(self._beginning, call, route, delivers=delivers)
        return AsyncStream(self, begin, self._dressing(route, call))

    def _follow(self, snapshot: Snapshot, backend: str | None, timeout: TimeoutOption) -> AsyncStream:
        route = self._route(None, backend)
        dressing = self._dressing(route, Call(snapshot.model or "", timeout=timeout))
        return AsyncStream(self, partial(self._following, snapshot, route, timeout), dressing)

    async def _create(self, model: Any, input: Any, **options: Any) -> AsyncPrediction:
        call = Call(model, input, **options)
        route = self._route(call.model)
        return AsyncPrediction(await self._do(self._creating(call, route)), self, route.dialect.name)


class AsyncFunction:
    """A model as a function: call it with its inputs and await a :class:`Result`."""

    def __init__(self, client: AsyncClient, model: str, options: Mapping[str, Any]) -> None:
        self._client = client
        self._options = options
        self.model = model

    async def __call__(self, /, **inputs: Any) -> Result:
        """Run the model with these inputs."""
        return await self._client.run(self.model, **self._arguments(inputs))

    def stream(self, /, **inputs: Any) -> AsyncStream:
        """Stream the model's output for these inputs."""
        return self._client.stream(self.model, **self._arguments(inputs))

    def _arguments(self, inputs: dict[str, Any]) -> dict[str, Any]:
        messages = inputs.pop("messages", None)
        return {**self._options, "input": inputs, "messages": messages}

    def __repr__(self) -> str:
        return f"{self._client!r}.use({self.model!r})"


def _advanced(chore: chores.Chore[T], over: Settled | None) -> tuple[State | None, Any]:
    """The next state of a chore, or at its end its value: StopIteration cannot pass through a future."""
    try:
        return (next(chore) if over is None else chore.send(over)), None
    except StopIteration as done:
        return None, done.value
