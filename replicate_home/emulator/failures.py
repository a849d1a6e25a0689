"""What a prediction shows of the exception that ended its model: an error, and a traceback in the logs."""

from __future__ import annotations

from types import TracebackType

_OURS = ("replicate_home.", "asyncio.")
"""Modules between a run and its model; a traceback that never leaves them is not about the caller's code."""


def error_and_traceback(error: BaseException) -> tuple[str, str]:
    """Type and message of an exception, and its traceback from the model's first frame on.

    For one that this package raised, such as a script's or a toy model's, the message is enough.
    """
    message, kind = str(error), type(error).__name__
    frames = _of_the_model(error.__traceback__)
    if frames is None:
        return message or kind, ""
    from traceback import format_exception  # only failed models need it

    return f"{kind}: {message}" if message else kind, "".join(format_exception(type(error), error, frames))


def _of_the_model(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
        frames = frames.tb_next
    return frames
