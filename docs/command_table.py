"""The commands of the command line, with their flags, as the page lists them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from replicate_home.cli.commands import commands

_SHARED_BY = 3  # a flag that so many commands have is in the table of flags, not beside each of them


def listing() -> str:
    """A table of commands, and one of the flags that many of them have."""
    found = dict(_leaves(commands, ()))
    shared = _shared([flag for command in found.values() for flag in _flags(command)])
    rows = [_row(path, command, shared) for path, command in found.items()]
    flags = [f"| `{name}` | {flag.help} |" for name, flag in shared.items()]
    return "\n".join(
        ["| command | flags of its own | |", "|---|---|---|", *rows, "", "| shared flag | |", "|---|---|", *flags, ""]
    )


def _leaves(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _leaves(command, (*path, name))
        elif command is not None:
            yield " ".join((*path, name)), command


def _row(path: str, command: click.Command, shared: dict[str, click.Option]) -> str:
    arguments = [argument.make_metavar(click.Context(command)) for argument in _arguments(command)]
    own = [f"`{_written(flag)}`" for flag in _flags(command) if _written(flag) not in shared]
    first = (command.help or "").split("\n\n")[0]
    return f"| `{' '.join([path, *arguments])}` | {', '.join(own)} | {' '.join(first.split())} |".replace("  ", " ")


def _arguments(command: click.Command) -> list[click.Argument]:
    return [each for each in command.params if isinstance(each, click.Argument)]


def _flags(command: click.Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option) and "--help" not in each.opts]


def _written(flag: click.Option) -> str:
    """``-o, --output FILE``."""
    names = ", ".join(flag.opts)
    if flag.is_flag:
        return names
    if isinstance(flag.type, click.Choice):
        return f"{names} {' or '.join(flag.type.choices)}"
    return f"{names} {flag.metavar or flag.type.name.upper()}"


def _shared(flags: list[click.Option]) -> dict[str, click.Option]:
    by_name = {_written(flag): flag for flag in flags}
    written = [_written(flag) for flag in flags]
    return {name: flag for name, flag in by_name.items() if written.count(name) >= _SHARED_BY}
