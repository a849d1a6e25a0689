"""The line of progress on stderr: what a prediction is doing, while nothing else is to be seen of it."""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
from itertools import cycle
from typing import Any

from ..clock import SYSTEM_CLOCK
from ..protocol.redaction import excerpt
from ..records.prediction import Progress, Snapshot

_INTERVAL = 0.1
_LAST_LOGS = 2000  # characters, in which a line of progress is looked for
_CLEARED = "\r\x1b[K"


class StatusLine:
    """On a terminal, one line that is drawn ten times a second while it is open, and removed afterwards.

    It is an ``on_update`` callback, and can be told of logs, which often say how far the model is.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.snapshot: Snapshot | None = None
        self._logs = ""
        self._began = SYSTEM_CLOCK.now()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw_on, daemon=True) if is_terminal(sys.stderr) else None

    def __call__(self, snapshot: Snapshot) -> None:
        """Show what is new of the prediction."""
        self.snapshot = snapshot
        self._logs = snapshot.logs or self._logs

    def add_logs(self, logs: str) -> None:
        """Show how far the model is, if its logs say so."""
        self._logs += logs

    def __enter__(self) -> StatusLine:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the line, for good."""
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None
            _write(_CLEARED)

    def make_way(self) -> None:
        """Remove the line if the output that now begins is on the same terminal."""
        if is_terminal(sys.stdout):
            self.remove()

    def _draw_on(self) -> None:
        for sign in cycle("|/-\\"):
            _write(_CLEARED + excerpt(f"{sign} {self}", shutil.get_terminal_size().columns - 1))
            if self._over.wait(_INTERVAL):
                return

    def __str__(self) -> str:
        progress = Progress.from_logs(self._logs[-_LAST_LOGS:])
        steps = f", step {progress.current} of {progress.total}" if progress else ""
        seconds = int(SYSTEM_CLOCK.now() - self._began)
        known = self.snapshot
        doing = "starting" if known is None else f"{known.id} {known.status}"
        return f"{self._name}: {doing}{steps} ({seconds} s)"


def _write(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal is gone
        sys.stderr.write(text)
        sys.stderr.flush()


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal."""
    return stream is not None and stream.isatty()
