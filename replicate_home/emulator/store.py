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
from .predictions import StoredPrediction
from .problems import Problem, not_found

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
    """Some of the predictions, newest first, and the cursors of the pages around them."""

    predictions: list[StoredPrediction]
    previous: str | None
    following: str | None


class Store:
    """Predictions and uploads by id. Safe to share between threads."""

    def __init__(self, seed: int | str) -> None:
        self._seed = seed
        self._lock = threading.RLock()
        self._made = 0
        self._predictions: dict[str, StoredPrediction] = {}
        self._streams: dict[str, StoredPrediction] = {}
        self._uploads: dict[str, Uploaded] = {}
        self._file_sizes: dict[str, int] = {}  # bytes of output files, by prediction
        self._files_size = 0

    def new_id(self) -> str:
        """26 letters and digits, the same for the same seed and number of ids before it."""
        with self._lock:
            self._made += 1
            digest = hashlib.sha256(f"{self._seed}:{self._made}".encode("utf-8", "replace")).digest()
        return base64.b32encode(digest).decode().lower()[:26]

    # -- predictions

    def add(self, prediction: StoredPrediction) -> None:
        """Remember a prediction, and forget the oldest that have ended where there are too many."""
        with self._lock:
            self._predictions[prediction.id] = self._streams[prediction.stream_token] = prediction
            surplus = len(self._predictions) - KEPT_PREDICTIONS
            oldest_first = list(self._predictions.values()) if surplus > 0 else []
        # Not under the lock: whether a run has ended may be seen only by running its model, which may come back here.
        ended = (prediction for prediction in oldest_first if prediction.has_ended())
        for forgotten in islice(ended, surplus if oldest_first else 0):
            self._forget(forgotten)

    def _forget(self, prediction: StoredPrediction) -> None:
        with self._lock:
            self._predictions.pop(prediction.id, None)
            self._streams.pop(prediction.stream_token, None)
            self._files_size -= self._file_sizes.pop(prediction.id, 0)

    def count_file(self, id: str, size: int) -> None:
        """The prediction ``id`` has ``size`` more bytes of files: where they are too many, the oldest must go."""
        with self._lock:
            self._file_sizes[id] = self._file_sizes.get(id, 0) + size
            self._files_size += size
            holders = list(self._file_sizes) if self._files_size > KEPT_FILES else []
        for holder in holders:
            prediction = self._predictions.get(holder)
            if self._files_size > KEPT_FILES and prediction is not None and prediction.has_ended():
                prediction.remove_data()
                with self._lock:
                    self._files_size -= self._file_sizes.pop(holder, 0)

    def predictions(self) -> list[StoredPrediction]:
        """All predictions, newest first."""
        with self._lock:
            return list(reversed(self._predictions.values()))

    def prediction(self, id: str) -> StoredPrediction:
        """The prediction ``id``, or a 404."""
        prediction = self._predictions.get(id)
        if prediction is None:
            raise not_found(f"there is no prediction {id!r} on this server")
        return prediction

    def streamed(self, token: str) -> StoredPrediction:
        """The prediction whose stream URL has this token, or a 404."""
        prediction = self._streams.get(token)
        if prediction is None:
            raise not_found("there is no such stream")
        return prediction

    def delivered(self, id: str, name: str) -> StoredFile:
        """An output file, or a 404."""
        prediction = self._predictions.get(id)
        file = prediction.files.by_name.get(name) if prediction is not None else None
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


def page_of(predictions: list[StoredPrediction], cursor: str | None) -> Page:
    """The page of ``predictions`` (newest first) that ``cursor`` points at, the first where there is none."""
    start = _start(predictions, cursor) if cursor is not None else 0
    shown = predictions[start : start + PAGE]
    previous = _cursor("newer", shown[0]) if shown and start > 0 else None
    following = _cursor("older", shown[-1]) if start + PAGE < len(predictions) else None
    return Page(shown, previous, following)


def _start(predictions: list[StoredPrediction], cursor: str) -> int:
    try:
        word, _, number = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        edge = int(number)
    except ValueError:
        raise Problem(400, "Bad request", "the cursor is not one of this server") from None
    if word == "newer":
        return max(0, sum(prediction.number > edge for prediction in predictions) - PAGE)
    return sum(prediction.number >= edge for prediction in predictions)


def _cursor(word: str, prediction: StoredPrediction) -> str:
    return base64.urlsafe_b64encode(f"{word}:{prediction.number}".encode()).decode()
