"""Libraries of the extra ``local``, imported when a model first needs one, never before."""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from typing import Any

from ..exceptions import MissingExtra


def borrow(module: str) -> Any:
    """Import ``module``, or say which command installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        library = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != library:
            raise  # the library is there; what it needs itself is not, and its own message says so
        raise MissingExtra(
            f'the demo models need {library}: python -m pip install "replicate_home[local]"', name=error.name
        ) from error


def as_png(picture: Any) -> bytes:
    """A Pillow image as a PNG file; models return this, because their annotations must be readable without Pillow."""
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
