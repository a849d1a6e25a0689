"""Libraries of the extra ``local``, imported when a model first needs one."""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from typing import Any

from ..exceptions import MissingExtra

_DISTRIBUTIONS = {"PIL": "Pillow"}
"""Libraries that are installed under another name."""


def borrow(module: str) -> Any:
    """Import ``module``; raises :class:`MissingExtra` with the command that installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        library = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != library:
            raise  # the library is installed, but one that it needs is not; its own message says so
        name = _DISTRIBUTIONS.get(library, library)
        raise MissingExtra(f"the toy models need {name}: python -m pip install {name}", name=error.name) from error


def as_png(picture: Any) -> bytes:
    """A Pillow image as a PNG file. Models return bytes, because their annotations must work without Pillow."""
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
