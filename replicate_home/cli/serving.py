"""The emulator as a server of its own, for the command line: it logs every request on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import attrs

from ..clock import SYSTEM_CLOCK
from ..demo import MODELS
from ..emulator.emulator import Emulator
from ..emulator.http_server import serve
from ..emulator.limits import HOSTED_LIMITS, Limits
from ..emulator.predictors import load_predictor
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


def serve_until_stopped(
    host: str,
    port: int,
    announce: Callable[[str], Any],
    *,
    token: str | None,
    rate_limits: bool,
    run_limit: bool,
    retention: bool,
    webhooks_anywhere: bool,
    predictor: str | None = None,
) -> None:
    """Serve the demo and registered models, and a ``predictor`` (FILE:CLASS).

    ``announce`` is told the address. Ctrl-C or SIGTERM ends it.
    """
    limits = HOSTED_LIMITS if rate_limits else Limits()
    limits = attrs.evolve(
        limits,
        run=HOSTED_LIMITS.run if run_limit else None,
        retention=HOSTED_LIMITS.retention if retention else None,
    )
    send = HttpSender(anywhere=webhooks_anywhere)
    models = {**MODELS, **_loaded(predictor)}
    with (
        contextlib.suppress(KeyboardInterrupt, SystemExit),
        LoggingEmulator(models, api_token=token, limits=limits, send_webhook=send) as emulator,
        serve(emulator, host, port) as server,
    ):
        announce(server.url)
        while True:
            SYSTEM_CLOCK.sleep(3600)


def _loaded(predictor: str | None) -> dict[str, Callable[..., Any]]:
    """The predictor class as a model named for it: ``local/predictor`` for a ``Predictor``."""
    if predictor is None:
        return {}
    found = load_predictor(predictor)
    return {f"local/{found.__name__.lower()}": found}
