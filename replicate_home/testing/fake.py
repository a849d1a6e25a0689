"""A fake that is a real server: the emulator in virtual time, with models that are told what to answer.

What was not told fails loudly, at once and again when the fake is checked, so that code which swallows exceptions
is caught too. Scripts are ordinary models of the emulator; nothing here knows the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from ..clock import FakeClock
from ..emulator.emulator import Emulator, HandledRequest
from ..emulator.http_server import serve
from ..emulator.incoming import IncomingRequest
from ..emulator.limits import Limits
from ..emulator.registry import LocalModel, Model, Models, checked_name, version_of
from ..emulator.schema.kinds import Opener
from ..emulator.schema.signature import read_signature
from ..emulator.service import CreatedPrediction
from ..emulator.timeline import LocalRun, Plan
from ..emulator.transport import InProcessTransport
from ..emulator.webhook_senders import BackgroundSender, HttpSender
from ..exceptions import UnexpectedRequest
from ..wire import Request, Response

if TYPE_CHECKING:
    from ..client.client import Client

BASE_URL = "https://fake.invalid/v1"
_LONGEST = 86_400.0


class Script:
    """What a model answers to inputs that contain ``inputs``. Every method returns the script itself.

    >>> fake.on("owner/llm", prompt="Hi").streams("Hel", "lo").takes(3)
    """

    def __init__(self, name: str, inputs: Mapping[str, Any]) -> None:
        self.name, self.inputs = name, dict(inputs)
        self.is_official: bool | None = None
        self.shown = False
        self._pieces: tuple[Any, ...] | None = None
        self._value: Any = None
        self._error: str | None = None
        self._logs: list[str] = []
        self._seconds = 0.0
        self._starts_after = 0.0
        self._model: LocalModel | None = None

    def streams(self, *pieces: Any) -> Script:
        """Put out ``pieces`` one by one: the output is their list; texts, or files, are a stream of events too."""
        self._pieces = pieces
        return self

    def returns(self, value: Any) -> Script:
        """Put out ``value`` at the end: JSON, or ``bytes``, a ``Path`` or a Pillow image as a file, at any depth."""
        self._value = value
        return self

    def fails(self, error: str) -> Script:
        """End as ``failed`` with ``error``, after the pieces if there are any."""
        self._error = error
        return self

    def takes(self, seconds: float) -> Script:
        """Run for ``seconds`` of the fake's clock; pieces are spread evenly over them, the last at the end."""
        if not 0 <= seconds <= _LONGEST:
            raise ValueError(f"a run takes 0 to {_LONGEST:.0f} seconds, not {seconds}")
        self._seconds = seconds
        return self

    def starts_after(self, seconds: float) -> Script:
        """Stay ``starting`` for ``seconds`` before the run begins."""
        self._starts_after = seconds
        return self

    def logs(self, *lines: str) -> Script:
        """Write ``lines`` to the logs when the run begins."""
        self._logs += lines
        return self

    def calls(self, function: Callable[..., Any]) -> Script:
        """Run ``function`` on the input, as :func:`replicate_home.local_model` would."""
        self._model = LocalModel.of(self.name, function)
        return self

    def official(self, is_official: bool = True) -> Script:
        """Have the model show no versions, as the official ones; with False, callers must name a version.

        Told neither, it has versions and can be run without naming one.
        """
        self.is_official = is_official
        return self

    def is_example(self) -> Script:
        """Make its inputs and what it answers an example prediction of the model."""
        self.shown = True
        return self

    def matches(self, given: Mapping[str, Any]) -> bool:
        """Whether ``given`` contains this script's inputs."""
        return all(name in given and given[name] == value for name, value in self.inputs.items())

    def plan(self, given: Mapping[str, Any], opener: Opener) -> Plan:
        """One run of it."""
        if self._model is not None:
            return attrs.evolve(self._model.plan(given, opener), starts_after=self._starts_after)
        call = self._whole if self._pieces is None else self._piecewise
        return Plan(call, self._streamed(), self._starts_after)

    def openapi(self) -> dict[str, Any]:
        """The schema: of the function, else one that takes any input."""
        if self._model is not None:
            return self._model.openapi()
        document = read_signature(_any_input, LocalRun).openapi()
        document["components"]["schemas"]["Output"].update(_OUTPUTS.get(self._streamed(), {}))
        return document

    def _streamed(self) -> str:
        pieces = self._pieces or ()
        if self._pieces is None or not all(isinstance(piece, str) for piece in pieces):
            return "no" if not pieces or not all(_is_file(piece) for piece in pieces) else "files"
        return "text"

    def _whole(self, run: LocalRun) -> Any:
        self._log(run)
        run.sleep(self._seconds)
        self._fail()
        return self._value

    def _piecewise(self, run: LocalRun) -> Iterator[Any]:
        self._log(run)
        pieces = self._pieces or ()
        passed = 0.0
        for number, piece in enumerate(pieces, 1):
            rest = self._seconds * number / len(pieces) - passed
            passed += rest  # not the quotient added up, whose rounding errors would add up too
            run.sleep(rest)
            yield piece
        if not pieces:
            run.sleep(self._seconds)
        self._fail()

    def _log(self, run: LocalRun) -> None:
        for line in self._logs:
            run.log(line)

    def _fail(self) -> None:
        if self._error is not None:
            raise _Failed(self._error)

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self.inputs.items())
        return f"fake.on({self.name!r}{given})"


class _Failed(Exception):
    """What a script says the model failed with."""


def _any_input(**_: Any) -> Any:
    """The signature of a script: it takes any input."""


_OUTPUTS: dict[str, dict[str, Any]] = {
    "text": {
        "type": "array",
        "items": {"type": "string"},
        "x-cog-array-type": "iterator",
        "x-cog-array-display": "concatenate",
    },
    "files": {"type": "array", "items": {"type": "string", "format": "uri"}, "x-cog-array-type": "iterator"},
}


def _is_file(piece: Any) -> bool:
    return not isinstance(piece, (str, int, float, list, tuple, dict, type(None)))


class _ScriptedModel:
    """A model whose run is chosen by its input: by the most specific of the scripts that match, the last of these."""

    def __init__(self, name: str, unexpected: Callable[[str, str], NoReturn]) -> None:
        self.name = name
        self.description: str | None = "scripted for a test"
        self.scripts: list[Script] = []
        self.trainings: list[Script] = []
        self.told: list[str] = []
        self._unexpected = unexpected

    @property
    def versions(self) -> tuple[str, ...]:
        """Those it was told of, the last first, and the one it has by itself."""
        return (*reversed(self.told), version_of(self.name))

    @property
    def official(self) -> bool | None:
        """What the last script said that said it."""
        said = [script.is_official for script in self.scripts if script.is_official is not None]
        return said[-1] if said else None

    @property
    def examples(self) -> list[dict[str, Any]]:
        """The inputs of the scripts that are examples."""
        return [script.inputs for script in self.scripts if script.shown]

    def openapi(self) -> dict[str, Any]:
        """The schema of the last script."""
        return self.scripts[-1].openapi() if self.scripts else Script(self.name, {}).openapi()

    def plan(self, given: Mapping[str, Any], opener: Opener) -> Plan:
        """The run that the scripts say."""
        return self._chosen("prediction", self.scripts, given).plan(given, opener)

    def training(self, given: Mapping[str, Any], opener: Opener) -> Plan:
        """The training that its scripts say."""
        return self._chosen("training", self.trainings, given).plan(given, opener)

    def _chosen(self, what: str, scripts: list[Script], given: Mapping[str, Any]) -> Script:
        matching = [script for script in scripts if script.matches(given)]
        if not matching:
            self._unexpected(f"a {what} of {self.name!r} with the input {_short(given)}", self.name)
        return max(reversed(matching), key=lambda script: len(script.inputs))


class _ScriptedModels(Models):
    """Only what the test defined: models registered for the process are none of its business."""

    def __init__(self, unexpected: Callable[[str, str], NoReturn]) -> None:
        super().__init__()
        self.by_name: dict[str, _ScriptedModel] = {}
        self._unexpected = unexpected

    def all(self) -> dict[str, Model]:
        """Every model by name."""
        return {**self.by_name}

    def missing(self, wanted: str) -> Exception:
        """Loud."""
        self._unexpected(f"the model {wanted!r}", wanted if "/" in wanted else f"owner/name:{wanted}")


class _FakeServer(Emulator):
    """The emulator, which refuses loudly what it was not told."""

    def __init__(self, scripted: _ScriptedModels, unexpected: Callable[[str, str], NoReturn], **options: Any) -> None:
        super().__init__(scripted, base_url=BASE_URL, seed=0, **options)
        self._unexpected = unexpected

    def unknown_route(self, incoming: IncomingRequest) -> Response:
        """Loud."""
        self._unexpected(f"{incoming.request.method} {incoming.path}, which it does not know at all", "")


class FakeReplicate:
    """A small Replicate for tests: in this process, in virtual time, with models that answer what they are told.

    >>> fake = FakeReplicate()
    >>> fake.on("owner/llm").streams("Hel", "lo")
    >>> client = fake.client()  # or Client(transport=fake.transport, clock=fake.clock)

    A run that takes ten minutes takes them of ``clock`` only. ``calls`` are the predictions created (``.model``,
    ``.input``, ``.prediction_id``), ``requests`` everything that was asked (``.method``, ``.path``, ``.status``).
    What was not told raises :class:`~replicate_home.UnexpectedRequest` in whoever asked, and again at the end of a
    ``with`` block; clear ``unexpected`` where it was expected after all.

    ``limits`` (:data:`~replicate_home.testing.HOSTED_LIMITS`, or others) bound the rate of requests, the length of runs
    and the life of their data, as on the hosted service; without them nothing is bounded. ``webhooks`` are the signed
    requests that were due up to now.
    """

    def __init__(self, clock: FakeClock | None = None, *, limits: Limits | None = None) -> None:
        self.clock = clock or FakeClock()
        self.unexpected: list[UnexpectedRequest] = []
        self._webhooks: list[Request] = []
        self._post: BackgroundSender | None = None
        self._models = _ScriptedModels(self._refuse)
        self._server = _FakeServer(
            self._models, self._refuse, clock=self.clock, limits=limits, send_webhook=self._keep_webhook
        )
        self.transport = InProcessTransport(self._server, backend="replicate")

    def on(self, model: str, /, **inputs: Any) -> Script:
        """Say what ``model`` answers to inputs that contain ``inputs``; of several that match, the one with most.

        ``model`` is ``owner/name``, or ``owner/name:version`` where clients ask for that version.
        """
        scripted = self._scripted(model)
        script = Script(scripted.name, inputs)
        scripted.scripts.append(script)
        return script

    def on_training(self, model: str, /, **inputs: Any) -> Script:
        """Say how trainings of ``model`` go whose input contains ``inputs``; what the script returns are the weights.

        >>> fake.on_training("owner/llm").takes(600)
        """
        scripted = self._scripted(model)
        script = Script(scripted.name, inputs)
        scripted.trainings.append(script)
        return script

    def client(self, **options: Any) -> Client:
        """A client that talks to this fake; ``options`` as for :class:`~replicate_home.Client`."""
        from ..client.client import Client

        return Client(**{"transport": self.transport, "clock": self.clock, **options})

    @contextmanager
    def serve(self, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
        """The same fake over sockets, for any client: gives its URL, with or without ``/v1``.

        Meanwhile webhooks are also sent, to receivers on this machine.
        """
        with serve(self._server, host, port) as server:
            self._post = BackgroundSender(HttpSender())
            try:
                yield server.url
            finally:
                self._post.close()
                self._post = None

    @property
    def calls(self) -> list[CreatedPrediction]:
        """The predictions that were created, the oldest first."""
        return list(self._server.calls)

    @property
    def requests(self) -> list[HandledRequest]:
        """Every request that was handled, the oldest first."""
        return list(self._server.requests)

    @property
    def webhooks(self) -> list[Request]:
        """The webhooks that were due up to now, signed, the oldest first."""
        self._server.service.webhooks.send_due()
        return list(self._webhooks)

    def check(self) -> None:
        """Raise the first :class:`~replicate_home.UnexpectedRequest` again, if there was one."""
        if self.unexpected:
            raise self.unexpected[0]

    def __enter__(self) -> FakeReplicate:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._server.close()
        if kind is None:
            self.check()

    def _scripted(self, model: str) -> _ScriptedModel:
        if not isinstance(model, str):
            raise TypeError(f"a model is named 'owner/name', got {type(model).__name__}")
        name, _, version = model.partition(":")
        scripted = self._models.by_name.setdefault(checked_name(name), _ScriptedModel(name, self._refuse))
        if version and version not in scripted.told:
            scripted.told.append(version)
        return scripted

    def _keep_webhook(self, webhook: Request) -> int | None:
        self._webhooks.append(webhook)
        return self._post(webhook) if self._post is not None else None

    def _refuse(self, asked: str, model: str) -> NoReturn:
        scripts = [script for known in self._models.by_name.values() for script in known.scripts]
        defined = list(dict.fromkeys(map(repr, scripts)))
        told = "\n  ".join(defined) if defined else "nothing"
        add = f'\nAdd, for example: fake.on("{model}").streams("Hello", " world")' if model else ""
        error = UnexpectedRequest(f"the fake was asked for {asked}.\nDefined is:\n  {told}{add}")
        self.unexpected.append(error)
        raise error


def _short(given: Mapping[str, Any]) -> str:
    shown = repr(dict(given))
    return shown if len(shown) <= 200 else shown[:200] + "..."
