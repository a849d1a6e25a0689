"""Dates as the API writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(moment: float) -> str:
    """Seconds since the epoch as the API writes dates."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
