"""Waiting for a run on behalf of a request."""

from __future__ import annotations

from ..exceptions import RequestTimeout
from .incoming import IncomingRequest
from .timeline import Run


def wait_for(incoming: IncomingRequest, run: Run, changes: float, until: float) -> None:
    """Wait until ``run`` has so many ``changes`` or has ended, or until the time ``until``.

    Raises ``RequestTimeout`` if the deadline of the request comes first.
    """
    came = run.wait(changes, min(until, incoming.deadline), incoming.peer)
    if not came and incoming.deadline < until:
        raise RequestTimeout("no answer in time", request=incoming.request, phase="wait", may_have_been_processed=True)
