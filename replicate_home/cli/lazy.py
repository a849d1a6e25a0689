"""Commands that are listed without being imported."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import click

from .suggesting import did_you_mean

# What users of similar command lines try, where no name of ours is near enough.
_MEANT = {"show": "get", "create": "run", "predict": "run", "current": "account", "train": "trainings"}


class Listed(Protocol):
    """What a table says of a command: what it does in one line, and how to have it."""

    @property
    def help(self) -> str:
        """What it does, in one line."""
        ...

    def command(self, name: str) -> click.Command:
        """The command itself."""
        ...


class Lazy(NamedTuple):
    """A command in a module beside this one, as ``module:attribute``."""

    help: str
    place: str

    def command(self, _: str) -> click.Command:
        """The command, whose module is imported now."""
        module, attribute = self.place.split(":")
        found: click.Command = getattr(import_module(f".{module}", __package__), attribute)
        return found


class LazyGroup(click.Group):
    """A group whose commands are in a table."""

    def __init__(self, name: str | None = None, *, table: Mapping[str, Listed], **facts: Any) -> None:
        super().__init__(name, no_args_is_help=False, **facts)
        self.table = table

    def list_commands(self, _: click.Context) -> list[str]:
        """The names in the table, in its order."""
        return list(self.table)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        """The command; None if there is none of this name."""
        return self.table[name].command(name) if name in self.table else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it; a name that is not there gets the nearest one."""
        name = args[0] if args else ""
        if name not in self.table and not name.startswith("-"):
            meant = _MEANT.get(name)
            near = f", did you mean {meant!r}?" if meant in self.table else did_you_mean(name, self.table)
            ctx.fail(f"there is no command {name!r}{near or '.'}")
        return super().resolve_command(ctx, args)

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, from which nothing is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, listed.help) for name, listed in self.table.items()])
