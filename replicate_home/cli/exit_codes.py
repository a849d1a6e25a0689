"""What the command line makes of an error: one line on stderr, and the code that it exits with.

====  =======================================================================================
0     the model succeeded
1     the model failed, or was canceled
2     usage: an option, an input, a model's name, or a model that is not there
3     the token is missing or not accepted, may not do this, or its account has no credit
4     time ran out, or the server has had too many requests
5     anything else: no connection, a server that fails or makes no sense, a file not written
130   Ctrl-C
141   whoever read our output has gone away
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

# The first that fits; a TimeoutError or ConnectionError may be of ours or of Python's.
_CODES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], int], ...] = (
    (ModelError, MODEL_FAILED),
    ((AuthenticationError, PaymentRequired, PermissionDenied), AUTH),
    ((TimeoutError, RateLimited), LATE),
    ((NotFound, InvalidInput, ValueError, TypeError), USAGE),
    ((ReplicateHomeError, OSError), OTHER),
)


def exit_code(error: BaseException) -> int | None:
    """The code to exit with, or None for an error that should not have happened."""
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), None)


def reported(error: BaseException) -> int | None:
    """Say on stderr what happened, in one line, and return the code; None where nobody expected this error."""
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
    """One line on stderr, where there is one."""
    with contextlib.suppress(OSError, AttributeError):
        sys.stderr.write(f"replicate-home: {excerpt(text, _LONGEST_LINE)}\n")
        sys.stderr.flush()
