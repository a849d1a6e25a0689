"""The errors a life can end with, and what they say to the caller."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

from ..exceptions import (
    APIError,
    CreateOutcomeUnknown,
    CreateTimedOut,
    FileExpired,
    ModelCanceled,
    ModelError,
    NotFound,
    OutputDiverged,
    PredictionTimeout,
    RateLimited,
    ReplicateHomeError,
    ServerBusy,
    ServerError,
    StreamInterrupted,
    UnsafeURL,
)
from ..protocol.redaction import excerpt, without_query
from ..records.prediction import Snapshot, Status

_TRACEBACK = "Traceback (most recent call last)"


def failed(snapshot: Snapshot) -> ModelError:
    """The model did not succeed."""
    name = f"prediction {snapshot.id}" + (f" of {snapshot.model}" if snapshot.model else "")
    if snapshot.status in (Status.CANCELED, Status.ABORTED):
        why = f": {excerpt(str(snapshot.error), 2048)}" if snapshot.error else ""
        return ModelCanceled(f"{name} was {snapshot.status} before it was finished{why}", prediction=snapshot)
    why = excerpt(str(snapshot.error), 2048) if snapshot.error else "the server gave no reason"
    ended = "failed" if snapshot.status == Status.FAILED else f"ended as {excerpt(snapshot.status)!r}"
    where = "; its traceback is in the logs" if _TRACEBACK in snapshot.logs else ""
    return ModelError(f"{name} {ended}: {why}{where}", prediction=snapshot)


def timed_out(snapshot: Snapshot, seconds: float | None, canceled: bool, *, keeps: bool = True) -> PredictionTimeout:
    """The caller's budget is used up; ``keeps`` says whether the server still knows predictions that have ended."""
    after = f" within {seconds:g} s" if seconds is not None else " in time"
    what = "it was not canceled and may still be running"
    if canceled:
        what = "it was canceled"
    elif keeps:
        what += f": client.predictions.get({snapshot.id!r}).wait() resumes it"
    message = f"prediction {snapshot.id} was not finished{after}; {what}"
    return PredictionTimeout(message, prediction=snapshot, canceled=canceled)


def paced(wait: float, snapshot: Snapshot | None) -> RateLimited:
    """The server's limits leave no time for a request: it was not sent."""
    message = f"not sent: the server's rate limit allows the next request in {wait:.3g} s, which is after the timeout"
    return RateLimited(message, status=429, retry_after=wait, prediction=snapshot)


def outcome_unknown(
    cause: ReplicateHomeError, *, in_time: bool, snapshot: Snapshot | None = None, keeps: bool = True
) -> CreateOutcomeUnknown:
    """The create was sent, but its outcome is unknown; ``snapshot`` is what it asked for, if known."""
    kind = CreateOutcomeUnknown if in_time else CreateTimedOut
    way_out = (
        "client.predictions.list() (newest first) or https://replicate.com/predictions shows whether it exists"
        if keeps
        else "the server ends it with its connection, and keeps no list of what it ran"
    )
    error = kind(
        f"a prediction may have been created, or not: {cause}. It was not repeated, because that could run and bill it "
        f"twice; {way_out}",
        prediction=snapshot,
    )
    error.__cause__ = cause
    return error


def busy(refusal: APIError) -> ServerBusy:
    """The server was busy or not ready until the caller's time was up; ``refusal`` is its last response."""
    error = ServerBusy(
        f"the server was busy or not ready until the deadline, and nothing was created: {refusal}",
        status=refusal.status, title=refusal.title, detail=refusal.detail, request_id=refusal.request_id,
    )  # fmt: skip
    error.__cause__ = refusal
    return error


def never_ready(why: str, refusal: APIError) -> ServerError:
    """The server says that it will never be ready."""
    error = ServerError(f"{why}; {refusal}", status=refusal.status, title=refusal.title, detail=refusal.detail)
    error.__cause__ = refusal
    return error


def torn(snapshot: Snapshot, delivered: Sequence[Any], cause: ReplicateHomeError | None) -> StreamInterrupted:
    """The connection was lost, and the prediction ended with it."""
    why = "the server closed it early" if cause is None else str(cause)
    error = StreamInterrupted(
        f"the output of prediction {snapshot.id} is incomplete: the connection was lost, and the server ends a "
        f"prediction with the connection that asked for it ({why}); run it again, or have "
        "predictions.create(..., webhook=...) make one that outlives its connection",
        partial_text=text_of(delivered),
        prediction=snapshot,
    )
    error.__cause__ = cause
    return error


def forgotten(snapshot: Snapshot, delivered: Sequence[Any] = ()) -> ReplicateHomeError:
    """The server does not know the prediction, and keeps none that have ended."""
    message = (
        f"prediction {snapshot.id} does not run on this server: it never did, or it has ended and was not kept, "
        "or the server is too old to say"
    )
    if delivered:
        return StreamInterrupted(message, partial_text=text_of(delivered), prediction=snapshot)
    return NotFound(message, status=404, prediction=snapshot)


def removed(snapshot: Snapshot, delivered: Sequence[Any]) -> ReplicateHomeError:
    """The server deleted the output before all of it was delivered."""
    message = f"the output of prediction {snapshot.id} is no longer on the server, which keeps it for an hour"
    if delivered:
        return StreamInterrupted(message, partial_text=text_of(delivered), prediction=snapshot)
    return FileExpired(message, prediction=snapshot)


def diverged(snapshot: Snapshot, delivered: Sequence[Any]) -> OutputDiverged:
    """What the server says now contradicts what it sent before."""
    return OutputDiverged(
        f"the output of prediction {snapshot.id} contradicts what was streamed: delivered "
        f"{excerpt(repr(list(delivered)))}, now {excerpt(repr(snapshot.output))}",
        delivered=list(delivered),
        seen=snapshot.output,
        prediction=snapshot,
    )


def interrupted(
    snapshot: Snapshot | None, delivered: Sequence[Any], cause: ReplicateHomeError, *, keeps: bool = True
) -> ReplicateHomeError:
    """The server can no longer be reached; if output was delivered, it is incomplete."""
    if not delivered or snapshot is None:
        return about(cause, snapshot)
    error = StreamInterrupted(
        f"the output of prediction {snapshot.id} is incomplete, and the server cannot be reached: {cause}"
        + (f"; client.predictions.get({snapshot.id!r}) has it once the server is back" if keeps else ""),
        partial_text=text_of(delivered),
        prediction=snapshot,
    )
    error.__cause__ = cause
    return error


def about(error: ReplicateHomeError, snapshot: Snapshot | None) -> ReplicateHomeError:
    """The same error with what is known of the prediction; the original is unchanged."""
    told = copy(error)
    told.prediction = snapshot
    return told


def text_of(delivered: Sequence[Any]) -> str:
    """The delivered pieces of text, joined."""
    return "".join(item for item in delivered if isinstance(item, str))


def file_expired(url: str, status: int) -> FileExpired:
    """The file is gone; its URL is shown without the query, which may hold a signature."""
    return FileExpired(
        f"the file {without_query(url)} no longer exists ({status}): output files are kept for an hour, and their URLs "
        "expire; run the model again"
    )


def unsafe(url: str) -> UnsafeURL:
    """A URL from an answer that must not be requested."""
    return UnsafeURL(f"{excerpt(without_query(url))!r} was not requested: only https URLs of public hosts are")
