"""What goes into a batch and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from ...exceptions import CreateOutcomeUnknown
from ..outputs.results import Result


@attrs.frozen
class Pending:
    """An input that waits for its turn; ``key`` and ``ordinal`` are its place in the journal, where that is known.

    ``again`` is set where it failed before, and is to be run once more.
    """

    index: int
    input: Mapping[str, Any]
    key: bytes = b""
    ordinal: int = 0
    again: bool = False


@attrs.frozen
class BatchItem:
    """One input of a batch, and what came of it."""

    index: int
    """Its position among the inputs, from 0."""
    input: Mapping[str, Any]
    """The input; a plain string has become ``{"prompt": ...}``."""
    result: Result | None = None
    """The output; None if there is none."""
    error: Exception | None = None
    """What went wrong, or None."""
    prediction_id: str | None = None
    """The prediction's id; None if none was created."""
    reused: bool = False
    """Whether the result comes from the journal, so that nothing was run for it this time."""
    paths: tuple[Path, ...] = ()
    """Where its files were saved, in the order of the output."""
    value: Any = None
    """What ``then`` returned."""

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return self.error is None


@attrs.frozen
class Summary:
    """How a batch went so far."""

    done: int = 0
    """Items with a result, including reused ones."""
    failed: int = 0
    """Items with an error, unless it is unknown whether they have a prediction."""
    unknown: int = 0
    """Items of which it is unknown whether they have a prediction, including skipped ones."""
    reused: int = 0
    """Items whose outcome comes from the journal."""
    canceled: int = 0
    """Predictions that were canceled because the batch was left."""
    left_over: int = 0
    """Inputs that were taken from the caller, but not handed out as items."""
    predict_time: float = 0.0
    """Seconds that the models ran, as measured by the server."""
    seconds: float = 0.0
    """Seconds since the first item was asked for."""


class Tally:
    """Counts items as they are handed out."""

    def __init__(self) -> None:
        self.taken = 0
        self.canceled = 0
        self.began: float | None = None
        self.ended: float | None = None
        self._done = self._failed = self._unknown = self._reused = 0
        self._predict_time = 0.0

    @property
    def handed_out(self) -> int:
        """How many items there were, including skipped ones."""
        return self._done + self._failed + self._unknown

    def count(self, item: BatchItem) -> None:
        """One more."""
        self._reused += item.reused
        if item.ok:
            self._done += 1
        elif isinstance(item.error, CreateOutcomeUnknown):
            self._unknown += 1
        else:
            self._failed += 1
        if item.result is not None:
            seconds = item.result.metrics.get("predict_time")
            self._predict_time += seconds if isinstance(seconds, (int, float)) else 0.0

    def summary(self, now: float) -> Summary:
        """The counts as they are now."""
        until = now if self.ended is None else self.ended
        return Summary(
            done=self._done,
            failed=self._failed,
            unknown=self._unknown,
            reused=self._reused,
            canceled=self.canceled,
            left_over=self.taken - self.handed_out,
            predict_time=self._predict_time,
            seconds=0.0 if self.began is None else until - self.began,
        )
