"""The user's own modules, by their names or as files."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType


def loaded(source: str) -> ModuleType:
    """The module ``my.models`` or the file ``models.py``, imported; raises ValueError if there is none."""
    return _of_file(Path(source)) if source.endswith(".py") else _of_name(source)


def _of_file(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ValueError(f"there is no file {str(path)!r}")
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
        raise ValueError(f"there is no module {name!r}") from None
