"""The table of commands, each of which is imported when it is asked for.

``--help`` shows the table, and imports click only. To add a command:

1. Write it in a module of its own beside this one, as a click command. The flags that all commands share are in
   ``options``: decorate it with ``@asks_server`` to be given a client.
2. Add a line to ``COMMANDS``: its name, what it does in one line, and ``module:attribute``.

Errors need no handling: what a command raises becomes one line on stderr and an exit code, as ``exit_codes`` has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from .. import __version__
from ..exceptions import InvalidInput
from . import exit_codes
from .lazy import Lazy, LazyGroup
from .options import FORM

COMMANDS: Mapping[str, Lazy] = {
    "run": Lazy("Run a model and print its output when it is done.", "running:run"),
    "stream": Lazy("Run a model and print its output as it arrives.", "running:stream"),
    "map": Lazy("Run a model over many inputs, and continue where it stopped.", "map:map_"),
    "predictions": Lazy("Your predictions: list, get, wait, stream, cancel.", "resources:predictions"),
    "models": Lazy("Public models: list, search, get, schema, examples.", "resources:models"),
    "versions": Lazy("Versions of a model: list, get, delete.", "resources:versions"),
    "deployments": Lazy("Your deployments: list, get, create, update, delete.", "resources:deployments"),
    "trainings": Lazy("Your trainings: list, get, create, cancel.", "resources:trainings"),
    "files": Lazy("Your uploaded files: list, get, create, delete.", "resources:files"),
    "collections": Lazy("Collections of models: list, get.", "resources:collections"),
    "hardware": Lazy("What models can run on.", "resources:hardware"),
    "account": Lazy("The account that your token belongs to.", "resources:account"),
    "serve": Lazy("Serve a small Replicate on this machine, for any client.", "serving:serve"),
    "completion": Lazy(
        "Print a script for bash, zsh or fish that completes commands on the Tab key.", "completion:completion"
    ),
}


class _Root(LazyGroup):
    """The group of all commands, which reports errors."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """As click does it, with errors reported."""
        with _reported({}):
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does it, with errors reported."""
        with _reported(ctx.meta):
            return super().invoke(ctx)


@contextmanager
def _reported(meta: Mapping[str, Any]) -> Iterator[None]:
    """Turns errors into one line and an exit code, before click handles some of them its own way."""
    try:
        yield
    except (click.exceptions.Exit, SystemExit):
        raise
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        message = error.format_message()
        dot = "" if message.endswith((".", "?")) else "."
        usage = InvalidInput(f"{message}{dot} See {context.command_path} --help" if context else message)
        raise click.exceptions.Exit(exit_codes.reported(usage, meta.get(FORM))) from None
    except BaseException as error:
        raise click.exceptions.Exit(exit_codes.reported(error, meta.get(FORM))) from error


@click.group(cls=_Root, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="replicate-home", message="%(prog)s %(version)s")
def commands() -> None:
    """Run AI models on Replicate, its homepage, a Cog server, or in this process.

    \b
      replicate-home stream local/markov prompt="The interpreter"
      replicate-home run local/plasma prompt="sunset over the sea"

    These two need no account and no network. Hosted models need a token in REPLICATE_API_TOKEN. It is never given
    on the command line, where other users could see it.

    The output goes to stdout, everything else to stderr. Exit codes: 0 success, 1 the model failed, 2 wrong usage,
    3 authentication, 4 timeout or rate limit, 5 any other failure, 130 Ctrl-C.
    """
