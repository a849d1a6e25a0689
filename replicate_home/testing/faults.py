"""Effects for ``fake.faults.add(at, effect, times=1, skip=0, model=None)``.

>>> from replicate_home.testing import faults
>>> fake.faults.add("create", faults.status(429, retry_after=2), times=3)
>>> fake.faults.add("stream", faults.cut(events=2))
"""

from __future__ import annotations

from ..emulator.faults import (
    Effect,
    Fault,
    FaultPlan,
    cut,
    drip,
    garble,
    lose,
    refuse,
    repeat,
    reset,
    stall,
    status,
    swap,
    unanswered,
)

__all__ = [
    "Effect",
    "Fault",
    "FaultPlan",
    "cut",
    "drip",
    "garble",
    "lose",
    "refuse",
    "repeat",
    "reset",
    "stall",
    "status",
    "swap",
    "unanswered",
]
