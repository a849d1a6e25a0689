"""``map``: a model over the inputs in a file, a few at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import exit_codes
from .options import FORMS, asks_server, with_options

if TYPE_CHECKING:
    from ..client.client import Client

KINDS = ("jsonl", "csv", "text")
_OPTIONS = (
    click.argument("model", required=False, metavar="MODEL"),
    click.argument("more", nargs=-1, metavar="[NAME=VALUE]..."),
    click.option("-i", "--input", "source", metavar="FILE", help="The inputs; - is stdin."),
    click.option(
        "--format",
        "kind",
        type=click.Choice(KINDS),
        help="What FILE contains; default: as its name or first line says.",
    ),
    click.option(
        "-o", "--output", "target", metavar="FILE", default="-", help="Where the items go, one JSON object a line."
    ),
    click.option(
        "--journal", type=click.Path(dir_okay=False, path_type=Path), help="Remember everything here, to continue."
    ),
    click.option("--concurrency", type=click.IntRange(1), default=8, show_default=True, help="How many run at once."),
    click.option("--rate", "rate_limit", metavar="N/s", help="Create no more than this, such as 20/s or 300/min."),
    click.option(
        "--save-to",
        type=click.Path(file_okay=False, path_type=Path),
        help="Save output files in this folder; pictures get a contact sheet, contact-sheet.html.",
    ),
    click.option("--ordered", is_flag=True, help="Items in the order of the inputs, not as they finish."),
    click.option(
        "--on-unknown",
        type=click.Choice(("raise", "resend", "skip")),
        default="raise",
        show_default=True,
        help="If it is unknown whether a prediction was created: report it, create it again, or leave it out.",
    ),
    click.option("--retry-failed", is_flag=True, help="Run once more what failed, this time or before."),
    click.option(
        "--status",
        "status_of",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="JOURNAL",
        help="Show how far the batch with this journal is, and exit.",
    ),
    *FORMS,
)


def _with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    return with_options(command, *_OPTIONS)


@click.command("map")
@_with_options
@asks_server
def map_(
    client: Client,
    model: str | None,
    source: str | None,
    kind: str | None,
    more: tuple[str, ...],
    target: str,
    form: str | None,
    status_of: Path | None,
    retry_failed: bool,
    **options: Any,
) -> None:
    """Run MODEL over the inputs in a file, and print each item as a line of JSON.

    \b
    A line of a .jsonl file is an input, or a prompt; in a .csv file the
    columns are inputs; any other file has a prompt on each line.
    NAME=VALUE is added to every input that lacks it.

    With --journal, run the same command again to continue after a crash or Ctrl-C: what is done is not run again.
    """
    if status_of is not None:
        _show_status(status_of, form)
        return
    context = click.get_current_context()
    for given, name in ((model, "model"), (source, "source")):
        if given is None:
            param = next(param for param in context.command.params if param.name == name)
            raise click.MissingParameter(ctx=context, param=param)
    _run(client, str(model), str(source), kind, more, target, form, retry_failed, options)


def _run(
    client: Client, model: str, source: str, kind: str | None, more: tuple[str, ...], target: str, form: str | None,
    retry_failed: bool, options: dict[str, Any],
) -> None:  # fmt: skip
    from .batch_inputs import inputs_from
    from .batch_items import Items, Lines, Progress

    with (
        inputs_from(source, kind, more, client, model) as inputs,
        closing(Lines(target, form, options["save_to"], continues=options["journal"] is not None)) as lines,
        Progress(model, target, form) as progress,
    ):
        items = Items(client.map(model, inputs, on_error="collect", **options), retries=retry_failed)
        try:
            for item in items:
                lines.write(item)
                progress.show(item, items.summary)
        finally:
            items.close()
            lines.end(items.summary)
            progress.end(items.summary)
    if items.summary.failed or items.summary.unknown:
        raise click.exceptions.Exit(exit_codes.MODEL_FAILED)


def _show_status(path: Path, form: str | None) -> None:
    """What the journal says, which may be in use meanwhile."""
    import json

    from ..client.batch.journal import status

    told = status(path)
    if form is not None:
        sys.stdout.write(json.dumps(told) + "\n")
        return
    counts = ", ".join(f"{told[name]} {name}" for name in ("done", "failed", "running", "unanswered"))
    click.echo(f"{told['model']}: {counts}")
