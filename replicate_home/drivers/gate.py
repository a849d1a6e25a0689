"""Who may send when: one gate for all calls with the same token to the same server, in whichever thread or task.

It waits for nothing and reads no clock: it says at which moment a request may be sent, and takes its place.
"""

from __future__ import annotations

import os
import threading
from weakref import WeakSet

from ..exceptions import RateLimited, ReplicateHomeError, RequestTimeout
from ..lifecycle import policy
from ..lifecycle.machine import Came, Kind, Sending
from ..lifecycle.policy import Window
from ..protocol import urls
from ..wire import Response

_AT_ONCE = frozenset({Kind.LAST_CANCEL, Kind.LAST_POLL, Kind.CANCEL})
_CREATING = ("/predictions", "/trainings")


class Gate:
    """The limits of the server at ``base_url``, and the budget for retries; safe to share between threads.

    ``creates`` bounds what creates predictions and trainings, ``others`` the rest. Downloads, and streams from other
    hosts, are not counted.
    """

    def __init__(self, base_url: str = "", creates: Window = policy.OPEN, others: Window = policy.OPEN) -> None:
        self._origin = urls.origin(base_url)
        self._windows = {True: creates, False: others}
        self._budget = policy.FULL
        self._lock = threading.RLock()  # reentrant, for Ctrl-C may come while it is held, and leaving takes it
        _gates.add(self)

    def moment(self, sending: Sending, now: float) -> float:
        """When a request may be sent; its place is taken, unless that is past the deadline.

        What leaves a prediction is counted, and sent at once.
        """
        request = sending.request
        if sending.kind is Kind.FILE or urls.origin(request.url) != self._origin:
            return now
        hurries = sending.kind in _AT_ONCE
        deadline = sending.life.terms.deadline
        creates = request.method == "POST" and request.url.endswith(_CREATING)
        with self._lock:
            window = self._windows[creates]
            if sending.admitted is not None and window.opens <= sending.admitted:
                return now
            at = window.moment(now)
            if hurries or deadline is None or at < deadline:
                self._windows[creates] = window.taking(at)
        return now if hurries else at

    def heard(self, sending: Sending, came: Came, now: float) -> None:
        """Learn from what came of a request."""
        if not isinstance(came, Response):
            return
        answered = came.status < 500 and came.status != 429
        closes = came.headers.get("ratelimit-remaining") == "0" or came.status in (429, 503)
        creates = sending.request.method == "POST" and sending.request.url.endswith(_CREATING)
        if not closes and self._budget.left == policy.FULL.left and not self._windows[creates].step:
            return  # nothing to learn, as nearly always
        with self._lock:
            if answered:
                self._budget = self._budget.earned(1.0)
                self._windows[creates] = self._windows[creates].opened()
            if closes and sending.kind is not Kind.FILE and urls.origin(sending.request.url) == self._origin:
                self._close(sending, came, creates, now)

    def lends(self, failure: ReplicateHomeError) -> bool:
        """Whether a request that failed so may be sent again, which is paid from the budget."""
        cost = policy.RETRY_AFTER_TIMEOUT if isinstance(failure, RequestTimeout) else policy.RETRY
        with self._lock:
            left = self._budget.spent(cost)
            if left is not None and not isinstance(failure, RateLimited):  # that was paid when it was heard
                self._budget = left
        return left is not None

    def _close(self, sending: Sending, response: Response, creates: bool, now: float) -> None:
        """Let nothing more through for as long as the server asks; where that is long, each caller is told.

        Of many that are refused at once only the first is to blame: the others had no way to know.
        """
        from ..protocol.retry_after import seconds_to_wait  # only needed here, and after a 429

        if response.status == 429 and self._windows[creates].opens <= now:
            self._budget = self._budget.spent(policy.RETRY) or self._budget
        wait = seconds_to_wait(response, now + sending.life.terms.epoch)
        if wait is not None and wait <= policy.LONGEST_SERVER_WAIT:
            self._windows[creates] = self._windows[creates].closed(now + wait)

    def renew_lock(self) -> None:
        """In a forked child: a thread of its parent may have held the lock."""
        self._lock = threading.RLock()


def _renew_locks() -> None:
    for gate in _gates:
        gate.renew_lock()


_gates: WeakSet[Gate] = WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
