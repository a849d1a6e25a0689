"""The errors a life can end with, and what they say to the caller."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

from ..exceptions import (
    CreateOutcomeUnknown,
    CreateTimedOut,
    FileExpired,
    ModelCanceled,
    ModelError,
    OutputDiverged,
    PredictionTimeout,
    ReplicateHomeError,
    StreamInterrupted,
    UnsafeURL,
)
from ..protocol.redaction import excerpt, without_query
from ..records.prediction import Snapshot, Status


def failed(snapshot: Snapshot) -> ModelError:
    """The model did not succeed."""
    name = f"prediction {snapshot.id}" + (f" of {snapshot.model}" if snapshot.model else "")
    if snapshot.status in (Status.CANCELED, Status.ABORTED):
        why = f": {excerpt(str(snapshot.error), 2048)}" if snapshot.error else ""
        return ModelCanceled(f"{name} was {snapshot.status} before it was finished{why}", prediction=snapshot)
    why = excerpt(str(snapshot.error), 2048) if snapshot.error else "the server gave no reason"
    ended = "failed" if snapshot.status == Status.FAILED else f"ended as {excerpt(snapshot.status)!r}"
    return ModelError(f"{name} {ended}: {why}", prediction=snapshot)


def timed_out(snapshot: Snapshot, seconds: float | None, canceled: bool) -> PredictionTimeout:
    """The caller's budget is used up."""
    after = f" within {seconds:g} s" if seconds is not None else " in time"
    what = (
        "it was canceled"
        if canceled
        else f"it was not canceled and may still be running: client.predictions.get({snapshot.id!r}).wait() resumes it"
    )
    message = f"prediction {snapshot.id} was not finished{after}; {what}"
    return PredictionTimeout(message, prediction=snapshot, canceled=canceled)


def outcome_unknown(cause: ReplicateHomeError, *, in_time: bool) -> CreateOutcomeUnknown:
    """The create was sent, and what became of it cannot be told."""
    kind = CreateOutcomeUnknown if in_time else CreateTimedOut
    error = kind(
        f"a prediction may have been created, or not: {cause}. It was not sent again, for that could run and bill it "
        "twice; client.predictions.list() (newest first) or https://replicate.com/predictions shows whether it exists"
    )
    error.__cause__ = cause
    return error


def removed(snapshot: Snapshot, delivered: Sequence[Any]) -> ReplicateHomeError:
    """The server has thrown the output away before it was delivered whole."""
    message = f"the output of prediction {snapshot.id} is no longer on the server, which keeps it for an hour"
    if delivered:
        return StreamInterrupted(message, partial_text=text_of(delivered), prediction=snapshot)
    return FileExpired(message, prediction=snapshot)


def diverged(snapshot: Snapshot, delivered: Sequence[Any]) -> OutputDiverged:
    """What the server says now contradicts what it sent before."""
    return OutputDiverged(
        f"the output of prediction {snapshot.id} is not what was streamed: delivered {excerpt(repr(list(delivered)))}, "
        f"now {excerpt(repr(snapshot.output))}",
        delivered=list(delivered),
        seen=snapshot.output,
        prediction=snapshot,
    )


def interrupted(snapshot: Snapshot | None, delivered: Sequence[Any], cause: ReplicateHomeError) -> ReplicateHomeError:
    """The server cannot be asked any more; where output was delivered, it is known to be incomplete."""
    if not delivered or snapshot is None:
        return about(cause, snapshot)
    error = StreamInterrupted(
        f"the output of prediction {snapshot.id} is incomplete, for the server cannot be asked for the rest: {cause}; "
        f"client.predictions.get({snapshot.id!r}) has it once the server is back",
        partial_text=text_of(delivered),
        prediction=snapshot,
    )
    error.__cause__ = cause
    return error


def about(error: ReplicateHomeError, snapshot: Snapshot | None) -> ReplicateHomeError:
    """The same error with what is known of the prediction; the one that was given stays as it is."""
    told = copy(error)
    told.prediction = snapshot
    return told


def text_of(delivered: Sequence[Any]) -> str:
    """The delivered pieces of text, joined."""
    return "".join(item for item in delivered if isinstance(item, str))


def file_expired(url: str, status: int) -> FileExpired:
    """The file cannot be had any more; its URL is named without the signature in its query."""
    return FileExpired(
        f"the file {without_query(url)} is not there ({status}): output files are kept for an hour, and their URLs "
        "expire; run the model again"
    )


def unsafe(url: str) -> UnsafeURL:
    """A URL from an answer that must not be requested."""
    return UnsafeURL(f"{excerpt(without_query(url))!r} is not requested: only https to a public host is")
