"""How long to wait and how often to ask again: plain arithmetic over outcomes.

Randomness comes in as ``draw``, a number from 0 to 1 made from a seed by :func:`draw`.
"""

from __future__ import annotations

import math
from bisect import bisect_right

import attrs

RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 525)})
LONGEST_SERVER_WAIT = 60.0
LAST_LOOK = 0.4
LEAVING = 2.0
MOST_CUTS = 5
MOST_POLL_ERRORS = 10
POLL_ERROR_SECONDS = 60.0
REPLICA_LAG = 30.0
"""For how long a server may not know a prediction that was just created."""

_GOLDEN = 0.6180339887498949


def draw(seed: float, count: int) -> float:
    """The ``count``-th number of a sequence that fills 0 to 1 evenly (multiples of the golden ratio)."""
    return (seed + count * _GOLDEN) % 1.0


@attrs.frozen
class Pace:
    """How often to poll: after a ``share`` of the prediction's age, between ``least`` and ``most`` seconds."""

    share: float = 0.05
    least: float = 0.1
    most: float = 5.0

    def interval(self, age: float, drawn: float) -> float:
        """Seconds until the next poll, give or take 10 %."""
        return min(self.most, max(self.least, self.share * age)) * (0.9 + 0.2 * drawn)


PACE = Pace()


def after_failed_poll(failures: int) -> float:
    """The shortest pause after so many failed polls in a row, long enough for a server to restart."""
    return min(1.0, 0.05 * 2.0 ** min(failures, 10))


def backoff(attempt: int, drawn: float, *, throttled: bool = False) -> float:
    """Seconds before attempt ``attempt`` + 1 (full jitter); slower if the server is throttling."""
    base, most = (1.0, 20.0) if throttled else (0.5, 8.0)
    return drawn * min(most, base * 2.0 ** min(attempt, 10))


def reopen_delay(cuts: int, retry_ms: int | None, drawn: float, *, hurries: bool = False) -> float:
    """Seconds before a cut stream is opened again; ``retry_ms`` is what the stream asked for, 10 s at most.

    It ``hurries`` if a prediction that ends during the pause is lost: then the first time is at once.
    """
    if hurries and cuts <= 1:
        return 0.0
    if retry_ms is not None:
        return patient(min(10.0, max(0.1, retry_ms / 1000)), drawn)
    return (0.5 + 0.5 * drawn) * min(10.0, 2.0 ** max(0, cuts - 1))


def patient(wait: float, drawn: float) -> float:
    """A wait that the server asked for, and a little more, so that clients do not all come back at once."""
    return wait + drawn * min(1.0, wait / 10)


@attrs.frozen
class Window:
    """At most ``most`` requests in any ``seconds`` in a row, all of which may be sent at once; None is no limit.

    ``taken`` are the moments of the latest, in order. Nothing is sent before ``opens``, which is for the server to say;
    then one in ``step`` seconds until one has gone well, for all that have waited would be refused at once.
    """

    most: int | None = None
    seconds: float = 0.0
    taken: tuple[float, ...] = ()
    opens: float = -math.inf
    step: float = 0.0

    def moment(self, now: float) -> float:
        """The earliest moment for one more: first come, first served."""
        taken = self.taken
        if not taken:
            return max(now, self.opens)
        at = max(now, self.opens, taken[-1] + self.step)
        if self.most is None or len(taken) < self.most:
            return at
        return max(at, taken[-self.most] + self.seconds)

    def taking(self, at: float) -> Window:
        """With one more at this moment."""
        taken = (*self.taken[bisect_right(self.taken, at - self.seconds) :], at)
        return Window(self.most, self.seconds, taken, self.opens, self.step)

    def closed(self, until: float) -> Window:
        """The server wants nothing before ``until``."""
        return attrs.evolve(self, opens=max(self.opens, until), step=AFTER_CLOSING)

    def opened(self) -> Window:
        """A request has gone well, and the server allows more."""
        return attrs.evolve(self, step=0.0) if self.step else self


OPEN = Window()
AFTER_CLOSING = 2.0
"""Seconds between those that have waited for the same moment: for the first to be answered, though it may be held."""
HOSTED_CREATES = Window(480, 60.5)
HOSTED_OTHERS = Window(2_400, 60.5)
"""Four fifths of what the hosted API documents, and a minute that is longer, for some requests travel faster."""


@attrs.frozen
class Budget:
    """What retries are paid from: where nothing succeeds it is soon spent, and five successes pay for one more."""

    left: float = 100.0

    def spent(self, cost: float) -> Budget | None:
        """What is left after a retry that costs so much; None where it cannot be paid."""
        return Budget(self.left - cost) if cost <= self.left else None

    def earned(self, amount: float) -> Budget:
        """With what a success brings."""
        return Budget(min(FULL.left, self.left + amount))


FULL = Budget()
RETRY = 5.0
RETRY_AFTER_TIMEOUT = 10.0
"""What a retry costs."""
