"""How the command line reports an error: one line on stderr, and an exit code.

====  =======================================================================================
0     the model succeeded
1     the model failed, or was canceled
2     wrong usage: an option, an input, a model's name, or a model that does not exist
3     the token is missing, not accepted or not allowed to do this; or no credit is left
4     timed out, or too many requests
5     any other failure: no connection, a server error, a file that could not be written
130   Ctrl-C
141   the reader of our output closed the pipe
129   the terminal was closed (SIGHUP)
143   SIGTERM
====  =======================================================================================
"""

from __future__ import annotations

import contextlib
import sys

from ..exceptions import (
    AuthenticationError,
    InvalidInput,
    ModelError,
    NotFound,
    PaymentRequired,
    PermissionDenied,
    RateLimited,
    ReplicateHomeError,
)
from ..protocol.redaction import excerpt

MODEL_FAILED, USAGE, AUTH, LATE, OTHER, INTERRUPTED, CLOSED_PIPE = 1, 2, 3, 4, 5, 130, 141
_LONGEST_LINE = 2000

# The first match wins; a TimeoutError or ConnectionError may be ours or Python's.
_CODES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], int], ...] = (
    (ModelError, MODEL_FAILED),
    ((AuthenticationError, PaymentRequired, PermissionDenied), AUTH),
    ((TimeoutError, RateLimited), LATE),
    ((NotFound, InvalidInput, ValueError, TypeError), USAGE),
    ((ReplicateHomeError, OSError), OTHER),
)


def exit_code(error: BaseException) -> int | None:
    """The exit code, or None for an unexpected error."""
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), None)


def reported(error: BaseException) -> int | None:
    """Report the error on stderr, in one line, and return the exit code; None for an unexpected error."""
    if isinstance(error, BrokenPipeError):
        return CLOSED_PIPE
    if isinstance(error, KeyboardInterrupt):
        say(" ".join(["interrupted", *getattr(error, "__notes__", ())]))
        return INTERRUPTED
    code = exit_code(error)
    if code is not None:
        say(str(error) or type(error).__name__)
    return code


def say(text: str) -> None:
    """Print one line on stderr, if there is a stderr."""
    with contextlib.suppress(OSError, AttributeError):
        sys.stderr.write(f"replicate-home: {excerpt(text, _LONGEST_LINE)}\n")
        sys.stderr.flush()
