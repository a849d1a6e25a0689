"""The command ``replicate-home``: signals, the standard streams, warnings and the exit code.

The commands themselves are in ``commands``. They are imported late, because they need click, which is optional.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from .exit_codes import CLOSED_PIPE, USAGE, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (by default ``sys.argv``) and return its exit code."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # so that nohup keeps working
            signal.signal(number, _terminate)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        _let_stdout_take_any_text()
        code = _outcome(arguments)
    return CLOSED_PIPE if _stdout_is_closed() else code


def _outcome(arguments: Sequence[str] | None) -> int:
    try:
        from .commands import commands
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        say("the command line needs click: python -m pip install click")
        return USAGE
    # click returns the exit code of the command, or else its return value, which is None.
    return commands.main(arguments, prog_name="replicate-home", standalone_mode=False) or 0


def _terminate(number: int, _: Any) -> NoReturn:
    """SIGTERM, and closing the terminal, end the command like Ctrl-C, so that a running prediction is canceled."""
    raise SystemExit(128 + number)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    say(f"warning: {message}")


def _let_stdout_take_any_text() -> None:
    """Show a character that the terminal's encoding lacks as ``?``, instead of failing."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def _stdout_is_closed() -> bool:
    """Whether the reader of stdout is gone. If so, stdout is replaced, or the interpreter would complain at exit."""
    if sys.stdout is None:
        return False
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return True
    return False
