"""The client for event loops: the calls of :class:`Client`, awaited, and streams for ``async for``."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Never, Unpack

from ..clock import Clock
from ..dialects.refs import ModelRef
from ..transports.async_base import AsyncTransport
from ..transports.base import Transport
from ..wire import Response
from .engine.async_connections import AsyncConnections
from .engine.async_engine import AsyncEngine
from .engine.calls import (
    MapOptions,
    MoreMapOptions,
    RunOptions,
    UseOptions,
    map_options,
    reference_of,
    taking,
    use_inputs,
    use_options,
)
from .engine.connections import Models
from .engine.settings import DEFAULT, Settings, TimeoutOption, changed, naming_options, settings
from .outputs.async_streams import AsyncStream
from .outputs.results import Result

if TYPE_CHECKING:
    from .batch.batch import AsyncBatch
    from .resources.accounts import AsyncAccounts
    from .resources.collections import AsyncCollections
    from .resources.deployments import AsyncDeployments
    from .resources.files import AsyncFiles
    from .resources.hardware import AsyncHardwareKinds
    from .resources.models import AsyncModels
    from .resources.predictions import AsyncPredictions
    from .resources.search import AsyncSearch
    from .resources.trainings import AsyncTrainings
    from .resources.webhooks import AsyncWebhooks


class AsyncClient:
    """Runs models on Replicate, its homepage, a Cog server, or in this process, from event loops; see :class:`Client`.

    ``transport`` may be of either kind; a blocking one is run in threads. The default is aiohttp if that is installed
    (``python -m pip install aiohttp``), and otherwise threads. Threads make a few dozen requests at a time, and then
    the server is not asked to hold the first request.

    A client may be used in several event loops, one after another or at once.
    """

    @naming_options
    def __init__(
        self,
        api_token: str | None = None,
        *,
        backend: str | None = None,
        base_url: str | None = None,
        timeout: TimeoutOption = DEFAULT,
        max_retries: Any = 3,
        headers: Mapping[str, str] | None = None,
        transport: AsyncTransport | Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        given = settings(api_token, backend, base_url, timeout, max_retries, headers)
        self._engine = AsyncEngine(given, AsyncConnections.over(transport, clock, None))

    @classmethod
    def local(cls, models: Models | None = None, **options: Any) -> AsyncClient:
        """A client for models in this process: no account, no network. ``models`` maps ``local/name`` to callables."""
        client = cls(backend="local", **options)
        client._engine.connections.models = models
        return client

    @taking(RunOptions)
    async def run(self, options: RunOptions) -> Result:
        """Run a model, wait for it, and return its output; see :meth:`Client.run` for the options.

        If ``on_update`` returns a coroutine, it is awaited. Canceling the task cancels the prediction, unless
        ``cancel_on_exit`` is False.
        """
        async with AsyncStream.of(self._engine, options, delivers=False) as stream:
            return await stream.result()

    @taking(RunOptions)
    def stream(self, options: RunOptions) -> AsyncStream:
        """Run a model and iterate its output as it arrives; see :class:`AsyncStream`."""
        return AsyncStream.of(self._engine, options, delivers=True)

    @taking(MapOptions)
    def map(self, options: MapOptions) -> AsyncBatch:
        """Run a model over many inputs and iterate the items with ``async for``; see :meth:`Client.map`.

        ``inputs`` may also be an asynchronous iterable, and ``then`` a coroutine function.
        """
        from .batch.batch import AsyncBatch  # brings sqlite3

        return AsyncBatch(self._engine, options, {})

    def use(self, model: Any, **options: Unpack[UseOptions]) -> AsyncFunction:
        """The model as a function of its inputs; ``options`` are those of :meth:`run`."""
        ModelRef.parse(reference_of(model), aliases=True)
        return AsyncFunction(self, model, use_options(options))

    @property
    def predictions(self) -> AsyncPredictions:
        """Create, get, list and cancel predictions."""
        from .resources.predictions import AsyncPredictions

        return AsyncPredictions(self._engine)

    @property
    def models(self) -> AsyncModels:
        """Models, their versions and examples, and their inputs and outputs."""
        from .resources.models import AsyncModels

        return AsyncModels(self._engine)

    @property
    def deployments(self) -> AsyncDeployments:
        """Your deployments, and predictions on them."""
        from .resources.deployments import AsyncDeployments

        return AsyncDeployments(self._engine)

    @property
    def trainings(self) -> AsyncTrainings:
        """Train models, and follow trainings."""
        from .resources.trainings import AsyncTrainings

        return AsyncTrainings(self._engine)

    @property
    def files(self) -> AsyncFiles:
        """Your uploaded files."""
        from .resources.files import AsyncFiles

        return AsyncFiles(self._engine)

    @property
    def collections(self) -> AsyncCollections:
        """Curated collections of models."""
        from .resources.collections import AsyncCollections

        return AsyncCollections(self._engine)

    @property
    def search(self) -> AsyncSearch:
        """Search models, collections and documentation: ``client.search("cats")``."""
        from .resources.search import AsyncSearch

        return AsyncSearch(self._engine)

    @property
    def hardware(self) -> AsyncHardwareKinds:
        """What models can run on."""
        from .resources.hardware import AsyncHardwareKinds

        return AsyncHardwareKinds(self._engine)

    @property
    def accounts(self) -> AsyncAccounts:
        """The account that the token belongs to."""
        from .resources.accounts import AsyncAccounts

        return AsyncAccounts(self._engine)

    @property
    def webhooks(self) -> AsyncWebhooks:
        """The secret that signs the account's webhooks."""
        from .resources.webhooks import AsyncWebhooks

        return AsyncWebhooks(self._engine)

    async def request(
        self, method: str, path: str, *, json: Any = None, query: Mapping[str, str] | None = None
    ) -> Response:
        """Call an endpoint that has no method here; see :meth:`Client.request`."""
        from ..operations.custom import custom

        return await self._engine.operate(custom(method, path, json=json, query=query))

    def with_options(
        self,
        *,
        api_token: str | None = None,
        timeout: TimeoutOption = DEFAULT,
        max_retries: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncClient:
        """A client with these options changed, over the same connections; ``headers`` are added to the others."""
        given = changed(self._engine.settings, api_token, timeout, max_retries, headers)
        return client_over(AsyncEngine(given, self._engine.async_connections), type(self))

    async def close(self) -> None:
        """Close the connections, after cancels in progress have ended; a transport that you passed stays open."""
        await self._engine.close()

    aclose = close

    if not TYPE_CHECKING:

        def __enter__(self) -> Any:
            raise TypeError("AsyncClient is entered with `async with`; or use Client")

        def __exit__(self, *_: object) -> None: ...

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        engine = self.__dict__.get("_engine")  # a traceback may show a client that is not fully built
        return f"AsyncClient({engine or ''})"

    def __copy__(self) -> AsyncClient:
        return client_over(self._engine, type(self))

    def __deepcopy__(self, memo: Any) -> AsyncClient:
        return self.__copy__()  # connections cannot be copied, and options never change

    def __reduce__(self) -> tuple[Callable[..., AsyncClient], tuple[Any, ...]]:
        shared = self._engine.connections
        given = self._engine.settings.without_token()
        return _unpickled, (type(self), given, shared.given, shared.clock, shared.models)


class AsyncFunction:
    """A model as a function: call it with its inputs and await a :class:`Result`."""

    def __init__(self, client: AsyncClient, model: Any, options: UseOptions) -> None:
        self._client = client
        self._options = options
        self.model = model

    async def __call__(self, /, *unnamed: Never, input: Mapping[str, Any] | None = None, **inputs: Any) -> Result:
        """Run the model with these inputs."""
        return await self._client.run(self.model, **use_inputs(self.model, unnamed, input, inputs), **self._options)

    def stream(self, /, *unnamed: Never, input: Mapping[str, Any] | None = None, **inputs: Any) -> AsyncStream:
        """Stream the model's output for these inputs."""
        return self._client.stream(self.model, **use_inputs(self.model, unnamed, input, inputs), **self._options)

    def map(
        self,
        inputs: Iterable[Mapping[str, Any] | str] | AsyncIterable[Mapping[str, Any] | str],
        /,
        **options: Unpack[MoreMapOptions],
    ) -> AsyncBatch:
        """Run the model over many inputs; see :meth:`AsyncClient.map`."""
        from .batch.batch import AsyncBatch  # brings sqlite3

        told = map_options(self.model, inputs, self._options, options)
        return AsyncBatch(self._client._engine, told, self._options)

    def __repr__(self) -> str:
        return f"{self._client!r}.use({self.model!r})"


def client_over(engine: AsyncEngine, kind: type[AsyncClient] = AsyncClient) -> AsyncClient:
    """A client over this engine, whose connections other clients may share."""
    client = kind.__new__(kind)
    client._engine = engine
    return client


def _unpickled(
    cls: type[AsyncClient], given: Settings, transport: Any, clock: Clock, models: Models | None
) -> AsyncClient:
    return client_over(AsyncEngine(given, AsyncConnections.over(transport, clock, models)), cls)
