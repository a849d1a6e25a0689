"""The nearest of the names that there are, for one that there is not."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """``", did you mean 'stream'?"``; empty if no name is near."""
    near = get_close_matches(name, list(names), 1)
    return f", did you mean {near[0]!r}?" if near else ""
