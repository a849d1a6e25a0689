"""The blocking client: calls that return results, and streams to iterate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Never, Unpack

from ..clock import Clock
from ..dialects.refs import ModelRef
from ..wire import Response
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
from .engine.connections import Connections, Models
from .engine.engine import Engine, checked_transport
from .engine.settings import DEFAULT, Settings, TimeoutOption, changed, naming_options, settings
from .outputs.results import Result
from .outputs.streams import Stream

if TYPE_CHECKING:
    from ..transports.base import Transport
    from .async_client import AsyncClient
    from .batch.batch import Batch
    from .resources.accounts import Accounts
    from .resources.collections import Collections
    from .resources.deployments import Deployments
    from .resources.files import Files as FilesResource
    from .resources.hardware import HardwareKinds
    from .resources.models import Models as ModelsResource
    from .resources.predictions import Predictions
    from .resources.search import Search
    from .resources.trainings import Trainings
    from .resources.webhooks import Webhooks


class Client:
    """Runs models on Replicate, its homepage, a Cog server, or in this process.

    ``api_token`` defaults to REPLICATE_API_TOKEN. ``timeout`` is the budget for a whole call in seconds: 600 by
    default, None for no limit. ``max_retries`` is how often a request that is safe to repeat is sent again.
    ``headers`` are added to every request to the API, and ``clock`` tells the time. A client can be shared by threads.
    Pickling a client drops its token.

    The backend is the first of these that is set: ``backend=`` (``replicate``, ``home``, ``cog`` or ``local``), what
    ``transport`` declares, REPLICATE_HOME_BACKEND, and the server at ``base_url=`` or REPLICATE_BASE_URL. Otherwise
    ``local/...`` models run in this process, and all others on the hosted API, which needs a token.
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
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        given = settings(api_token, backend, base_url, timeout, max_retries, headers)
        checked_transport(transport)
        self._engine = Engine(given, Connections(transport, clock, None, blocking=transport))

    @classmethod
    def local(cls, models: Models | None = None, **options: Any) -> Client:
        """A client for models in this process: no account, no network. ``models`` maps ``local/name`` to callables."""
        client = cls(backend="local", **options)
        client._engine.connections.models = models
        return client

    @taking(RunOptions)
    def run(self, options: RunOptions) -> Result:
        """Run a model, wait for it, and return its output.

        ``model`` is ``owner/name``, ``owner/name:version`` or a version id. ``input`` has the model's inputs by name;
        ``prompt`` and ``messages`` (``[{"role": "user", "content": "Hi"}]``) are added to it.

        ``timeout`` is how many seconds the whole call may take. When it expires, or on an exception, the prediction is
        canceled, unless ``cancel_on_exit`` is False. ``wait`` is how many seconds the server may hold the first
        request (1 by default). ``webhook`` is a URL that the server reports to, and ``webhook_events_filter`` which of
        ``start``, ``output``, ``logs`` and ``completed`` it reports. ``on_update`` is called with every new snapshot of
        the prediction; ``progress=True`` shows a progress bar. With ``use_file_output=False``, files in the output stay
        URLs. ``file_encoding_strategy`` sends files inline (``"base64"``) or uploads them (``"url"``); by default
        their size decides.

        Raises :class:`ModelError` if the model failed, :class:`PredictionTimeout` if the call timed out,
        :class:`CreateOutcomeUnknown` if the prediction may or may not exist, and the errors of any request.
        """
        with Stream.of(self._engine, options, delivers=False) as stream:
            return stream.result()

    @taking(RunOptions)
    def stream(self, options: RunOptions) -> Stream:
        """Run a model and iterate its output as it arrives; see :class:`Stream`, and :meth:`run` for the options."""
        return Stream.of(self._engine, options, delivers=True)

    @taking(MapOptions)
    def map(self, options: MapOptions) -> Batch:
        """Run a model over many inputs, a few at a time, and iterate the items as they finish.

        ``inputs`` are mappings, or strings, which are prompts; they are pulled as they are needed, so a generator may
        be endless. At most ``concurrency`` predictions run at once, and at most ``rate_limit`` are created, such as
        ``"20/s"``, ``"300/min"``, or a number a second, besides what the server allows. Each :class:`BatchItem` has
        ``ok``, ``index``, ``result`` or ``error``, and more; with ``ordered=True`` they come in order.

        ``journal`` is a file that remembers everything: run the same call again after a crash, even ``kill -9``, and it
        continues. Nothing that finished is run again, and what still runs is followed. Where it is unknown whether a
        prediction was created, and the server's list does not tell, ``on_unknown`` decides: ``"raise"`` makes that the
        item's error, ``"resend"`` creates it again, ``"skip"`` leaves it out.

        ``on_error="raise"`` raises the first error, and leaves the rest; ``"collect"`` gives every item its own. An
        invalid token, or a lack of credit or permission, stops creating in either case: what runs is followed to its
        end, and then the error is raised. ``timeout`` is for each item. ``save_to`` is a folder in which output files
        are saved. ``then`` is called with each result in a thread, before the item is handed out; what it returns is
        ``item.value``. ``progress=True`` shows a progress bar. The workers of an ``executor`` follow what was created
        here, save the files and call ``then``; of models in this process they run whole items.

        The batch has a ``summary``, and ``retry_failed()`` runs again what failed. Leaving it cancels what it created,
        unless ``cancel_on_exit`` is False.

        Raises :class:`BatchLocked` at once if another batch uses the journal.
        """
        from .batch.batch import Batch  # brings asyncio and sqlite3

        return Batch(self._engine, options, {})

    def use(self, model: Any, **options: Unpack[UseOptions]) -> Function:
        """The model as a function of its inputs; ``options`` are those of :meth:`run`."""
        ModelRef.parse(reference_of(model), aliases=True)
        return Function(self, model, use_options(options))

    @property
    def predictions(self) -> Predictions:
        """Create, get, list and cancel predictions."""
        from .resources.predictions import Predictions

        return Predictions(self._engine)

    @property
    def models(self) -> ModelsResource:
        """Models, their versions and examples, and their inputs and outputs."""
        from .resources.models import Models

        return Models(self._engine)

    @property
    def deployments(self) -> Deployments:
        """Your deployments, and predictions on them."""
        from .resources.deployments import Deployments

        return Deployments(self._engine)

    @property
    def trainings(self) -> Trainings:
        """Train models, and follow trainings."""
        from .resources.trainings import Trainings

        return Trainings(self._engine)

    @property
    def files(self) -> FilesResource:
        """Your uploaded files."""
        from .resources.files import Files

        return Files(self._engine)

    @property
    def collections(self) -> Collections:
        """Curated collections of models."""
        from .resources.collections import Collections

        return Collections(self._engine)

    @property
    def search(self) -> Search:
        """Search models, collections and documentation: ``client.search("cats")``."""
        from .resources.search import Search

        return Search(self._engine)

    @property
    def hardware(self) -> HardwareKinds:
        """What models can run on."""
        from .resources.hardware import HardwareKinds

        return HardwareKinds(self._engine)

    @property
    def accounts(self) -> Accounts:
        """The account that the token belongs to."""
        from .resources.accounts import Accounts

        return Accounts(self._engine)

    @property
    def webhooks(self) -> Webhooks:
        """The secret that signs the account's webhooks."""
        from .resources.webhooks import Webhooks

        return Webhooks(self._engine)

    def request(self, method: str, path: str, *, json: Any = None, query: Mapping[str, str] | None = None) -> Response:
        """Call an endpoint that has no method here, with this client's token, retries and limits.

        ``path`` is relative to the base URL, such as ``/models``, or a URL from the API. ``json`` is the body,
        ``query`` what follows the question mark. An error status raises, as for any call; the response has the body as
        bytes.
        """
        from ..operations.custom import custom

        return self._engine.operate(custom(method, path, json=json, query=query))

    def with_options(
        self,
        *,
        api_token: str | None = None,
        timeout: TimeoutOption = DEFAULT,
        max_retries: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Client:
        """A client with these options changed, over the same connections; ``headers`` are added to the others."""
        given = changed(self._engine.settings, api_token, timeout, max_retries, headers)
        return _client_over(Engine(given, self._engine.connections), type(self))

    def as_async(self) -> AsyncClient:
        """The same client for event loops, over the same connections. Closing it leaves them open.

        It makes requests in threads: for thousands of concurrent predictions, create an :class:`AsyncClient` instead.
        """
        from .async_client import client_over
        from .engine.async_connections import AsyncConnections
        from .engine.async_engine import AsyncEngine

        shared = AsyncConnections(self._engine.connections, owned=False)
        return client_over(AsyncEngine(self._engine.settings, shared))

    def close(self) -> None:
        """Close the connections; a transport that you passed stays open."""
        self._engine.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        engine = self.__dict__.get("_engine")  # a traceback may show a client that is not fully built
        return f"Client({engine or ''})"

    def __copy__(self) -> Client:
        return _client_over(self._engine, type(self))

    def __deepcopy__(self, memo: Any) -> Client:
        return self.__copy__()  # connections cannot be copied, and options never change

    def __reduce__(self) -> tuple[Callable[..., Client], tuple[Any, ...]]:
        shared = self._engine.connections
        given = self._engine.settings.without_token()
        return _unpickled, (type(self), given, shared.given, shared.clock, shared.models)


class Function:
    """A model as a function: call it with its inputs for a :class:`Result`."""

    def __init__(self, client: Client, model: Any, options: UseOptions) -> None:
        self._client = client
        self._options = options
        self.model = model

    def __call__(self, /, *unnamed: Never, input: Mapping[str, Any] | None = None, **inputs: Any) -> Result:
        """Run the model with these inputs."""
        return self._client.run(self.model, **use_inputs(self.model, unnamed, input, inputs), **self._options)

    def stream(self, /, *unnamed: Never, input: Mapping[str, Any] | None = None, **inputs: Any) -> Stream:
        """Stream the model's output for these inputs."""
        return self._client.stream(self.model, **use_inputs(self.model, unnamed, input, inputs), **self._options)

    def map(self, inputs: Iterable[Mapping[str, Any] | str], /, **options: Unpack[MoreMapOptions]) -> Batch:
        """Run the model over many inputs; see :meth:`Client.map` for the options, which take precedence over these."""
        from .batch.batch import Batch  # brings asyncio and sqlite3

        told = map_options(self.model, inputs, self._options, options)
        return Batch(self._client._engine, told, self._options)

    def __repr__(self) -> str:
        return f"{self._client!r}.use({self.model!r})"


def _unpickled(
    cls: type[Client], given: Settings, transport: Transport | None, clock: Clock, models: Models | None
) -> Client:
    return _client_over(Engine(given, Connections(transport, clock, models, blocking=transport)), cls)


def _client_over(engine: Engine, kind: type[Client]) -> Client:
    client = kind.__new__(kind)
    client._engine = engine
    return client
