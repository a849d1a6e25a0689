"""What comes of a batch on the command line: a line of JSON for each item, progress, a contact sheet and a report."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import attrs

from . import exit_codes
from .contact_sheet import ContactSheet
from .status_line import StatusLine, is_terminal

if TYPE_CHECKING:
    from ..client.batch.batch import Batch
    from ..client.batch.items import BatchItem, Summary

MOST_ERRORS = 10


class Items:
    """The items of a batch; with ``retries`` those that failed are run once more when the others are done."""

    def __init__(self, batch: Batch, *, retries: bool) -> None:
        self._batch = batch
        self._retries = retries
        self._earlier: Summary | None = None

    def __iter__(self) -> Iterator[BatchItem]:
        for item in self._batch:
            if item.ok or not self._retries:
                yield item
        if self._retries:
            self._earlier, self._batch = self._batch.summary, self._batch.retry_failed()
            yield from self._batch

    @property
    def summary(self) -> Summary:
        """How it went so far; what was run once more counts as it ended."""
        now, earlier = self._batch.summary, self._earlier
        if earlier is None:
            return now
        return attrs.evolve(
            now,
            done=earlier.done + now.done,
            unknown=earlier.unknown + now.unknown,
            reused=earlier.reused,
            predict_time=earlier.predict_time + now.predict_time,
            seconds=earlier.seconds + now.seconds,
        )

    def close(self) -> None:
        """Leave what is under way."""
        self._batch.close()


class Lines:
    """Where the items go: ``target`` is a file, or ``-`` for stdout.

    A file that is there already is written anew only where a journal ``continues`` what is in it.
    """

    def __init__(self, target: str, form: str | None, folder: Path | None, *, continues: bool) -> None:
        self._file: TextIO = sys.stdout
        self._all: list[dict[str, Any]] | None = [] if form == "json" else None
        self._sheet = None if folder is None else ContactSheet(folder)
        if target != "-":
            path = Path(target)
            if path.exists() and path.stat().st_size and not continues:
                raise ValueError(f"{target} is there already, and is not overwritten: name another file")
            self._file = path.open("w", encoding="utf-8")

    def write(self, item: BatchItem) -> None:
        """One more item."""
        told = as_json(item)
        if self._all is None:
            self._file.write(json.dumps(told, default=str) + "\n")
            self._file.flush()
        else:
            self._all.append(told)
        if self._sheet is not None:
            self._sheet.add(item)

    def end(self, summary: Summary) -> None:
        """There are no more."""
        if self._all is not None:
            told = {"items": self._all, "summary": attrs.asdict(summary)}
            self._file.write(json.dumps(told, default=str) + "\n")
        if self._sheet is not None:
            self._sheet.finish()

    def close(self) -> None:
        """Close the file, if it is one."""
        if self._file is not sys.stdout:
            self._file.close()


def as_json(item: BatchItem) -> dict[str, Any]:
    """An item as a JSON object."""
    error = item.error
    return {
        "index": item.index,
        "input": item.input,
        "prediction_id": item.prediction_id,
        "output": None if item.result is None else item.result.prediction.output,
        "error": None if error is None else {"type": type(error).__name__, "message": str(error)},
        "paths": [str(path) for path in item.paths],
        "reused": item.reused,
    }


class Progress(StatusLine):
    """A line on a terminal that counts, unless the items go there, and a report at the end.

    Programs that read JSON get neither.
    """

    def __init__(self, model: str, target: str, form: str | None) -> None:
        super().__init__(model)
        self._model = model
        if form is not None or (target == "-" and is_terminal(sys.stdout)):
            self._thread = None
        self._summary: Summary | None = None
        self._errors: list[str] = []
        self._reports = form is None

    def __enter__(self) -> Progress:
        super().__enter__()
        return self

    def show(self, item: BatchItem, summary: Summary) -> None:
        """Count an item."""
        self._summary = summary
        if item.error is not None and len(self._errors) < MOST_ERRORS:
            name = f" ({item.prediction_id})" if item.prediction_id else ""
            self._errors.append(f"item {item.index}{name}: {item.error}")

    def end(self, summary: Summary) -> None:
        """Report."""
        self.remove()
        if not self._reports:
            return
        for line in self._errors:
            exit_codes.say(line)
        failed = summary.failed + summary.unknown
        if failed > len(self._errors):
            exit_codes.say(f"and {failed - len(self._errors)} more errors")
        exit_codes.say(report(summary))

    def __str__(self) -> str:
        return f"{self._model}: {'starting' if self._summary is None else report(self._summary)}"


def report(summary: Summary) -> str:
    """The counts in words."""
    counts = {"reused": summary.reused, "failed": summary.failed, "unknown": summary.unknown}
    counts |= {"canceled": summary.canceled, "left over": summary.left_over}
    told = [f"{summary.done} done", *(f"{count} {name}" for name, count in counts.items() if count)]
    return f"{', '.join(told)}; {summary.predict_time:.1f} s of prediction in {summary.seconds:.1f} s"
