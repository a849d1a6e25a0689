"""What a model prints goes to its logs: while models run, ``sys.stdout`` and ``sys.stderr`` know which one writes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Log = Callable[[str], None]

_log: ContextVar[Log | None] = ContextVar("log of the model that runs", default=None)
_lock = threading.Lock()
_running = 0


class Printed:
    """What a run has printed; ``log`` gets whole lines, and at the end the rest."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._line = ""

    def write(self, text: str) -> None:
        """Add to the line; a carriage return, as progress bars write it, logs the line so far."""
        *lines, self._line = (self._line + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in lines:
            if line:
                self._log(line)
        if "\r" in text:
            self.end()

    def end(self) -> None:
        """Log an unfinished line."""
        line, self._line = self._line, ""
        if line:
            self._log(line)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Capture what is printed inside, in this thread and wherever its context is used."""
        token = _log.set(self.write)
        _begin()
        try:
            yield
        finally:
            _end()
            _log.reset(token)


class _Dispatching:
    """A stream that passes a model's writes to its run, and everything else to the original stream."""

    def __init__(self, original: Any) -> None:
        self.original = original

    def write(self, text: str) -> int:
        log = _log.get()
        if log is None or not isinstance(text, str):
            return int(self.original.write(text) or 0)
        log(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        return _log.get() is None and bool(self.original.isatty())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


def _begin() -> None:
    """Install the streams, unless they are; others may have been installed meanwhile."""
    global _running
    with _lock:
        _running += 1
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None and not isinstance(stream, _Dispatching):
                setattr(sys, name, _Dispatching(stream))


def _end() -> None:
    global _running
    with _lock:
        _running -= 1
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if not _running and isinstance(stream, _Dispatching):
                setattr(sys, name, stream.original)
