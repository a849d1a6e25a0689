"""What users import is one sorted list, and all of it is there."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import replicate_home
from replicate_home import exceptions as errors
from replicate_home.records import events
from replicate_home.records import prediction as records
from replicate_home.version import USER_AGENT

SOURCE = Path(replicate_home.__file__)
RESOURCES = {
    "run", "stream", "use", "map", "predictions", "models", "deployments", "trainings", "files", "collections",
    "hardware", "accounts", "webhooks", "search", "request", "default_client",
}  # fmt: skip


def type_checking_names() -> set[str]:
    """What a type checker is told."""
    tree = ast.parse(SOURCE.read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    return {
        alias.asname or alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }


FRESH = {
    "accounts", "collections", "default_client", "deployments", "files", "hardware", "models", "predictions", "search",
    "trainings", "webhooks",
}  # fmt: skip
"""Looked up each time."""


def test_the_list_is_sorted_and_without_repetition():
    assert replicate_home.__all__ == sorted(set(replicate_home.__all__))
    assert dir(replicate_home) == replicate_home.__all__


def test_type_checkers_the_lazy_table_and_the_list_agree():
    names = set(replicate_home.__all__)
    assert names == set(replicate_home._HOME_OF) == type_checking_names()


@pytest.mark.parametrize("name", [name for name in replicate_home.__all__ if name not in FRESH])
def test_every_name_is_there_and_has_something_to_say(name):
    found = getattr(replicate_home, name)
    if inspect.isclass(found) or inspect.isroutine(found):
        assert inspect.getdoc(found)
    # A name that is looked up each time is the same thing each time, unless it depends on the environment.
    assert getattr(replicate_home, name) is found


def test_a_name_comes_from_where_the_table_says():
    for name, module in replicate_home._HOME_OF.items():
        found = getattr(replicate_home, name) if name not in FRESH else None
        if inspect.isclass(found):
            assert found.__module__.startswith("replicate_home."), name
            assert module.partition(".")[0] not in ("protocol", "dialects", "lifecycle", "drivers", "cli"), name


@pytest.mark.parametrize("module", [errors, events, records])
def test_every_public_class_of_errors_and_records_is_public(module):
    own = {
        found.__name__
        for found in vars(module).values()
        if inspect.isclass(found) and found.__module__ == module.__name__
    }
    missing = {name for name in own if not name.startswith("_")} - set(replicate_home.__all__)
    assert missing <= {"PredictionFields"}, "the base that snapshots and handles share"


def test_star_gives_all_of_it():
    script = "from replicate_home import *; import replicate_home as r; print(set(r.__all__) <= set(dir()))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60, check=True,
        env={"PATH": ""},
    )  # fmt: skip
    assert done.stdout.strip() == "True"


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Cleint'"):
        _ = replicate_home.Cleint
    with pytest.raises(ImportError):
        exec("from replicate_home import Cleint")


def test_no_submodule_has_the_name_of_something_public():
    """Importing it would hide the function or resource of that name."""
    submodules = {
        path.stem for path in SOURCE.parent.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert submodules & (RESOURCES | set(replicate_home.__all__)) == set()
    assert len(submodules) >= 8


def test_there_is_one_version():
    assert replicate_home.__version__ == version("replicate_home")
    assert f"replicate-home/{replicate_home.__version__}" == USER_AGENT


def test_the_package_is_marked_as_typed():
    assert (SOURCE.parent / "py.typed").exists()


TOLD_ON_THE_PAGE = {"cursor", "name", "id", "file_id", "prediction_id", "timeout", "metadata"}
"""Arguments that mean the same everywhere; the pages of the reference say what, or their names do."""
ELSEWHERE = re.compile(r"(?i)\bsee :\w+:|\blike :\w+:|those of ``?(run|use|create)|as :\w+:|those of :\w+:")
"""Says that the arguments are explained at another method."""


def methods() -> Iterator[tuple[str, Any, str]]:
    """What callers call, with what its class says of itself."""
    for name in replicate_home.__all__:
        value = getattr(replicate_home, name)
        if inspect.isfunction(value):
            yield name, value, ""
        elif inspect.isclass(value) and not issubclass(value, Exception):
            for owner in value.__mro__:
                for attribute, method in vars(owner).items() if owner.__module__.startswith("replicate_home") else ():
                    if not attribute.startswith("_") and (inspect.isfunction(method) or hasattr(method, "ask")):
                        yield f"{name}.{attribute}", method, inspect.getdoc(value) or ""


@pytest.mark.parametrize(("name", "method", "of_class"), [pytest.param(*found, id=found[0]) for found in methods()])
def test_every_method_says_what_its_arguments_mean(name: str, method: Any, of_class: str) -> None:
    text = (inspect.getdoc(method) or "") + of_class
    assert inspect.getdoc(method), name
    unexplained = [
        argument.name
        for argument in list(inspect.signature(method).parameters.values())
        if argument.kind not in (argument.VAR_KEYWORD, argument.VAR_POSITIONAL)
        if argument.name not in {"self", "cls", *TOLD_ON_THE_PAGE}
        if not re.search(rf"\b{argument.name}s?\b", text)
    ]
    assert unexplained == [] or ELSEWHERE.search(text), name
