"""``predictions wait`` and ``predictions stream``: a prediction that was begun elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .following import follow, show_ended, watched
from .options import answers, asks_server
from .printing import Answer

if TYPE_CHECKING:
    from ..client.client import Client


@click.command()
@click.argument("id")
@answers
@asks_server
def wait(client: Client, id: str, answer: Answer, form: str | None) -> None:
    """Wait for the prediction ID and print its output, as run does. It runs on if this command ends early."""
    prediction = client.predictions.get(id)
    with watched(prediction.model or "prediction", cancels=False) as status:
        if form == "jsonl":
            follow(prediction.stream(), status, answer, form)
            return
        status(prediction.snapshot)
        result = prediction.result()
    show_ended(prediction.snapshot, result.output, answer, form)


@click.command()
@click.argument("id")
@answers
@asks_server
def stream(client: Client, id: str, answer: Answer, form: str | None) -> None:
    """Print the output of the prediction ID from its beginning, as it grows. It runs on if this command ends early."""
    prediction = client.predictions.get(id)
    with watched(prediction.model or "prediction", cancels=False) as status:
        status(prediction.snapshot)
        follow(prediction.stream(), status, answer, form)
