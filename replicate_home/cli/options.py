"""The flags that commands share, each written once, and the client that they ask for.

Only click is imported here; the client is imported when a command begins.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import click

BACKENDS = ("replicate", "home", "cog", "local")
Command = Callable[..., Any]


def seconds(text: str) -> float:
    """A positive number of seconds; infinity for ``none``."""
    try:
        found = math.inf if text == "none" else float(text)
    except ValueError:
        found = math.nan
    if found > 0 and (found < math.inf or text == "none"):
        return found
    raise click.BadParameter(f"{text!r} is not a positive number of seconds, or 'none' for no limit.")


def _form(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Remember the form of the answer for errors, which have the same."""
    if value is not None:
        context.meta[FORM] = value
    return value


FORM = "replicate_home.cli.form"
FORMS = (
    click.option("--json", "form", flag_value="json", is_eager=True, callback=_form, help="Print one JSON document."),
    click.option(
        "--jsonl", "form", flag_value="jsonl", is_eager=True, callback=_form, help="Print JSON, one item a line."
    ),
)
ANSWER = (
    click.option(
        "-o",
        "--output",
        "target",
        metavar="FILE",
        help="Write the output to FILE, and print its path; - writes a file to stdout itself.",
    ),
    click.option(
        "--output-directory",
        type=click.Path(file_okay=False, path_type=Path),
        help="Save files here, and print their paths; none is overwritten. Otherwise their URLs are printed; files "
        "without a URL, which local models make, are saved in the current folder.",
    ),
    *FORMS,
)
IMPORT = click.option(
    "--import",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="Import a module, or a file such as models.py, that registers your own models.",
)
SERVER = (
    click.option("--backend", type=click.Choice(BACKENDS), help="Which kind of server; default: as for the client."),
    click.option("--base-url", metavar="URL", help="URL of the API; REPLICATE_BASE_URL if not given."),
    click.option("--timeout", type=seconds, metavar="SECONDS", help="For the whole call; 'none' for no limit."),
    IMPORT,
)


def with_options(command: Command, *options: Callable[[Command], Command]) -> Command:
    """The command with these options, in this order in its help."""
    for option in reversed(options):
        command = option(command)
    return command


def answers(command: Command) -> Command:
    """Give a command the flags that say where its answer goes; it is called with ``answer`` and ``form``."""

    @functools.wraps(command)
    def call(*, target: str | None, output_directory: Path | None, form: str | None, **rest: Any) -> Any:
        from .printing import STDOUT, Answer

        if output_directory == Path(STDOUT):
            raise click.UsageError("stdout is no folder: -o - writes a file there.")
        if target is not None and output_directory is not None:
            raise click.UsageError("-o and --output-directory exclude each other.")
        if target == STDOUT and form is not None:
            raise click.UsageError(f"-o - and --{form} exclude each other: both write to stdout.")
        with closing(Answer(output_directory, target)) as answer:
            return command(answer=answer, form=form, **rest)

    return with_options(call, *ANSWER)


def asks_server(command: Command) -> Command:
    """Give a command the flags that say which server it asks; it is called with their client as ``client``."""

    @functools.wraps(command)
    def call(
        *, backend: str | None, base_url: str | None, timeout: float | None, modules: tuple[str, ...], **rest: Any
    ) -> Any:
        from ..client.client import Client

        import_all(modules)
        if backend is None and base_url is None and _is_about_local_models(rest):
            backend = "local"
        given: dict[str, Any] = {} if timeout is None else {"timeout": None if timeout == math.inf else timeout}
        with Client(backend=backend, base_url=base_url, **given) as client:
            return command(client=client, **rest)

    return with_options(call, *SERVER)


def _is_about_local_models(arguments: Mapping[str, Any]) -> bool:
    """Whether it is a model in this process that is asked about, and the environment names no server."""
    if os.environ.get("REPLICATE_BASE_URL") or os.environ.get("REPLICATE_HOME_BACKEND"):
        return False
    named = (arguments.get(name) for name in ("model", "argument"))
    return any(isinstance(name, str) and name.startswith("local/") for name in named)


def import_all(modules: tuple[str, ...]) -> None:
    """Import the user's modules, also from the current folder."""
    from .loading import loaded

    for name in modules:
        try:
            loaded(name)
        except ValueError as error:
            raise click.BadParameter(f"{error}.", param_hint="--import") from None
