"""``predictions wait`` and ``predictions stream``: a prediction that was begun elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ..client.outputs.streams import Stream
from ..client.resources.predictions import Prediction
from .following import follow, show_whole, watched
from .options import answers, asks_server
from .printing import Answer
from .status_line import StatusLine

if TYPE_CHECKING:
    from ..client.client import Client


@click.command()
@click.argument("id")
@answers
@asks_server
def wait(client: Client, id: str, answer: Answer, form: str | None) -> None:
    """Wait for the prediction ID and print its output, as run does. It runs on if this command ends early."""
    with _followed(client.predictions.get(id)) as (pieces, status):
        if form == "jsonl":
            follow(pieces, status, answer, form)
        else:
            show_whole(pieces, status, answer, form)


@click.command()
@click.argument("id")
@answers
@asks_server
def stream(client: Client, id: str, answer: Answer, form: str | None) -> None:
    """Print the output of the prediction ID from its beginning, as it grows. It runs on if this command ends early."""
    with _followed(client.predictions.get(id)) as (pieces, status):
        follow(pieces, status, answer, form)


@contextmanager
def _followed(prediction: Prediction) -> Iterator[tuple[Stream, StatusLine]]:
    with watched(prediction.model or "prediction", cancels=False) as status, prediction.stream() as pieces:
        status(prediction.snapshot)
        yield pieces, status
