"""What the server remembers: runs, uploads and deployments, in memory, and only as many as fit."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable
from itertools import islice
from typing import Any

import attrs

from .files import StoredFile
from .problems import not_found
from .stored_run import StoredRun

KEPT_RUNS = 10_000
KEPT_FILES = 512 * 2**20  # bytes of output files, and as many of uploads; the oldest go first
UPLOAD_LIFE = 86_400.0  # seconds


@attrs.frozen
class Uploaded:
    """A file that was uploaded, and when."""

    id: str
    number: int
    file: StoredFile
    metadata: dict[str, Any]
    created: float


@attrs.frozen
class Deployment:
    """A deployment in its current release."""

    number: int  # its place in the order of creation
    owner: str
    name: str
    release: int
    model: str
    version: str
    hardware: str
    min_instances: int
    max_instances: int
    released: float  # seconds since the epoch


class Store:
    """Everything that was created, by id or name. Safe to share between threads."""

    def __init__(self, seed: int | str, now: Callable[[], float]) -> None:
        self._seed, self._now = seed, now
        self._lock = threading.RLock()
        self._made = 0
        self._numbered = 0
        self._runs: dict[str, StoredRun] = {}
        self._streams: dict[str, StoredRun] = {}
        self._uploads: dict[str, Uploaded] = {}
        self._file_sizes: dict[str, int] = {}  # bytes of output files, by run
        self._files_size = 0
        self.deployments: dict[tuple[str, str], Deployment] = {}

    def new_id(self) -> str:
        """26 letters and digits, the same for the same seed and number of ids before it."""
        return base64.b32encode(self.new_digest("")).decode().lower()[:26]

    def new_digest(self, purpose: str) -> bytes:
        """32 bytes, the same for the same seed and number of ids before them."""
        with self._lock:
            self._made += 1
            return hashlib.sha256(f"{self._seed}:{purpose}{self._made}".encode("utf-8", "replace")).digest()

    def new_number(self) -> int:
        """The next place in the order of creation."""
        with self._lock:
            self._numbered += 1
            return self._numbered

    # -- predictions and trainings

    def add(self, run: StoredRun) -> None:
        """Remember a run, and forget the oldest ended ones if there are too many."""
        with self._lock:
            self._runs[run.id] = run
            if run.stream_token:
                self._streams[run.stream_token] = run
            surplus = len(self._runs) - KEPT_RUNS
            oldest_first = list(self._runs.values()) if surplus > 0 else []
        # Not under the lock: to see whether a run has ended, its model may have to run, which may come back here.
        ended = (run for run in oldest_first if run.has_ended())
        for forgotten in islice(ended, surplus if oldest_first else 0):
            self.forget(forgotten)

    def forget(self, run: StoredRun) -> None:
        """Forget a run and its files."""
        with self._lock:
            self._runs.pop(run.id, None)
            self._streams.pop(run.stream_token, None)
            self._files_size -= self._file_sizes.pop(run.id, 0)

    def count_file(self, id: str, size: int) -> None:
        """The run ``id`` has ``size`` more bytes of files: if there are too many, the oldest are dropped."""
        with self._lock:
            self._file_sizes[id] = self._file_sizes.get(id, 0) + size
            self._files_size += size
            holders = list(self._file_sizes) if self._files_size > KEPT_FILES else []
        for holder in holders:
            run = self._runs.get(holder)
            if self._files_size > KEPT_FILES and run is not None and run.has_ended():
                self._remove_data(run)

    def _remove_data(self, run: StoredRun) -> None:
        run.remove_data()
        with self._lock:
            self._files_size -= self._file_sizes.pop(run.id, 0)

    def runs(self, resource: str | None = None) -> list[StoredRun]:
        """All ``predictions``, all ``trainings``, or both, the newest first."""
        with self._lock:
            runs = list(reversed(self._runs.values()))
        return [run for run in runs if resource in (None, run.resource)]

    def run(self, id: str, resource: str) -> StoredRun:
        """The prediction or training ``id``, or a 404."""
        run = self._runs.get(id)
        if run is None or run.resource != resource:
            raise not_found(f"there is no {resource.removesuffix('s')} {id!r} on this server")
        return run

    def streamed(self, token: str) -> StoredRun:
        """The prediction whose stream URL has this token, or a 404."""
        run = self._streams.get(token)
        if run is None or run.has_expired():
            raise not_found("there is no such stream")
        return run

    def delivered(self, id: str, name: str) -> StoredFile:
        """An output file, or a 404."""
        run = self._runs.get(id)
        if run is not None and run.has_expired():
            self._remove_data(run)
        file = run.files.by_name.get(name) if run is not None else None
        if file is None:
            raise not_found("File not found")
        return file

    # -- uploads

    def keep(self, uploaded: Uploaded) -> None:
        """Remember an upload, and forget the oldest if there are too many."""
        with self._lock:
            self._uploads[uploaded.id] = uploaded
            held = sum(len(kept.file.content) for kept in self._uploads.values())
            while held > KEPT_FILES:
                held -= len(self._uploads.pop(next(iter(self._uploads))).file.content)

    def upload(self, id: str) -> Uploaded:
        """An upload that has not expired, or a 404."""
        uploaded = self._uploads.get(id)
        if uploaded is None or self._now() - uploaded.created > UPLOAD_LIFE:
            raise not_found("File not found")
        return uploaded

    def uploads(self) -> list[Uploaded]:
        """The uploads that have not expired, the newest first."""
        with self._lock:
            kept = list(reversed(self._uploads.values()))
        return [uploaded for uploaded in kept if self._now() - uploaded.created <= UPLOAD_LIFE]

    def discard(self, id: str) -> None:
        """Forget an upload."""
        self._uploads.pop(id, None)

    # -- deployments

    def deployment(self, owner: str, name: str) -> Deployment:
        """The deployment of that name, or a 404."""
        deployment = self.deployments.get((owner, name))
        if deployment is None:
            raise not_found(f"there is no deployment {owner}/{name} on this server")
        return deployment
