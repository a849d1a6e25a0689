"""Lag and requests of polling, from predictions of 0.2 s to those of 30 minutes, in virtual time.

This project's schedule is not calculated here but observed: its client runs against a server that neither holds nor
streams, on a clock that jumps. The fixed intervals are those of the official client and of a cautious script.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .measures import Bench

SHORTEST, LONGEST = 0.2, 1800.0
STEPS, PER_STEP = 40, 12
FIXED = (0.5, 5.0)


class Curve(NamedTuple):
    """For each duration: the mean lag and the mean number of requests of predictions that last about so long."""

    durations: list[float]
    lags: list[float]
    requests: list[float]


def durations() -> list[float]:
    """Durations at equal ratios; those of one step differ by less than a step."""
    count = STEPS * PER_STEP
    return [SHORTEST * (LONGEST / SHORTEST) ** (index / (count - 1)) for index in range(count)]


def at_fixed(interval: float, seconds: float) -> tuple[float, int]:
    """A create, then a look every ``interval``."""
    looks = math.ceil(seconds / interval)
    return looks * interval - seconds, 1 + looks


def averaged(points: list[tuple[float, int]]) -> Curve:
    """Points for all durations, taken together step by step."""
    lasting = durations()
    steps = [slice(start, start + PER_STEP) for start in range(0, len(points), PER_STEP)]
    return Curve(
        [sum(lasting[step]) / PER_STEP for step in steps],
        [sum(lag for lag, _ in points[step]) / PER_STEP for step in steps],
        [sum(count for _, count in points[step]) / PER_STEP for step in steps],
    )


def curves(bench: Bench) -> dict[str, Curve]:
    """The curve of each way to poll; this project's is left out where its client cannot be run."""
    found = {f"every {every:g} s": averaged([at_fixed(every, one) for one in durations()]) for every in FIXED}
    if "ours" in bench.columns:
        try:
            reply = bench.ask("ours", "polling", durations=durations())
        except (OSError, EOFError) as error:
            reply = {"error": str(error)}
        if "points" in reply:
            found["replicate_home"] = averaged([(lag, count) for lag, count in reply["points"]])
        else:
            bench.say(f"curve: {reply}")
    return found
