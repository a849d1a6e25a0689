"""Waiting for a run on behalf of a request."""

from __future__ import annotations

from ..clock import Clock
from ..exceptions import RequestTimeout
from .incoming import IncomingRequest
from .timeline import Run


def wait_for(clock: Clock, incoming: IncomingRequest, run: Run, changes: float, seconds: float) -> None:
    """Wait until ``run`` has so many ``changes`` or ended, no longer than ``seconds``.

    Raises ``RequestTimeout`` where the deadline of the request comes first.
    """
    until = clock.now() + seconds
    came = run.wait(changes, min(until, incoming.deadline), incoming.peer)
    if not came and incoming.deadline < until:
        raise RequestTimeout("no answer in time", request=incoming.request, phase="wait", may_have_been_processed=True)
