"""Calls of ``replicate-home`` over pipes or on a terminal, in this process or as another, and a server for them."""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from replicate_home import LocalRun
from replicate_home.cli.main import main
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.http_server import serve

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
        except SystemExit as end:  # how click ends what completes for a shell
            return int(str(end.code))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            for stream in opened:
                stream.close()


def _reading(ours: int) -> Callable[[], str]:
    """Read in a thread, so that a full pipe holds nothing up; the result is all that came."""
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


# ---- processes ----

# As the console script does it; but a shell may have had us ignore Ctrl-C.
START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from replicate_home.cli.main import main; sys.exit(main())"
)


@contextmanager
def started(*arguments: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """``replicate-home`` with these arguments as a process of its own, over pipes."""
    command = [sys.executable, "-c", START, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **{**pipes, **options}) as process:
        try:
            yield process
        finally:
            process.kill()


class Screen:
    """A process on a terminal of its own: what it shows, and what is typed there."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self._process = process
        self._terminal = terminal
        self._shown = b""

    def wait_for(self, text: str) -> None:
        """Read on until this is shown."""
        while text.encode() not in self._shown:
            assert self._read(), self._shown

    def type(self, text: str) -> None:
        """Type this on the keyboard."""
        os.write(self._terminal, text.encode())

    def ended(self) -> int:
        """Read to the end, and return the exit code."""
        while self._read():
            pass
        return self._process.wait()

    def text(self) -> str:
        """All that was shown so far."""
        return self._shown.decode()

    def _read(self) -> bool:
        try:
            piece = os.read(self._terminal, 65536)
        except OSError:  # how Linux says that a terminal has no other end any more
            return False
        self._shown += piece
        return bool(piece)


@contextmanager
def in_terminal(*arguments: str) -> Iterator[Screen]:
    """``replicate-home`` with these arguments on a terminal of its own, where Ctrl-C can be typed."""
    ours, theirs = pty.openpty()
    ends = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    code = f"import os; os.close(os.open(os.ttyname(0), os.O_RDWR)); {START}"  # opening it makes it the controlling one
    try:
        command = [sys.executable, "-c", code, *arguments]
        with subprocess.Popen(command, start_new_session=True, env={**os.environ, "COLUMNS": "100"}, **ends) as process:
            os.close(theirs)
            try:
                yield Screen(process, ours)
            finally:
                process.kill()
    finally:
        os.close(ours)


@contextmanager
def served(**models: Any) -> Iterator[tuple[str, Emulator]]:
    """An emulator with these models of ``owner`` behind sockets: its URL, and itself."""
    with Emulator({f"owner/{name}": model for name, model in models.items()}) as emulator, serve(emulator) as server:
        yield server.url, emulator


def cancels(emulator: Emulator) -> list[tuple[str, int | None]]:
    return [(each.path, each.status) for each in emulator.requests if each.path.endswith("/cancel")]


def forever(run: LocalRun, prompt: str = "") -> Iterator[str]:
    while True:
        yield "again "
        run.sleep(0.01)
