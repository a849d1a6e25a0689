"""``trainings create``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..records.schema import Schema
from .arguments import Stdin, read_inputs
from .options import FORMS, asks_server, with_options
from .records import show

if TYPE_CHECKING:
    from ..client.client import Client


def _create(
    client: Client, model: str, inputs: tuple[str, ...], destination: str, webhook: str | None, form: str | None
) -> None:
    """Train MODEL:VERSION with the inputs NAME=VALUE; the result is a new version of the destination."""
    given = read_inputs(inputs, Stdin(sys.stdin).read).typed(Schema())
    show(client.trainings.create(model, input=given, destination=destination, webhook=webhook), (), form)


create = click.command("create")(
    with_options(
        asks_server(_create),
        click.argument("model", metavar="MODEL:VERSION"),
        click.argument("inputs", nargs=-1, metavar="[NAME=VALUE]..."),
        click.option("-d", "--destination", required=True, metavar="MODEL", help="The model that gets the version."),
        click.option("--webhook", metavar="URL", help="What the server is to call as the training goes on."),
        *FORMS,
    )
)
