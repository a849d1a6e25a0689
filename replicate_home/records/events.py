"""The events of a prediction, as the caller sees them.

``event`` is the name of its kind. ``str()`` of an output or logs event is its text.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from .prediction import Snapshot


@attrs.frozen
class StatusEvent:
    """The prediction has a new status, or was seen for the first time."""

    event: Literal["status"] = attrs.field(default="status", init=False)
    prediction: Snapshot

    @property
    def status(self) -> str:
        """The status, as sent by the server."""
        return self.prediction.status


@attrs.frozen
class OutputEvent:
    """One piece of the output: a string for text, a file, or another JSON value."""

    event: Literal["output"] = attrs.field(default="output", init=False)
    data: Any

    def __str__(self) -> str:
        return str(self.data)


@attrs.frozen
class LogsEvent:
    """What the model printed since the last logs event."""

    event: Literal["logs"] = attrs.field(default="logs", init=False)
    data: str

    def __str__(self) -> str:
        return self.data


@attrs.frozen
class DoneEvent:
    """The prediction succeeded and every piece of its output has been delivered."""

    event: Literal["done"] = attrs.field(default="done", init=False)
    prediction: Snapshot


Event = StatusEvent | OutputEvent | LogsEvent | DoneEvent
