"""A prediction that is waited for: its progress on the way, its output, and what to do if this command ends first."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from ..client.engine.routing import LOCAL_URL
from ..client.outputs.results import Result
from ..client.outputs.streams import Stream
from ..protocol import urls
from ..records.events import Event, LogsEvent, OutputEvent, StatusEvent
from ..records.prediction import Snapshot
from .exit_codes import say
from .printing import Answer, show_event, show_output, show_pieces, show_prediction
from .status_line import StatusLine


@contextmanager
def watched(name: str, cancels: bool) -> Iterator[StatusLine]:
    """A status line for a prediction. An early end says whether the prediction is canceled, or how to resume it."""
    with StatusLine(name) as status:
        try:
            yield status
        except BaseException as error:
            status.remove()
            fate = fate_of(getattr(error, "prediction", None) or status.snapshot, cancels)
            if isinstance(error, KeyboardInterrupt) and fate is not None:
                raise KeyboardInterrupt(fate) from None
            if fate is not None and not cancels:
                say(fate)
            raise


def fate_of(known: Snapshot | None, cancels: bool) -> str | None:
    """What becomes of a prediction that is not waited for any more; None where there is nothing to say."""
    if known is None or known.is_terminal:
        return None
    if cancels:
        return f"the cancellation of prediction {known.id} was requested"
    return None if is_local(known) else f"prediction {known.id} runs on; this waits for it: {_resuming(known)}"


def follow(pieces: Stream, status: StatusLine, answer: Answer, form: str | None) -> None:
    """Print what a stream delivers, while its progress is shown."""
    if form == "json":
        show_whole(pieces, status, answer, form)
    elif form == "jsonl":
        for event in _seen(pieces, status):
            status.make_way()
            show_event(event, answer)
    else:
        show_pieces(_outputs(pieces, status), answer)


def show_whole(pieces: Stream, status: StatusLine, answer: Answer, form: str | None) -> None:
    """Print what a stream has delivered, when it has ended."""
    for _ in _seen(pieces, status):
        pass
    status.remove()
    show_result(pieces.result(), answer, form)


def show_result(result: Result, answer: Answer, form: str | None) -> None:
    """Print an output, or its prediction."""
    if form is None:
        show_output(result.output, answer)
    else:
        show_prediction(result.prediction, result.output, answer)


def _outputs(pieces: Stream, status: StatusLine) -> Iterator[Any]:
    """The items of the output."""
    for event in _seen(pieces, status):
        if isinstance(event, OutputEvent):
            status.make_way()
            yield event.data


def _seen(pieces: Stream, status: StatusLine) -> Iterator[Event]:
    """The events of a stream, of which the status line is told."""
    for event in pieces.events():
        if isinstance(event, LogsEvent):
            status.add_logs(event.data)
        elif isinstance(event, StatusEvent):
            status(event.prediction)
        yield event


def is_local(prediction: Snapshot) -> bool:
    """Whether it lives in this process, and so ends with it."""
    return urls.origin(prediction.urls.get("get", "")) == urls.origin(LOCAL_URL)


def _resuming(prediction: Snapshot) -> str:
    """The command that waits for a prediction, at the server that this command asks."""
    told = click.get_current_context().params
    server = [f"--{name.replace('_', '-')}={told[name]}" for name in ("backend", "base_url") if told.get(name)]
    return shlex.join(["replicate-home", "predictions", "wait", prediction.id, *server])
