"""What the server remembers: predictions and uploads, in memory, and no more of them than fit."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any

import attrs

from .files import StoredFile
from .problems import Problem, not_found
from .record import Record

PAGE = 100
KEPT_PREDICTIONS = 10_000
KEPT_FILES = 512 * 2**20  # bytes, of output files and again of uploads; the oldest go first
UPLOAD_LIFE = 86_400.0  # seconds


@attrs.frozen
class Uploaded:
    """A file that was uploaded, and when."""

    id: str
    file: StoredFile
    metadata: dict[str, Any]
    created: float


@attrs.frozen
class Page:
    """Some of the records, newest first, and the cursors of the pages around them."""

    records: list[Record]
    previous: str | None
    following: str | None


class Shelf:
    """Predictions and uploads by id. Safe to share between threads."""

    def __init__(self, seed: int | str) -> None:
        self._seed = seed
        self._lock = threading.RLock()
        self._made = 0
        self._records: dict[str, Record] = {}
        self._streams: dict[str, Record] = {}
        self._uploads: dict[str, Uploaded] = {}
        self._holding: dict[str, int] = {}  # bytes of output files, by prediction
        self._held = 0

    def new_id(self) -> str:
        """26 letters and digits, the same for the same seed and number of ids before it."""
        with self._lock:
            self._made += 1
            digest = hashlib.sha256(f"{self._seed}:{self._made}".encode("utf-8", "replace")).digest()
        return base64.b32encode(digest).decode().lower()[:26]

    # -- predictions

    def add(self, record: Record) -> None:
        """Remember a prediction, and forget the oldest that have ended where there are too many."""
        with self._lock:
            self._records[record.id] = self._streams[record.stream_token] = record
            surplus = len(self._records) - KEPT_PREDICTIONS
            oldest_first = list(self._records.values()) if surplus > 0 else []
        # Not under the lock: whether a run has ended may be seen only by running its model, which may come back here.
        ended = (record for record in oldest_first if record.has_ended())
        for forgotten in islice(ended, surplus if oldest_first else 0):
            self._forget(forgotten)

    def _forget(self, record: Record) -> None:
        with self._lock:
            self._records.pop(record.id, None)
            self._streams.pop(record.stream_token, None)
            self._held -= self._holding.pop(record.id, 0)

    def hold(self, id: str, size: int) -> None:
        """The prediction ``id`` has ``size`` more bytes of files: where they are too many, the oldest must go."""
        with self._lock:
            self._holding[id] = self._holding.get(id, 0) + size
            self._held += size
            holders = list(self._holding) if self._held > KEPT_FILES else []
        for holder in holders:
            record = self._records.get(holder)
            if self._held > KEPT_FILES and record is not None and record.has_ended():
                record.remove_data()
                with self._lock:
                    self._held -= self._holding.pop(holder, 0)

    def records(self) -> list[Record]:
        """All predictions, newest first."""
        with self._lock:
            return list(reversed(self._records.values()))

    def record(self, id: str) -> Record:
        """The prediction ``id``, or a 404."""
        record = self._records.get(id)
        if record is None:
            raise not_found(f"there is no prediction {id!r} on this server")
        return record

    def streamed(self, token: str) -> Record:
        """The prediction whose stream URL has this token, or a 404."""
        record = self._streams.get(token)
        if record is None:
            raise not_found("there is no such stream")
        return record

    def delivered(self, id: str, name: str) -> StoredFile:
        """An output file, or a 404."""
        record = self._records.get(id)
        file = record.files.by_name.get(name) if record is not None else None
        if file is None:
            raise not_found("File not found")
        return file

    # -- uploads

    def keep(self, uploaded: Uploaded) -> None:
        """Remember an upload, and forget the oldest where there are too many."""
        with self._lock:
            self._uploads[uploaded.id] = uploaded
            held = sum(len(kept.file.content) for kept in self._uploads.values())
            while held > KEPT_FILES:
                held -= len(self._uploads.pop(next(iter(self._uploads))).file.content)

    def upload(self, id: str, now: float) -> Uploaded:
        """An upload that has not expired, or a 404."""
        uploaded = self._uploads.get(id)
        if uploaded is None or now - uploaded.created > UPLOAD_LIFE:
            raise not_found("File not found")
        return uploaded

    def uploads(self, now: float) -> Iterator[Uploaded]:
        """The uploads that have not expired, newest first."""
        with self._lock:
            kept = list(reversed(self._uploads.values()))
        return (uploaded for uploaded in kept if now - uploaded.created <= UPLOAD_LIFE)

    def discard(self, id: str) -> None:
        """Forget an upload."""
        self._uploads.pop(id, None)


def page_of(records: list[Record], cursor: str | None) -> Page:
    """The page of ``records`` (newest first) that ``cursor`` points at, the first where there is none."""
    start = _start(records, cursor) if cursor is not None else 0
    shown = records[start : start + PAGE]
    previous = _cursor("newer", shown[0]) if shown and start > 0 else None
    following = _cursor("older", shown[-1]) if start + PAGE < len(records) else None
    return Page(shown, previous, following)


def _start(records: list[Record], cursor: str) -> int:
    try:
        word, _, number = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        edge = int(number)
    except ValueError:
        raise Problem(400, "Bad request", "the cursor is not one of this server") from None
    if word == "newer":
        return max(0, sum(record.number > edge for record in records) - PAGE)
    return sum(record.number >= edge for record in records)


def _cursor(word: str, record: Record) -> str:
    return base64.urlsafe_b64encode(f"{word}:{record.number}".encode()).decode()
