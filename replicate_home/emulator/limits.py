"""The limits of the hosted service: the rate of requests, the length of a run, the life of its data.

Models on the user's own machine are limited only on request.
"""

from __future__ import annotations

import math
import threading

import attrs

from ..clock import Clock
from .problems import Problem

_MINUTE = 60.0


@attrs.frozen
class Limits:
    """Limits as on the hosted service; None is no limit.

    ``creates``, ``polls`` (of one prediction) and ``requests`` (all others) are numbers a minute, and at once at most
    ``burst`` of the creates; ``run`` is how many seconds a run may take, ``retention`` how many seconds after its end
    input, output, logs and files are kept.
    """

    creates: int | None = None
    polls: int | None = None
    requests: int | None = None
    burst: int | None = None
    run: float | None = None
    retention: float | None = None


HOSTED_LIMITS = Limits(creates=600, polls=60_000, requests=3_000, run=1_800.0, retention=3_600.0)
"""The limits that the hosted service documents for an account with credit."""

_SHOWN = {"creates": 600, "polls": 60_000, "requests": 3_000}


class _Bucket:
    """A bucket of ``size`` tokens that are refilled at ``rate`` a second."""

    def __init__(self, size: float, rate: float, now: float) -> None:
        self.size, self.rate = size, rate
        self._tokens, self._at = size, now

    def take(self, now: float) -> bool:
        """Take a token, if there is a whole one."""
        self._tokens = min(self.size, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1 - 1e-9:  # refilling adds up rounding errors
            return False
        self._tokens -= 1
        return True

    @property
    def left(self) -> int:
        """The whole tokens in it."""
        return max(0, math.floor(self._tokens + 1e-9))

    def seconds_until(self, tokens: float) -> int:
        """Whole seconds until there are that many tokens."""
        return max(1, math.ceil((tokens - self._tokens) / self.rate - 1e-9))


class RateLimiter:
    """Counts the requests of each token, and refuses those beyond the limits."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits, self._clock = limits, clock
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def count(self, kind: str, token: str) -> dict[str, str]:
        """Count a request of this ``kind``; returns the rate limit headers, or raises a 429."""
        limit: int | None = getattr(self._limits, kind)
        if limit is None:
            return {"ratelimit-remaining": str(_SHOWN[kind] - 1), "ratelimit-reset": "1"}
        now = self._clock.now()
        with self._lock:
            bucket = self._buckets.get((kind, token)) or self._new_bucket(kind, token, limit, now)
            taken = bucket.take(now)
            reset, again = bucket.seconds_until(bucket.size), bucket.seconds_until(1)
        headers = {"ratelimit-remaining": str(bucket.left), "ratelimit-reset": str(reset)}
        if not taken:
            detail = f"Request was throttled. Your rate limit resets in ~{reset}s."
            raise Problem(429, None, detail, headers=headers, retry_after=again)
        return headers

    def _new_bucket(self, kind: str, token: str, limit: int, now: float) -> _Bucket:
        size = limit if kind != "creates" or self._limits.burst is None else self._limits.burst
        bucket = self._buckets[kind, token] = _Bucket(size, limit / _MINUTE, now)
        return bucket
