"""Operations on predictions beside those of their lives (create, get, cancel), which the dialects know."""

from __future__ import annotations

from functools import partial

from ..records.prediction import Snapshot
from .base import Operation, PageFields

_page = partial(PageFields.parse, item=Snapshot.parse)


def list_predictions(
    *, created_after: str | None = None, created_before: str | None = None
) -> Operation[PageFields[Snapshot]]:
    """Your predictions, newest first; ``created_after`` and ``created_before`` are ISO 8601 times."""
    return Operation(
        "GET", "/predictions", _page, query={"created_after": created_after, "created_before": created_before}
    )


def more_predictions(url: str) -> Operation[PageFields[Snapshot]]:
    """The page of predictions at a URL that another page names."""
    return Operation("GET", url, _page)
