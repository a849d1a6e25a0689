"""The commands that run a model: ``run`` and ``stream``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..exceptions import ModelError, ReplicateHomeError
from .arguments import read_inputs
from .options import asks_server, with_options
from .printing import Files, StatusLine, show_events, show_output, show_pieces, show_prediction

if TYPE_CHECKING:
    from ..client.client import Client

_OPTIONS = (
    click.argument("model"),
    click.argument("inputs", nargs=-1, metavar="[NAME=VALUE]..."),
    click.option("--wait", type=float, metavar="SECONDS", help="How long the server may hold the first request."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON: the prediction, or one event per line."),
    click.option(
        "--output-directory",
        type=click.Path(file_okay=False, path_type=Path),
        help="Save files here, and print their paths. Otherwise URLs are printed; files from local models, which "
        "have no URL, are saved in the current folder. No file is overwritten.",
    ),
    click.option("--no-cancel", is_flag=True, help="Keep the prediction running if this command ends early."),
)
_VALUES = """

    \b
    Inputs:
      name=value    text; or a number, true or false, if the schema of the
                    model says so
      name=@path    a file
      name=@-       stdin: text, or a file if it is not UTF-8
      name:=json    JSON, such as seed:=null or prompt:='"@home"'
"""


def _calling(command: Callable[..., None]) -> Callable[..., None]:
    command.__doc__ = (command.__doc__ or "").rstrip() + _VALUES
    return with_options(asks_server(command), *_OPTIONS)


@click.command()
@_calling
def run(client: Client, model: str, as_json: bool, output_directory: Path | None, **options: Any) -> None:
    """Run MODEL and print its output when it is done."""
    files = Files(output_directory)
    call = _call(client, model, options)
    try:
        with StatusLine() as status:
            result = client.run(model, on_update=status, **call)
    except ModelError as error:
        if as_json and error.prediction is not None:
            show_prediction(error.prediction, None, files)
        raise
    if as_json:
        show_prediction(result.prediction, result.output, files)
    else:
        show_output(result.output, files)


@click.command()
@_calling
def stream(client: Client, model: str, as_json: bool, output_directory: Path | None, **options: Any) -> None:
    """Run MODEL and print its output as it arrives."""
    files = Files(output_directory)
    with client.stream(model, **_call(client, model, options)) as pieces:
        if as_json:
            show_events(pieces.events(), files)
        else:
            show_pieces(pieces, files)


def _call(client: Client, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``client.run`` or ``client.stream``; reads the model's schema if an input is in doubt."""
    inputs = read_inputs(options["inputs"], lambda: sys.stdin.buffer.read())
    given = inputs.typed(_schema(client, model) if inputs.in_doubt else {})
    return {
        "messages": given.pop("messages", None),
        "input": given,
        "wait": options["wait"],
        "cancel_on_exit": not options["no_cancel"],
    }


def _schema(client: Client, model: str) -> Mapping[str, Any]:
    """The schema of the model's inputs; empty if it is not available."""
    try:
        return client.models.schema(model).input
    except ReplicateHomeError:
        return {}
