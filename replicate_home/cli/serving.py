"""The command ``serve``: the emulator as a server of its own, which logs every request on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import click

from ..clock import SYSTEM_CLOCK
from ..demo import MODELS
from ..emulator import http_server
from ..emulator.emulator import Emulator
from ..emulator.faults import FaultPlan
from ..emulator.limits import HOSTED_LIMITS, Limits
from ..emulator.timeline import Peer
from ..emulator.webhook_senders import HttpSender
from ..protocol.urls import is_loopback
from ..wire import Body, Request, Response
from .exit_codes import say
from .loading import named_model
from .options import IMPORT, import_all


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
    manners = http_server.Manners(any_host=told.allow_others)
    with (
        contextlib.suppress(KeyboardInterrupt, SystemExit),
        LoggingEmulator(models, api_token=told.token, limits=told.limits(), send_webhook=send) as emulator,
    ):
        emulator.faults = faults
        with http_server.serve(emulator, told.host, told.port, manners=manners) as server:
            announce(server.url)
            while True:
                SYSTEM_CLOCK.sleep(3600)


@click.command()
@click.argument("served", nargs=-1, metavar="[WHERE:NAME]...")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="PORT", help="0, the default, picks a free port."
)
@click.option("--token", metavar="TOKEN", help="Accept only this token (make one up); by default, any.")
@click.option("--rate-limits", is_flag=True, help="Apply the hosted service's rate limits, with status 429.")
@click.option("--run-limit", is_flag=True, help="Fail runs after 30 minutes, as the hosted service does.")
@click.option("--retention", is_flag=True, help="Remove inputs, outputs, logs and files an hour after a run ends.")
@click.option("--webhooks-anywhere", is_flag=True, help="Send webhooks to other computers too.")
@click.option("--allow-others", is_flag=True, help="Accept other computers and any host name; see --host.")
@click.option("--model", "models", multiple=True, metavar="WHERE:NAME", help="Serve local/NAME, a callable or class.")
@click.option(
    "--scenario",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file of faults, such as a burst of 503 or a stream that is cut.",
)
@IMPORT
def serve(modules: tuple[str, ...], served: tuple[str, ...], models: tuple[str, ...], **options: Any) -> None:
    """Serve a small Replicate with the toy models, for any client, until Ctrl-C.

    The first line of output is its address. Every request is logged on stderr. WHERE is a module or a file, as in
    predict.py:Predictor or --model my.models:upscale. A class is a Cog predictor, with setup and predict.
    """
    told = ServeOptions(models=(*served, *models), **options)
    if not told.allow_others and not is_loopback(f"http://{_in_url(told.host)}"):
        raise click.BadParameter(f"other computers can reach {told.host!r}: add --allow-others", param_hint="--host")
    import_all(modules)
    try:
        serve_until_stopped(told, _announce)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        free = " (--port 0 picks a free one)" if told.port else ""
        raise OSError(f"cannot listen on port {told.port} of {told.host}{free}: {error.strerror}") from None


def _announce(url: str) -> None:
    click.echo(url)
    if not is_loopback(url):
        say(f"warning: anyone who can reach {url} can run these models")


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
