"""Calls of ``replicate-home`` within this process, over real pipes or on a real pseudo-terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import sys
import threading
import tty
from collections.abc import Callable
from typing import NamedTuple

import pytest

from replicate_home.cli.main import main

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_MOVES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Outcome(NamedTuple):
    """What a call came to. On a terminal ``errors`` is empty: everything is on the one screen, in ``output``."""

    code: int
    output: str
    errors: str

    @property
    def lines(self) -> list[str]:
        """What stays on a screen after carriage returns and erased lines; colors are not looked at."""
        shown = [line.rpartition("\r\x1b[K")[2] for line in self.output.replace("\r\n", "\n").split("\n")]
        return [_MOVES.sub("", line).rstrip() for line in shown if line]


def piped(*arguments: str, stdin: bytes | None = None) -> Outcome:
    """A call whose streams are three pipes; without ``stdin``, that one is the null device."""
    output, out_end = os.pipe()
    errors, error_end = os.pipe()
    ends = (_reading(output), _reading(errors))
    code = _called(arguments, _feeding(stdin), out_end, error_end)
    return Outcome(code, *(read() for read in ends))


def on_terminal(*arguments: str) -> Outcome:
    """A call whose streams are all the same terminal, 100 columns wide."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs, tty.TCSANOW)
    read = _reading(ours)
    code = _called(arguments, os.dup(theirs), os.dup(theirs), os.dup(theirs))
    os.close(theirs)
    return Outcome(code, read(), "")


WAYS = pytest.mark.parametrize("call", [piped, on_terminal], ids=["pipe", "terminal"])
"""For tests of what is the same in both."""
Call = Callable[..., Outcome]


def _called(arguments: tuple[str, ...], stdin: int, stdout: int, stderr: int) -> int:
    """The exit code of ``main`` with these files as its streams, which are closed."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    with pytest.MonkeyPatch.context() as patch:
        opened = [
            os.fdopen(number, mode, encoding="utf-8") for number, mode in ((stdin, "r"), (stdout, "w"), (stderr, "w"))
        ]
        for name, stream in zip(("stdin", "stdout", "stderr"), opened, strict=True):
            patch.setattr(sys, name, stream)
        patch.setenv("COLUMNS", "100")
        patch.setenv("TERM", "xterm")
        try:
            return main(arguments)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            for stream in opened:
                stream.close()


def _reading(ours: int) -> Callable[[], str]:
    """Read in a thread, so that nobody who writes has to wait; the result is all that came."""
    found = io.BytesIO()

    def read() -> None:
        try:
            while piece := os.read(ours, 65536):
                found.write(piece)
        except OSError:  # how Linux says that a terminal has no other end any more
            return
        finally:
            os.close(ours)

    thread = threading.Thread(target=read)
    thread.start()

    def result() -> str:
        thread.join()
        return found.getvalue().decode()

    return result


def _feeding(content: bytes | None) -> int:
    """A pipe that has ``content``, which fits into it; or nothing at all."""
    if content is None:
        return os.open(os.devnull, os.O_RDONLY)
    theirs, ours = os.pipe()
    with os.fdopen(ours, "wb") as end:
        end.write(content)
    return theirs
