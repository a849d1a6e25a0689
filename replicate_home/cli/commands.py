"""The table of commands, and the group that imports each command when it is asked for.

``--help`` shows the table, and imports click only. To add a command:

1. Write it in a module of its own beside this one, as a click command. The flags that all commands share are in
   ``options``: decorate it with ``@asks_server`` to be given a client.
2. Add a line to ``COMMANDS``: its name, what it does in one line, and ``module:attribute``.

Errors need no handling: what a command raises becomes one line on stderr and an exit code, as ``exit_codes`` has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import click

from .. import __version__
from ..exceptions import InvalidInput
from . import exit_codes
from .options import FORM
from .suggesting import did_you_mean


class Lazy(NamedTuple):
    """A command that is not imported yet: what it does in one line, and where it is, as ``module:attribute``."""

    help: str
    place: str


COMMANDS: Mapping[str, Lazy] = {
    "run": Lazy("Run a model and print its output when it is done.", "running:run"),
    "stream": Lazy("Run a model and print its output as it arrives.", "running:stream"),
    "serve": Lazy("Serve a small Replicate on this machine, for any client.", "serving:serve"),
}


class LazyGroup(click.Group):
    """A group whose commands are in the table."""

    def list_commands(self, _: click.Context) -> list[str]:
        """The names in the table, in its order."""
        return list(COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        """The command, imported now; None if there is none of this name."""
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name].place.split(":")
        command: click.Command = getattr(import_module(f".{module}", __package__), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it; a name that is not there gets the nearest one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}{did_you_mean(args[0], COMMANDS) or '.'}")
        return super().resolve_command(ctx, args)

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, from which nothing is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in COMMANDS.items()])

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
        hint = f" See {context.command_path} --help" if context else ""
        usage = InvalidInput(error.format_message() + hint)
        raise click.exceptions.Exit(exit_codes.reported(usage, meta.get(FORM))) from None
    except BaseException as error:
        raise click.exceptions.Exit(exit_codes.reported(error, meta.get(FORM))) from error


@click.group(cls=LazyGroup, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
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
