"""What every peer can be asked to do, and the loops around it, which are the same for all.

An adapter says how one thing is done with its library, as that library's users would write it; what it cannot do it
leaves out. This file is imported inside every peer's own environment and counts in its time to a first result, so it
imports next to nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

TOKEN = "r8_benchmark0000000000000000000000000000"
INPUT = {"prompt": "Say hello"}


class Peer:
    """A blocking library over the server at ``origin``."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def run(self, model: str) -> str:
        """Run one prediction to its end and return its output."""
        raise NotImplementedError

    def tokens(self, model: str) -> Iterator[object]:
        """Stream one prediction's tokens."""
        raise NotImplementedError

    def download(self, model: str) -> Callable[[], int]:
        """Run a model that returns a file; calling what comes back downloads it, piece by piece, and counts bytes."""
        raise NotImplementedError

    def upload(self, path: str) -> None:
        """Upload the file at ``path``."""
        raise NotImplementedError

    def polling(self, durations: list[float]) -> list[tuple[float, int]]:
        """For predictions that last so many seconds: the lag in seconds and the requests, in virtual time."""
        raise NotImplementedError

    def close(self) -> None:
        """Close every connection."""

    def runs(self, model: str, count: int) -> None:
        """Run ``count`` predictions one after the other."""
        for _ in range(count):
            self.run(model)

    def lag(self, model: str) -> float:
        """Seconds from the server's moment of completion, which is the output, to our having it."""
        return -float(self.run(model)) + time.monotonic()

    def drain(self, model: str) -> tuple[int, float]:
        """Stream to the end: the number of tokens, and the seconds from the call to the first of them."""
        begun, first, count = time.perf_counter(), 0.0, 0
        for _ in self.tokens(model):
            if not count:
                first = time.perf_counter() - begun
            count += 1
        return count, first

    def token_lags(self, model: str) -> list[float]:
        """For each token of a paced stream, which is the moment of its writing: the seconds until we had it."""
        return [time.monotonic() - float(str(token)) for token in self.tokens(model)]

    def at_once(self, model: str, count: int) -> list[str]:
        """Run ``count`` predictions, each in a thread of its own; the names of the errors of those that failed."""
        import threading

        failures: list[str] = []

        def one() -> None:
            try:
                self.run(model)
            except Exception as error:
                failures.append(type(error).__name__)

        threads = [threading.Thread(target=one, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return failures
