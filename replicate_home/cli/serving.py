"""The emulator as a server of its own, for the command line: it logs every request on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import attrs

from ..clock import SYSTEM_CLOCK
from ..demo import MODELS
from ..emulator.emulator import Emulator
from ..emulator.faults import FaultPlan
from ..emulator.http_server import Manners, serve
from ..emulator.limits import HOSTED_LIMITS, Limits
from ..emulator.timeline import Peer
from ..emulator.webhook_senders import HttpSender
from ..wire import Body, Request, Response


class LoggingEmulator(Emulator):
    """Writes a line such as ``POST /v1/predictions 201`` for every request that it has answered."""

    def handle(
        self, request: Request, deadline: float | None = None, peer: Peer | None = None
    ) -> tuple[Response, Body | None]:
        """As the emulator does, with a line on stderr."""
        status: Any = "not answered"
        try:
            answer = super().handle(request, deadline, peer)
            status = answer[0].status
            return answer
        finally:
            with contextlib.suppress(OSError):
                sys.stderr.write(f"{request.method} {urlsplit(request.url).path} {status}\n")
                sys.stderr.flush()


@attrs.frozen
class ServeOptions:
    """What the ``serve`` command was told."""

    host: str
    port: int
    token: str | None
    rate_limits: bool
    run_limit: bool
    retention: bool
    webhooks_anywhere: bool
    allow_others: bool
    models: tuple[str, ...]
    scenario: Path | None

    def limits(self) -> Limits:
        """The bounds that were asked for."""
        return attrs.evolve(
            HOSTED_LIMITS if self.rate_limits else Limits(),
            run=HOSTED_LIMITS.run if self.run_limit else None,
            retention=HOSTED_LIMITS.retention if self.retention else None,
        )


def serve_until_stopped(told: ServeOptions, announce: Callable[[str], Any]) -> None:
    """Serve the demo and registered models; ``announce`` is told the address. Ctrl-C or SIGTERM ends it.

    Raises ``ValueError`` for a model or a scenario that cannot be served.
    """
    models = {**MODELS, **dict(named_model(name) for name in told.models)}
    faults = FaultPlan() if told.scenario is None else FaultPlan.from_json(told.scenario)
    send = HttpSender(anywhere=told.webhooks_anywhere)
    manners = Manners(any_host=told.allow_others)
    with (
        contextlib.suppress(KeyboardInterrupt, SystemExit),
        LoggingEmulator(models, api_token=told.token, limits=told.limits(), send_webhook=send) as emulator,
    ):
        emulator.faults = faults
        with serve(emulator, told.host, told.port, manners=manners) as server:
            announce(server.url)
            while True:
                SYSTEM_CLOCK.sleep(3600)


def named_model(text: str) -> tuple[str, Callable[..., Any]]:
    """The model that ``module:callable``, ``file.py:callable`` or ``file.py:Class`` names, as ``local/callable``.

    Of a class with ``predict()`` or ``run()`` an instance is made, and its ``setup()`` called, before the first
    prediction.
    """
    source, found, name = text.rpartition(":")
    if not found or not name.isidentifier():
        raise ValueError(f"a model is named as module:callable or file.py:callable, not {text!r}")
    module = _of_file(Path(source)) if source.endswith(".py") else _of_path(source)
    model = getattr(module, name, None)
    if not callable(model):
        raise ValueError(f"there is no callable {name!r} in {source}")
    return f"local/{name}", model


def _of_file(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ValueError(f"there is no file {str(path)!r}")
    sys.path.insert(0, str(path.resolve().parent))  # for the modules beside it
    module = sys.modules[path.stem] = module_from_spec(spec)  # annotations that are strings are looked up there
    spec.loader.exec_module(module)
    return module


def _of_path(name: str) -> ModuleType:
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ValueError(f"there is no module {name!r}") from None
