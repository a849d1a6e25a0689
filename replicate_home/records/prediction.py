"""Predictions at one moment, as the server sent them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import attrs

from .base import Field, Record, declared, field


class Status(StrEnum):
    """The status of a prediction. A value that is not listed here is data, not an error.

    ``aborted`` means that the deadline passed before the run started. ``timeout`` is our own, for a call that
    ended before its prediction did; no server sends it.
    """

    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ABORTED = "aborted"
    TIMEOUT = "timeout"


_KNOWN = {status.value: status for status in Status}
TERMINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.ABORTED})

_RUNNING = frozenset({Status.STARTING, Status.PROCESSING})

# tqdm writes "  30%|███       | 3/10 [00:01<00:02,  3.00it/s]"
_PROGRESS = re.compile(
    r"(?:^|[\r\n])[ \t]*(?P<percentage>\d{1,3})%[ \t]*\|[^\r\n]*?\|[ \t]*(?P<current>\d{1,18})/(?P<total>\d{1,18})"
)


@attrs.frozen
class Progress:
    """The progress that a model reports: ``percentage`` from 0 to 1, step ``current`` of ``total``."""

    percentage: float
    current: int
    total: int

    @classmethod
    def from_logs(cls, logs: str) -> Progress | None:
        """The last tqdm-style progress line in ``logs``, or None."""
        found = None
        for match in _PROGRESS.finditer(logs):
            found = match
        if found is None:
            return None
        return cls(int(found["percentage"]) / 100, int(found["current"]), int(found["total"]))


class PredictionFields(Record, noun="a prediction"):
    """The fields of a prediction, read from the API's JSON as it was sent.

    Only what the package relies on is checked: an odd value elsewhere is no reason to lose a prediction that was
    paid for.
    """

    __slots__ = ()
    _data: Mapping[str, Any]

    id = field(str, "The prediction's id.", required=True)
    model = field(str, "``owner/name``.", checked=False)
    version = field(str, "The version's id, or ``hidden`` for an official model.", checked=False)
    input: Field[Mapping[str, Any]] = field(dict, "The input as the server recorded it.", default={})
    output: Field[Any] = field(object, "The output, as JSON; None if there is none yet.")
    logs = field(str, "What the model has printed so far.", default="")
    error: Field[Any] = field(object, "The model's error message if it failed, or None.")
    metrics: Field[Mapping[str, Any]] = field(
        dict, "Measurements by the server; times (``predict_time``, ``total_time``) are in seconds.", default={}
    )
    urls: Field[Mapping[str, str]] = field(
        dict, "Its URLs: ``get``, ``cancel``, ``web``, and ``stream`` if it streams.", default={}
    )
    created_at = field(str, "When it was created, as sent by the server (ISO 8601).", checked=False)
    started_at = field(str, "When the model started, as sent by the server (ISO 8601).", checked=False)
    completed_at = field(str, "When it ended, as sent by the server (ISO 8601).", checked=False)
    deadline = field(str, "When the server will stop it, as sent by the server.", checked=False)
    deployment = field(str, "The deployment that ran it, or None.", checked=False)
    source = field(str, "``web`` or ``api``.", checked=False)
    webhook = field(str, "The URL that the server reports to.", checked=False)
    webhook_events_filter: Field[list[str] | None] = field(list, "The events that it reports.", checked=False)

    @declared
    def status(self) -> str:
        """The status: a :class:`Status` if it is a known one, otherwise the server's string."""
        word = self._data.get("status")
        return _KNOWN.get(word, word) if type(word) is str else str(word)

    @declared
    def data_removed(self) -> bool:
        """Whether the server has deleted input, output and logs."""
        return bool(self._data.get("data_removed"))

    @property
    def is_terminal(self) -> bool:
        """Whether the prediction has ended, so that it will not change."""
        status = self.status
        return status in TERMINAL or (self.completed_at is not None and status not in _RUNNING)

    @property
    def progress(self) -> Progress | None:
        """The last tqdm-style progress line in the logs, or None."""
        return Progress.from_logs(self.logs)

    def __repr__(self) -> str:
        shown = f"{type(self).__name__}(id={self.id!r}, status={str(self.status)!r}"
        return shown + (f", model={self.model!r})" if self.model else ")")


class Snapshot(PredictionFields):
    """A prediction as the server described it at one moment; immutable."""

    __slots__ = ()
