"""How the output of one call reaches the caller: item by item or as a whole, and who is told of its progress."""

from __future__ import annotations

from typing import Any

import attrs

from ...records.prediction import Snapshot
from ..engine.calls import Report, RunOptions
from .download import FileSource
from .file_output import items_with_files
from .results import Result, result_of


@attrs.frozen
class Format:
    """``base_url`` is the API that the output comes from; without a ``source``, files stay URLs."""

    base_url: str
    source: FileSource | None
    report: Report | None = None

    @classmethod
    def of(cls, options: RunOptions, base_url: str, source: FileSource) -> Format:
        """What the caller asked for."""
        report = options.on_update
        if options.progress:
            from .progress import reporting  # only needed if it is shown

            report = reporting(report, options.progress)
        return cls(base_url, source if options.use_file_output else None, report)

    def items(self, items: list[Any]) -> list[Any]:
        """Items of the output as the caller gets them."""
        return items if self.source is None else items_with_files(items, self.base_url, self.source)

    def result(self, snapshot: Snapshot) -> Result:
        """The whole output as the caller gets it."""
        return result_of(snapshot, self.base_url, self.source)
