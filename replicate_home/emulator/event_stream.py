"""A prediction's run as server-sent events, as it happens."""

from __future__ import annotations

import json
import re

from ..clock import Clock
from ..exceptions import Disconnected, RequestTimeout
from .stored_run import StoredRun, lost, with_urls
from .timeline import ENDS, Change, Peer, Trouble

KEEP_ALIVE = 15.0  # seconds of silence after which a stream sends a comment
_LINE_END = re.compile(r"\r\n|\r|\n")


class EventStream:
    """A prediction's event stream as a response body: what has happened since the last read, as bytes."""

    def __init__(self, prediction: StoredRun, clock: Clock, origin: str, peer: Peer, after: int) -> None:
        self._prediction, self._clock, self._peer = prediction, clock, peer
        self._url_of = prediction.file_url(origin)
        self._after = after  # the number of the last event that the reader has; -1 for none
        self._place = 0  # in the timeline
        self._number = 0  # of the next event
        self._over = False
        self._is_cut = prediction.trouble in (Trouble.STREAM_CUT, Trouble.GONE)
        self._silent_since = clock.now()

    def read(self, deadline: float | None) -> bytes:
        """The events that have happened, waiting for the first of them until ``deadline``; ``b""`` at the end."""
        until = float("inf") if deadline is None else deadline
        while not self._over:
            if self._peer.closed:
                raise Disconnected("the stream was closed", phase="body", may_have_been_processed=True)
            # Not counted from this call: an event loop repeats its read when the time has come.
            speaks = self._silent_since + KEEP_ALIVE
            self._prediction.run.wait(self._place + 1, min(until, speaks), self._peer)
            data = self._new_events()
            if not data and not self._over:
                if self._clock.now() >= until:
                    raise RequestTimeout("no event came in time", phase="body", may_have_been_processed=True)
                data = b": keep-alive\n\n" if self._clock.now() >= speaks else b""
            if data:
                self._silent_since = self._clock.now()
                return data
        if self._is_cut:
            raise lost("body")
        return b""

    def close(self) -> None:
        """Discard the rest; may be called from another thread, and more than once."""
        self._peer.close()

    def _new_events(self) -> bytes:
        changes = self._prediction.run.seen(self._place)
        self._place += len(changes)
        return b"".join(self._events(change) for change in changes)

    def _events(self, change: Change) -> bytes:
        if change.kind == "item":
            value = with_urls(change.value, self._url_of)
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            return self._numbered("output", text, change.at)
        if change.kind == "logs":
            return self._numbered("logs", change.value, change.at)
        if change.kind not in ENDS:
            return b""
        self._over = True
        if self._is_cut:
            return b""
        if change.kind == "succeeded":
            return event("done", "{}")
        if change.kind == "failed":
            error = self._numbered("error", json.dumps({"detail": change.value}), change.at)
            return error + event("done", '{"reason": "error"}')
        return event("done", '{"reason": "canceled"}')

    def _numbered(self, name: str, data: str, at: float) -> bytes:
        number = self._number
        self._number += 1
        if number <= self._after:
            return b""
        return event(name, data, f"{int(self._prediction.epoch + at)}:{number}")


def event(name: str, data: str, id: str | None = None) -> bytes:
    """One server-sent event; every line of ``data`` becomes a line of it."""
    lines = [f"event: {name}"]
    if id is not None:
        lines.append(f"id: {id}")
    lines += [f"data: {line}" for line in _LINE_END.split(data)]
    return ("\n".join(lines) + "\n\n").encode()
