"""The server's records as values: what a prediction is, at one moment.

The server's own words stand here as they came; a field we do not know is kept in ``extra``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import attrs

from ..exceptions import ProtocolError


class Status(StrEnum):
    """Where a prediction is. A word that is not listed here is data, not an error.

    ``aborted`` means that the deadline passed before the run started. ``timeout`` is ours alone, for a life
    that ended before its prediction did; no server says it.
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

FIELDS = (
    "id", "model", "version", "status", "input", "output", "logs", "error", "metrics", "urls",
    "created_at", "started_at", "completed_at", "deadline", "deployment", "source", "data_removed",
    "webhook", "webhook_events_filter",
)  # fmt: skip

# tqdm writes "  30%|███       | 3/10 [00:01<00:02,  3.00it/s]"
_PROGRESS = re.compile(
    r"(?:^|[\r\n])[ \t]*(?P<percentage>\d{1,3})%[ \t]*\|[^\r\n]*?\|[ \t]*(?P<current>\d{1,18})/(?P<total>\d{1,18})"
)


@attrs.frozen
class Progress:
    """How far a model says it is: ``percentage`` from 0 to 1, step ``current`` of ``total``."""

    percentage: float
    current: int
    total: int

    @classmethod
    def from_logs(cls, logs: str) -> Progress | None:
        """The last tqdm-style progress line in ``logs``, or None where there is none."""
        found = None
        for match in _PROGRESS.finditer(logs):
            found = match
        if found is None:
            return None
        return cls(int(found["percentage"]) / 100, int(found["current"]), int(found["total"]))


class PredictionFields:
    """The fields of a prediction, read from the API's JSON as it was sent."""

    __slots__ = ("_data",)
    _data: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The server's name for this prediction."""
        return str(self._data["id"])

    @property
    def status(self) -> str:
        """The server's word, a :class:`Status` where it is a known one."""
        word = str(self._data.get("status"))
        return _KNOWN.get(word, word)

    @property
    def is_terminal(self) -> bool:
        """Whether the server will not change this prediction any more."""
        status = self.status
        return status in TERMINAL or (self._data.get("completed_at") is not None and status not in _RUNNING)

    @property
    def model(self) -> str | None:
        """``owner/name``."""
        return self._data.get("model")

    @property
    def version(self) -> str | None:
        """The version's id, or ``hidden`` for an official model."""
        return self._data.get("version")

    @property
    def input(self) -> Mapping[str, Any]:
        """The input as the server recorded it."""
        return self._data.get("input") or {}

    @property
    def output(self) -> Any:
        """The API's JSON as sent; None while there is none."""
        return self._data.get("output")

    @property
    def logs(self) -> str:
        """What the model printed so far."""
        return self._data.get("logs") or ""

    @property
    def error(self) -> Any:
        """The model's own word on why it failed, or None."""
        return self._data.get("error")

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Measured by the server, in seconds where they are times (``predict_time``, ``total_time``)."""
        return self._data.get("metrics") or {}

    @property
    def urls(self) -> Mapping[str, str]:
        """The prediction's own addresses: ``get``, ``cancel``, ``web``, and ``stream`` where it streams."""
        return self._data.get("urls") or {}

    @property
    def created_at(self) -> str | None:
        """When it was created, as the server wrote it (ISO 8601)."""
        return self._data.get("created_at")

    @property
    def started_at(self) -> str | None:
        """When the model began, as the server wrote it (ISO 8601)."""
        return self._data.get("started_at")

    @property
    def completed_at(self) -> str | None:
        """When it ended, as the server wrote it (ISO 8601)."""
        return self._data.get("completed_at")

    @property
    def deadline(self) -> str | None:
        """When the server will stop it by itself, as the server wrote it."""
        return self._data.get("deadline")

    @property
    def deployment(self) -> str | None:
        """The deployment that ran it, or None."""
        return self._data.get("deployment")

    @property
    def source(self) -> str | None:
        """``web`` or ``api``."""
        return self._data.get("source")

    @property
    def data_removed(self) -> bool:
        """Whether the server has thrown away input, output and logs."""
        return bool(self._data.get("data_removed"))

    @property
    def webhook(self) -> str | None:
        """Where the server reports to."""
        return self._data.get("webhook")

    @property
    def webhook_events_filter(self) -> list[str] | None:
        """Which events it reports."""
        return self._data.get("webhook_events_filter")

    @property
    def extra(self) -> dict[str, Any]:
        """The fields the server sent that have no name here."""
        return {key: value for key, value in self._data.items() if key not in FIELDS}

    @property
    def progress(self) -> Progress | None:
        """The last tqdm-style progress line of the logs, or None."""
        return Progress.from_logs(self.logs)

    def to_dict(self) -> dict[str, Any]:
        """The record as the API sent it."""
        return dict(self._data)

    def keys(self) -> Iterator[str]:
        """With ``[]``, what lets ``dict(prediction)`` work."""
        return iter(self._data)

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __repr__(self) -> str:
        shown = f"{type(self).__name__}(id={self._data.get('id')!r}, status={str(self._data.get('status'))!r}"
        return shown + (f", model={self.model!r})" if self.model else ")")


_RUNNING = frozenset({Status.STARTING, Status.PROCESSING})


class Snapshot(PredictionFields):
    """A prediction as the server described it at one moment; immutable."""

    __slots__ = ()

    def __init__(self, data: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_data", data)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a snapshot cannot be changed: {name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and other._data == self._data

    def __hash__(self) -> int:
        return hash(self._data.get("id"))

    def __reduce__(self) -> tuple[Any, ...]:
        return Snapshot, (dict(self._data),)

    @classmethod
    def parse(cls, data: Any) -> Snapshot:
        """Check what a server sent; raises :class:`ProtocolError` naming the field that is wrong."""
        if not isinstance(data, dict):
            raise ProtocolError(f"expected a prediction (a JSON object), got {_kind(data)}")
        for name, kinds in _KINDS:
            value = data.get(name)
            if value is not None and not isinstance(value, kinds):
                raise ProtocolError(f"a prediction's {name!r} should be {_WORDS[kinds]}, got {_kind(value)}")
        if not data.get("id"):
            raise ProtocolError("expected a prediction, got an object without 'id'")
        return cls(data)


_KINDS: tuple[tuple[str, type[Any]], ...] = (
    ("id", str), ("input", dict), ("logs", str), ("metrics", dict), ("urls", dict),
)  # fmt: skip
_WORDS: dict[type[Any], str] = {str: "a string", dict: "an object"}


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
