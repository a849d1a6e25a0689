"""Webhooks: which changes of a run are reported, when, and with which signature.

In virtual time they are due at moments of the timeline and sent, in order, whenever the emulator is used; in real time
a short-lived thread per prediction sends what is due. The rules are the hosted service's
(https://replicate.com/docs/topics/webhooks), the signature that of https://www.standardwebhooks.com.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import threading
from collections.abc import Callable

import attrs

from ..clock import Clock, FakeClock, waiting
from ..threads import ThreadPool
from ..wire import Request
from .stored_run import StoredRun
from .timeline import ENDS, Change
from .webhook_senders import BackgroundSender, Send

THROTTLE = 0.5  # seconds between two webhooks about output, and between two about logs
RETRIES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # seconds before the attempts that follow a failed one
_SENDERS = 32
_EVENT_OF = {"started": "start", "item": "output", "value": "output", "logs": "logs"}


@attrs.frozen
class Due:
    """A webhook that is due at a moment, about the first ``changes`` of the run."""

    moment: float
    event: str
    changes: int


class Subscription:
    """The webhooks of one run: what is due next, and what was sent."""

    def __init__(self, stored: StoredRun, url: str, events: frozenset[str], origin: str) -> None:
        self.stored, self.url, self.origin = stored, url, origin
        self.over = False
        self._events = events
        self._place = 0  # in the timeline
        self._waiting: list[Due] = []
        self._latest: dict[str, Due] = {}  # of each event, sent or not
        self._attempt: tuple[float, Request, int] | None = None  # to be repeated: when, what, how often it was tried

    def next_moment(self) -> float | None:
        """When the next known webhook is due."""
        if self._attempt is not None:
            return self._attempt[0]
        self._look()
        return self._waiting[0].moment if self._waiting else None

    def send_next(self, send: Send, sign: Callable[[bytes, float], dict[str, str]], now: float) -> None:
        """Send the next webhook; only one about the end is repeated if it fails."""
        if self._attempt is not None:
            _, request, tries = self._attempt
            is_end = True
        else:
            due = self._waiting.pop(0)
            body = json.dumps(self._shown(due.changes)).encode()
            headers = {"content-type": "application/json", **sign(body, now)}
            request, tries, is_end = Request("POST", self.url, headers, body), 0, due.event == "completed"
        failed = not _accepted(send, request)
        if failed and is_end and tries < len(RETRIES):
            self._attempt = now + RETRIES[tries], request, tries + 1
            return
        self._attempt = None
        self.over = self.over or is_end

    def _look(self) -> None:
        changes = self.stored.run.seen()
        for place in range(self._place, len(changes)):
            self._add(changes[place], place + 1)
        self._place = len(changes)
        if changes and changes[-1].kind in ENDS and not self._waiting and self._attempt is None:
            self.over = True

    def _add(self, change: Change, changes: int) -> None:
        event = "completed" if change.kind in ENDS else _EVENT_OF[change.kind]
        if event == "completed" and event in self._events:
            # It reports everything that a throttled one would have.
            self._waiting = [due for due in self._waiting if due.moment <= change.at]
        if event not in self._events:
            return
        moment = change.at
        if event in ("output", "logs"):
            latest = self._latest.get(event, Due(-math.inf, event, 0))
            if latest in self._waiting and change.at <= latest.moment:
                self._waiting.remove(latest)  # a later one will report this change too
                moment = latest.moment
            else:
                moment = max(change.at, latest.moment + THROTTLE)
        self._latest[event] = Due(moment, event, changes)
        self._waiting.append(self._latest[event])
        self._waiting.sort(key=lambda due: due.moment)

    def _shown(self, changes: int) -> object:
        return self.stored.after(self.stored.run.seen()[:changes], self.origin)


def _accepted(send: Send, request: Request) -> bool:
    try:
        with waiting():  # the receiver may use a client
            status = send(request)
    except OSError:
        return False
    return status is None or 200 <= status < 400


class Webhooks:
    """Sends the webhooks of an emulator's runs with ``send``, signed with ``secret``."""

    def __init__(self, clock: Clock, send: Send, secret: bytes, new_id: Callable[[], str]) -> None:
        self.send = send
        self.key = "whsec_" + base64.b64encode(secret).decode()
        self._secret, self._clock, self._new_id = secret, clock, new_id
        self._epoch = clock.time() - clock.now()
        self._changed = threading.Condition(threading.RLock())
        self._subscriptions: dict[str, Subscription] = {}
        self._busy: set[str] = set()  # runs whose webhooks a thread is sending
        self._again: set[str] = set()  # those of them that have changed meanwhile
        self._sending = False  # in virtual time
        self._closed = False
        self._threads = ThreadPool(_SENDERS, "webhook", idle=0.0)

    def subscribe(self, stored: StoredRun, url: str, events: frozenset[str], origin: str) -> None:
        """Send these ``events`` of a run to ``url``."""
        with self._changed:
            self._subscriptions[stored.id] = Subscription(stored, url, events, origin)

    def send_due(self) -> None:
        """In virtual time, send what has become due, in the order of its moments."""
        if not isinstance(self._clock, FakeClock) or not self._subscriptions:
            return
        with self._changed:
            if self._sending:  # a webhook's receiver uses the emulator
                return
            self._sending = True
        try:
            while (due := self._earliest_due()) is not None:
                moment, subscription = due
                subscription.send_next(self.send, self._signature, moment)
        finally:
            self._sending = False

    def notice(self, run_id: str) -> None:
        """In real time, have a thread send the webhooks of a run that has changed."""
        with self._changed:
            if run_id not in self._subscriptions or self._closed:
                return
            if run_id in self._busy:
                self._again.add(run_id)
                self._changed.notify_all()
                return
            self._busy.add(run_id)
        self._threads.submit(lambda: self._send_all(run_id))

    def close(self) -> None:
        """Stop sending."""
        with self._changed:
            self._closed = True
            self._subscriptions.clear()
            self._changed.notify_all()
        self._threads.join(2.0)
        if isinstance(self.send, BackgroundSender):
            self.send.close()

    def _earliest_due(self) -> tuple[float, Subscription] | None:
        """The subscription whose next webhook is due first, if one is due now."""
        with self._changed:
            subscriptions = list(self._subscriptions.items())
        earliest: tuple[float, Subscription] | None = None
        for id, subscription in subscriptions:
            moment = subscription.next_moment()
            if subscription.over:
                self._subscriptions.pop(id, None)
            elif moment is not None and moment <= self._clock.now() and (earliest is None or moment < earliest[0]):
                earliest = moment, subscription
        return earliest

    def _send_all(self, run_id: str) -> None:
        """Send the known webhooks of a run."""
        subscription = self._subscriptions.get(run_id)
        while subscription is not None:
            moment = subscription.next_moment()
            now = self._clock.now()
            if moment is not None and moment <= now:
                subscription.send_next(self.send, self._signature, now)
                continue
            with self._changed:
                if self._closed or (moment is None and run_id not in self._again):
                    self._busy.discard(run_id)
                    if subscription.over:
                        self._subscriptions.pop(run_id, None)
                    return
                if run_id not in self._again and moment is not None:
                    self._changed.wait(moment - now)
                self._again.discard(run_id)

    def _signature(self, body: bytes, moment: float) -> dict[str, str]:
        """The headers that prove to a receiver that ``body`` is genuine, unchanged and recent."""
        id, timestamp = f"msg_{self._new_id()}", str(int(self._epoch + moment))
        signed = b".".join((id.encode(), timestamp.encode(), body))
        signature = base64.b64encode(hmac.new(self._secret, signed, hashlib.sha256).digest()).decode()
        return {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}
