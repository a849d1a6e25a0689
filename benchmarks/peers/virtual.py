"""One prediction in virtual time: a server that answers at once, never holds and has no stream, and a clock that jumps.

What is measured is the client's own schedule, through its public doors ``transport=`` and ``clock=``.
"""

from __future__ import annotations

import json

from replicate_home import Client
from replicate_home.wire import Request, Response

BASE = "http://127.0.0.1:9/v1"


class Clock:
    """Time that passes only in sleep."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> float:
        """Seconds since the beginning."""
        return self.passed

    def time(self) -> float:
        """Seconds since an epoch."""
        return 1.8e9 + self.passed

    def sleep(self, seconds: float) -> None:
        """Be later."""
        self.passed += max(0.0, seconds)


class Polled:
    """A transport whose one prediction is finished after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.clock = Clock()
        self.seconds = seconds
        self.requests = 0

    def send(self, request: Request, deadline: float | None) -> tuple[Response, None]:  # noqa: ARG002
        """Answer any request with the prediction as it is now."""
        self.requests += 1
        done = self.clock.now() >= self.seconds
        document = {
            "id": "virtual", "model": "bench/virtual", "version": "hidden", "input": {}, "error": None, "logs": "",
            "status": "succeeded" if done else "starting", "output": "done" if done else None,
            "urls": {"get": f"{BASE}/predictions/virtual", "cancel": f"{BASE}/predictions/virtual/cancel"},
        }  # fmt: skip
        status = 201 if request.method == "POST" else 200
        return Response(status, {"content-type": "application/json"}, json.dumps(document).encode()), None

    def close(self) -> None:
        """Nothing is open."""


def lag_and_requests(seconds: float) -> tuple[float, int]:
    """How late the end of a prediction of so many seconds was seen, and after how many requests."""
    transport = Polled(seconds)
    with Client(base_url=BASE, transport=transport, clock=transport.clock, timeout=None) as client:
        client.run("bench/virtual", {})
    return transport.clock.now() - seconds, transport.requests
