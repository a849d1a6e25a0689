"""A prediction as the API shows it: a run's timeline up to now, as JSON and as an event stream."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from ..clock import Clock
from ..exceptions import Disconnected, RequestTimeout
from .files import OutputFiles, StoredFile
from .timeline import ENDS, Change, Line, Run

KEEP_ALIVE = 15.0  # seconds of silence after which a stream says that it is still there
_LINE_END = re.compile(r"\r\n|\r|\n")


def iso(moment: float) -> str:
    """Seconds since the epoch as the API writes dates."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@attrs.define
class Record:
    """One prediction, the ``number``-th; ``epoch`` added to a moment on the clock gives the date."""

    id: str
    number: int
    model: str
    version: str
    input: Mapping[str, Any]
    run: Run
    files: OutputFiles
    stream_token: str
    streams: str
    epoch: float
    webhook: Mapping[str, Any]
    data_removed: bool = False

    @property
    def created(self) -> float:
        """When it was created, in seconds since the epoch."""
        return self.epoch + self.run.created

    def as_created(self, origin: str) -> dict[str, Any]:
        """As a create that was not held is answered: nothing has happened yet."""
        return self._shown([], origin)

    def now(self, origin: str) -> dict[str, Any]:
        """As it is now; ``origin`` is the scheme and host that URLs begin with."""
        return self._shown(self.run.seen(), origin)

    def has_ended(self) -> bool:
        """Whether its end can be seen."""
        return self.run.is_over()

    def remove_data(self) -> None:
        """Forget input, output, logs and files."""
        self.data_removed = True
        self.input = {}
        self.files.clear()

    def _shown(self, changes: list[Change], origin: str) -> dict[str, Any]:
        end = changes[-1] if changes and changes[-1].kind in ENDS else None
        shown: dict[str, Any] = {
            "id": self.id,
            "model": self.model,
            "version": self.version,
            "input": self.input,
            "output": None if self.data_removed else with_urls(_output(changes), self.file_url(origin)),
            "logs": "" if self.data_removed else "".join(change.value for change in changes if change.kind == "logs"),
            "error": end.value if end is not None and end.kind == "failed" else None,
            "status": end.kind if end is not None else "processing" if changes else "starting",
            "source": "api",
            "data_removed": self.data_removed,
            "created_at": iso(self.created),
            **self._times(changes, end),
            "urls": self._urls(origin),
            **self.webhook,
        }
        if self.run.deadline < float("inf"):
            shown["deadline"] = iso(self.epoch + self.run.deadline)
        return shown

    def _times(self, changes: list[Change], end: Change | None) -> dict[str, Any]:
        times: dict[str, Any] = {}
        started = changes[0].at if changes and changes[0].kind == "started" else None
        if started is not None:
            times["started_at"] = iso(self.epoch + started)
        if end is not None:
            times["completed_at"] = iso(self.epoch + end.at)
            times["metrics"] = {"total_time": round(end.at - self.run.created, 6)}
            if started is not None:
                times["metrics"]["predict_time"] = round(end.at - started, 6)
        return times

    def _urls(self, origin: str) -> dict[str, str]:
        own = f"{origin}/v1/predictions/{self.id}"
        urls = {"get": own, "cancel": f"{own}/cancel", "web": f"{origin}/p/{self.id}"}
        if self.streams != "no":
            # The official JavaScript client tells a stream of files by this path.
            folder = "files/streams" if self.streams == "files" else "streams"
            urls["stream"] = f"{origin}/v1/{folder}/{self.stream_token}"
        return urls

    def file_url(self, origin: str) -> Callable[[StoredFile], str]:
        """Where an output file is delivered."""
        return lambda file: f"{origin}/delivery/{self.id}/{file.name}"


def _output(changes: list[Change]) -> Any:
    """A list as far as it has grown, the whole value once it is there, else null."""
    items = [change.value for change in changes if change.kind == "item"]
    if items:
        return items
    if changes and changes[-1].kind == "succeeded":
        return changes[-2].value if changes[-2].kind == "value" else []
    return None


def with_urls(value: Any, url_of: Callable[[StoredFile], str]) -> Any:
    """A stored value with the URL of each file in the file's place."""
    if isinstance(value, StoredFile):
        return url_of(value)
    if isinstance(value, list):
        return [with_urls(item, url_of) for item in value]
    if isinstance(value, dict):
        return {key: with_urls(item, url_of) for key, item in value.items()}
    return value


class EventFeed:
    """A prediction's event stream as a response body: what has happened since the last read, as bytes."""

    def __init__(self, record: Record, clock: Clock, origin: str, line: Line, after: int) -> None:
        self._record, self._clock, self._line = record, clock, line
        self._url_of = record.file_url(origin)
        self._after = after  # the number of the last event that the reader has; -1 for none
        self._place = 0  # in the timeline
        self._number = 0  # of the next event
        self._over = False
        self._silent_since = clock.now()

    def read(self, deadline: float | None) -> bytes:
        """The events that have happened, waiting for the first of them until ``deadline``; ``b""`` at the end."""
        until = float("inf") if deadline is None else deadline
        while not self._over:
            if self._line.closed:
                raise Disconnected("the stream was closed", phase="body", may_have_been_processed=True)
            # Kept, for where an event loop reads, this is called again when the time has come.
            speaks = self._silent_since + KEEP_ALIVE
            self._record.run.wait(self._place + 1, min(until, speaks), self._line)
            data = self._new_events()
            if not data and not self._over:
                if self._clock.now() >= until:
                    raise RequestTimeout("no event came in time", phase="body", may_have_been_processed=True)
                data = b": keep-alive\n\n" if self._clock.now() >= speaks else b""
            if data:
                self._silent_since = self._clock.now()
                return data
        return b""

    def close(self) -> None:
        """Give up the rest; may be called from another thread, and more than once."""
        self._line.close()

    def _new_events(self) -> bytes:
        changes = self._record.run.seen(self._place)
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
        return event(name, data, f"{int(self._record.epoch + at)}:{number}")


def event(name: str, data: str, id: str | None = None) -> bytes:
    """One server-sent event; every line of ``data`` becomes a line of it."""
    lines = [f"event: {name}"]
    if id is not None:
        lines.append(f"id: {id}")
    lines += [f"data: {line}" for line in _LINE_END.split(data)]
    return ("\n".join(lines) + "\n\n").encode()
