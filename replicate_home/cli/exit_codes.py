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
import json
import os
import sys
import traceback
from typing import Any

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
from .wording import in_our_words

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


def reported(error: BaseException, form: str | None = None) -> int:
    """Report an error on stderr, in one line, and return its exit code.

    For programs that read JSON (``form`` is ``json`` or ``jsonl``), it is reported on stdout too.
    """
    if isinstance(error, BrokenPipeError):
        return CLOSED_PIPE
    code, message = exit_code(error), str(error) or type(error).__name__
    if isinstance(error, KeyboardInterrupt):
        code, message = INTERRUPTED, ": ".join(["interrupted", *map(str, error.args), *getattr(error, "__notes__", ())])
    elif code is None:
        code, message = OTHER, f"a mistake in this program, {type(error).__name__}: {message}"
        if os.environ.get("REPLICATE_HOME_LOG") == "debug":
            traceback.print_exception(error)
    message = in_our_words(message)
    say(message)
    if form is not None:
        _print_as_json(error, message, code, form)
    return code


def _print_as_json(error: BaseException, message: str, code: int, form: str) -> None:
    """The error as an object; a prediction that has failed, in the form ``json``, as the prediction."""
    prediction = getattr(error, "prediction", None)
    told: dict[str, Any] = {"type": type(error).__name__, "message": message, "exit_code": code}
    if getattr(error, "status", None) is not None:
        told["status"] = error.status  # type: ignore[attr-defined]
    if prediction is not None:
        told["prediction"] = prediction.to_dict()
    failed = isinstance(error, ModelError) and prediction is not None and form == "json"
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(told["prediction"] if failed else {"error": told}) + "\n")
        sys.stdout.flush()


def say(text: str) -> None:
    """Print one line on stderr, if there is a stderr."""
    with contextlib.suppress(OSError, AttributeError):
        sys.stderr.write(f"replicate-home: {excerpt(text, _LONGEST_LINE)}\n")
        sys.stderr.flush()
