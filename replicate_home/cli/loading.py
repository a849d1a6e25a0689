"""The user's own modules, by their names or as files."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any


def loaded(source: str) -> ModuleType:
    """The module ``my.models`` or the file ``models.py``, imported.

    Raises ValueError if there is none, and if it raises something itself: with the line that did.
    """
    try:
        return _of_file(Path(source)) if source.endswith(".py") or "/" in source else _of_name(source)
    except _NotThere as error:
        raise ValueError(str(error)) from None
    except Exception as error:
        raise ValueError(f"{_place(error)}: {type(error).__name__}: {error}") from error


def named_model(text: str) -> tuple[str, Callable[..., Any]]:
    """The model that ``module:callable``, ``file.py:callable`` or ``file.py:Class`` names, as ``local/callable``.

    Of a class with ``predict()`` or ``run()`` an instance is made, and its ``setup()`` called, before the first
    prediction.
    """
    source, found, name = text.rpartition(":")
    if not found or not name.isidentifier():
        raise ValueError(f"a model is named as module:callable or file.py:callable, not {text!r}")
    model = getattr(loaded(source), name, None)
    if not callable(model):
        raise ValueError(f"there is no callable {name!r} in {source}")
    return f"local/{name}", model


def _place(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}, line {last.lineno}"


class _NotThere(ValueError):
    """What was to be imported does not exist."""


def _of_file(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise _NotThere(f"there is no file {str(path)!r}")
    sys.path.insert(0, str(path.resolve().parent))  # for the modules beside it
    module = sys.modules[path.stem] = module_from_spec(spec)  # annotations that are strings are looked up there
    spec.loader.exec_module(module)
    return module


def _of_name(name: str) -> ModuleType:
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise _NotThere(f"there is no module {name!r}") from None
