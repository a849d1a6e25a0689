"""A prediction or training as the API shows it: a run's timeline up to a moment, as JSON."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ..exceptions import Disconnected
from .dates import iso
from .files import OutputFiles, StoredFile
from .timeline import ENDS, Change, Run, Trouble

LARGEST_INLINE = 10 * 2**20  # larger files are URLs even in the response to a held create

UrlOf = Callable[[StoredFile], str]


@attrs.define(eq=False)
class StoredRun:
    """The ``number``-th run that was created; ``epoch`` added to a time on the clock gives the date.

    ``resource`` is ``predictions``, ``trainings`` or ``examples``; ``retention`` is how many seconds after the end its
    data is kept.
    """

    id: str
    number: int
    model: str
    version: str
    input: Mapping[str, Any]
    run: Run
    files: OutputFiles
    epoch: float
    webhook: Mapping[str, Any]
    resource: str = "predictions"
    streams: str = "no"
    stream_token: str = ""
    deployment: str | None = None
    retention: float = math.inf
    data_removed: bool = False
    trouble: Trouble | None = None
    contradiction: Any = None

    @property
    def created(self) -> float:
        """When it was created, in seconds since the epoch."""
        return self.epoch + self.run.created

    def as_created(self, origin: str) -> dict[str, Any]:
        """As in the response to a create that was not held: nothing has happened yet."""
        return self.after([], origin)

    def now(self, origin: str) -> dict[str, Any]:
        """As it is now; ``origin`` is the scheme and host that URLs begin with."""
        changes = self.run.seen()
        if self.has_expired():
            self.remove_data()
        return self.after(changes, origin)

    def held(self, origin: str) -> dict[str, Any]:
        """As in the response to a create that was held to the end: all of the output, but still ``processing``.

        Recordings of the hosted API show that, with files inline, and without the time of the end.
        """
        shown = self._shown(self.run.seen(), origin, lambda file: _inline(file) or self.file_url(origin)(file))
        if shown["status"] != "succeeded":
            return shown
        del shown["completed_at"], shown["metrics"]
        return {**shown, "status": "processing"}

    def after(self, changes: list[Change], origin: str) -> dict[str, Any]:
        """As it was after only these ``changes``."""
        return self._shown(changes, origin, self.file_url(origin))

    def check_trouble(self) -> None:
        """Raise :class:`~replicate_home.Disconnected` if its script makes it unreachable after its end."""
        if self.trouble is Trouble.GONE and self.has_ended():
            raise lost("wait")

    def end(self) -> Change | None:
        """The end, if it is visible yet."""
        changes = self.run.seen()
        return changes[-1] if changes and changes[-1].kind in ENDS else None

    def has_ended(self) -> bool:
        """Whether its end is visible yet."""
        return self.run.is_over()

    def has_expired(self) -> bool:
        """Whether its data is too old to be kept."""
        if self.data_removed or self.retention == math.inf:
            return self.data_removed
        end = self.end()
        return end is not None and self.run.age_of(end) >= self.retention

    def remove_data(self) -> None:
        """Forget input, output, logs and files."""
        self.data_removed = True
        self.input = {}
        self.files.clear()

    def file_url(self, origin: str) -> UrlOf:
        """Where an output file is delivered."""
        return lambda file: f"{origin}/delivery/{self.id}/{file.name}"

    def _shown(self, changes: list[Change], origin: str, url_of: UrlOf) -> dict[str, Any]:
        end = changes[-1] if changes and changes[-1].kind in ENDS else None
        shown: dict[str, Any] = {
            "id": self.id,
            "model": self.model,
            "version": self.version,
            "input": self.input,
            "output": None if self.data_removed else with_urls(self._output(changes, end), url_of),
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
        if self.deployment is not None:
            shown["deployment"] = self.deployment
        if self.run.cancels_at < math.inf:
            shown["deadline"] = iso(self.epoch + self.run.cancels_at)
        if self.resource == "trainings" and shown["output"] is None:
            del shown["output"]  # not nullable in the API's document
        return shown

    def _output(self, changes: list[Change], end: Change | None) -> Any:
        return _output(changes) if end is None or self.contradiction is None else self.contradiction

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
        own = f"{origin}/v1/{'trainings' if self.resource == 'trainings' else 'predictions'}/{self.id}"
        urls = {"get": own, "cancel": f"{own}/cancel", "web": f"{origin}/p/{self.id}"}
        if self.streams != "no":
            # The official JavaScript client recognizes a stream of files by this path.
            folder = "files/streams" if self.streams == "files" else "streams"
            urls["stream"] = f"{origin}/v1/{folder}/{self.stream_token}"
        return urls


def lost(phase: str) -> Disconnected:
    """The connection is closed instead of a response, or of the rest of it."""
    return Disconnected("the connection was closed", phase=phase, may_have_been_processed=True)


def _output(changes: list[Change]) -> Any:
    """A list as far as it has grown, or the whole value once there is one, else null."""
    if items := [change.value for change in changes if change.kind == "item"]:
        return items
    for change in changes[-2:]:
        if change.kind == "value":
            return change.value
    return [] if changes and changes[-1].kind == "succeeded" else None


def _inline(file: StoredFile) -> str | None:
    """The file as a data URI, unless it is too large."""
    if len(file.content) > LARGEST_INLINE:
        return None
    return f"data:{file.content_type};base64,{base64.b64encode(file.content).decode()}"


def with_urls(value: Any, url_of: UrlOf) -> Any:
    """A stored value with the URL of each file in the file's place."""
    if isinstance(value, StoredFile):
        return url_of(value)
    if isinstance(value, list):
        return [with_urls(item, url_of) for item in value]
    if isinstance(value, dict):
        return {key: with_urls(item, url_of) for key, item in value.items()}
    return value
