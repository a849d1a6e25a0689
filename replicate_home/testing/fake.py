"""A fake that is a real server: the emulator in virtual time, with scripted models.

A request without an answer fails loudly, at once and again when the fake is checked, so that code that swallows
exceptions is caught too. Scripts are ordinary models of the emulator; nothing here knows the protocol.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from ..clock import FakeClock
from ..emulator.emulator import Emulator, HandledRequest
from ..emulator.faults import FaultPlan
from ..emulator.http_server import serve
from ..emulator.incoming import IncomingRequest
from ..emulator.limits import Limits
from ..emulator.service import CreatedPrediction
from ..emulator.transport import InProcessTransport
from ..emulator.webhook_senders import BackgroundSender, HttpSender
from ..exceptions import UnexpectedRequest
from ..wire import Request, Response
from .script import Script, ScriptedFailure
from .scripted_models import ScriptedModels

if TYPE_CHECKING:
    from ..client.async_client import AsyncClient
    from ..client.client import Client

BASE_URL = "https://fake.invalid/v1"
TOKEN = "r8_" + "0" * 37
"""``REPLICATE_API_TOKEN`` while a fake is served; it is not a real token."""


class _FakeServer(Emulator):
    """The emulator, which refuses loudly what it has no answer for."""

    def __init__(self, scripted: ScriptedModels, unexpected: Callable[[str, str], NoReturn], **options: Any) -> None:
        super().__init__(scripted, base_url=BASE_URL, seed=0, **options)
        self._unexpected = unexpected

    def unknown_route(self, incoming: IncomingRequest) -> Response:
        """Raise loudly."""
        self._unexpected(f"{incoming.request.method} {incoming.path}, which it does not know at all", "")


class FakeTransport(InProcessTransport):
    """Lets the assertions of a test, made within its models, pass through as themselves."""

    def cause_of(self, prediction_id: str) -> Exception | None:
        """The exception that a model raised; an AssertionError is raised again."""
        cause = super().cause_of(prediction_id)
        if isinstance(cause, AssertionError):
            raise cause
        return None if isinstance(cause, ScriptedFailure) else cause


@contextmanager
def _environment(url: str) -> Iterator[None]:
    """Point the environment of every client to ``url``, and restore it afterwards."""
    wanted = {"REPLICATE_BASE_URL": url, "REPLICATE_API_TOKEN": TOKEN, "REPLICATE_HOME_BACKEND": None}
    before = {name: os.environ.get(name) for name in wanted}
    _set(wanted)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@attrs.frozen
class SentWebhook:
    """A webhook as it is sent: to ``url``, with these headers and bytes."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class FakeReplicate:
    """A small Replicate for tests: in this process, in virtual time, with scripted models.

    >>> fake = FakeReplicate()
    >>> fake.on("owner/llm").streams("Hel", "lo")
    >>> client = fake.client()  # or Client(transport=fake.transport, clock=fake.clock)

    A run that takes ten minutes takes ten minutes of ``clock`` only. ``calls`` are the predictions created (``.model``,
    ``.input``, ``.prediction_id``), ``requests`` all requests (``.method``, ``.path``, ``.status``).
    A request without an answer raises :class:`~replicate_home.UnexpectedRequest` in the caller, and again at the end of
    a ``with`` block, unless ``unexpected`` is cleared.

    ``limits`` (:data:`~replicate_home.testing.HOSTED_LIMITS`, or others) limit the rate of requests, the length of runs
    and the life of their data, as on the hosted service. ``webhooks`` are the signed
    requests that were due up to now. ``url`` is its address while it is served.
    """

    def __init__(self, clock: FakeClock | None = None, *, limits: Limits | None = None) -> None:
        self.clock = clock or FakeClock()
        self.unexpected: list[UnexpectedRequest] = []
        self._webhooks: list[SentWebhook] = []
        self._post: BackgroundSender | None = None
        self.url: str | None = None
        self._models = ScriptedModels(self._refuse)
        self._server = _FakeServer(
            self._models, self._refuse, clock=self.clock, limits=limits, send_webhook=self._keep_webhook
        )
        self.transport = FakeTransport(self._server, backend="replicate")

    def on(self, model: str, /, **inputs: Any) -> Script:
        """Say what ``model`` answers to inputs that contain ``inputs``; of several that match, the one with most.

        ``model`` is ``owner/name``, or ``owner/name:version`` where clients ask for that version.
        """
        scripted = self._models.named(model)
        script = Script(scripted.name, inputs)
        scripted.scripts.append(script)
        return script

    def on_training(self, model: str, /, **inputs: Any) -> Script:
        """Say how trainings of ``model`` go whose input contains ``inputs``; what the script returns are the weights.

        >>> fake.on_training("owner/llm").takes(600)
        """
        scripted = self._models.named(model)
        script = Script(scripted.name, inputs)
        scripted.trainings.append(script)
        return script

    def client(self, **options: Any) -> Client:
        """A client that talks to this fake; ``options`` as for :class:`~replicate_home.Client`."""
        from ..client.client import Client

        return Client(**{"transport": self.transport, "clock": self.clock, **options})

    def async_client(self, **options: Any) -> AsyncClient:
        """An asynchronous client; ``options`` as for :class:`~replicate_home.AsyncClient`."""
        from ..client.async_client import AsyncClient

        return AsyncClient(**{"transport": self.transport, "clock": self.clock, **options})

    @contextmanager
    def installed(self) -> Iterator[FakeReplicate]:
        """Have everything in this process talk to this fake, in every thread, until the block ends.

        That is every ``Client``, ``AsyncClient`` and provider that is made in the block without a transport of its own,
        and the module-level functions, whose default client is created again. They need no token. What was made in the
        block and is used after it still talks to the fake, as a test would want. In nested blocks the inner one counts.
        """
        from ..client import module_level
        from ..client.engine.connections import standing_in

        with standing_in(self.transport):
            aside = module_level.put_aside()
            try:
                yield self
            finally:
                module_level.put_back(aside)

    @contextmanager
    def serve(self, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
        """The same fake over sockets, for any client: gives its URL, with or without ``/v1``.

        Meanwhile the environment names it: ``REPLICATE_BASE_URL`` is the URL and ``REPLICATE_API_TOKEN`` an invented
        token, for this process and those that it starts. Webhooks are also sent, to receivers on this machine.
        """
        with serve(self._server, host, port) as server:
            self.url, self._post = server.url, BackgroundSender(HttpSender())
            try:
                with _environment(server.url):
                    yield server.url
            finally:
                self._post.close()
                self.url = self._post = None

    @property
    def faults(self) -> FaultPlan:
        """Faults, in process and over sockets: ``fake.faults.add("poll", faults.status(503))``."""
        return self._server.faults

    @property
    def calls(self) -> list[CreatedPrediction]:
        """The predictions that were created, the oldest first."""
        return list(self._server.calls)

    @property
    def requests(self) -> list[HandledRequest]:
        """Every request that was handled, the oldest first."""
        return list(self._server.requests)

    @property
    def webhooks(self) -> list[SentWebhook]:
        """The webhooks that were due up to now, signed, the oldest first."""
        self._server.service.webhooks.send_due()
        return list(self._webhooks)

    def check(self) -> None:
        """Raise the first :class:`~replicate_home.UnexpectedRequest` again, if there was one."""
        if self.unexpected:
            raise self.unexpected[0]

    def assert_all_called(self) -> None:
        """Raise an ``AssertionError`` that names every answer that was not used."""
        missed = [
            f"{script!r}: {script.given} of {len(script.answers)} answers were given"
            for script in self._models.scripts()
            if script.given < len(script.answers)
        ]
        if missed:
            raise AssertionError("\n".join(["the fake has answers that were not used:", *missed]))

    def __enter__(self) -> FakeReplicate:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._server.close()
        if kind is None:
            self.check()

    def _keep_webhook(self, webhook: Request) -> int | None:
        assert isinstance(webhook.body, bytes)
        self._webhooks.append(SentWebhook(webhook.url, webhook.headers, webhook.body))
        return self._post(webhook) if self._post is not None else None

    def _refuse(self, asked: str, model: str) -> NoReturn:
        defined = list(dict.fromkeys(map(repr, self._models.scripts())))
        told = "\n  ".join(defined) if defined else "nothing"
        add = f'\nAdd, for example: fake.on("{model}").streams("Hello", " world")' if model else ""
        error = UnexpectedRequest(f"the fake was asked for {asked}.\nDefined:\n  {told}{add}")
        self.unexpected.append(error)
        raise error
