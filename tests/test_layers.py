"""The layers: imports point down only, in no circle, and the rules know neither time nor chance nor the world."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import replicate_home

ROOT = Path(replicate_home.__file__).parent
LAYERS = {
    "exceptions": 0, "wire": 0, "clock": 0, "threads": 0, "records": 0,
    "protocol": 1, "dialects": 1, "lifecycle": 1,
    "transports": 2, "emulator": 2, "demo": 2,
    "drivers": 3,
    "client": 4,
    "provider": 5, "g4f": 5,
    "testing": 6, "cli": 6, "__main__": 6, "": 6,
}  # fmt: skip
PURE_PARTS = ["exceptions", "wire", "records", "protocol", "dialects", "lifecycle"]

# What layers 0 (but for the clock) and 1 may use of the standard library: nothing that waits, reads, draws, logs
# or asks for the time.
# email.utils and ipaddress are imported late, for the one date and the few addresses that have to be understood.
PURE = {
    "__future__", "collections.abc", "difflib", "email.utils", "enum", "functools", "ipaddress", "json", "math", "re",
    "typing", "urllib.parse", "attrs",
}  # fmt: skip
EXTRAS = {
    "aiohttp",
    "click",
    "tqdm",
    "rich",
    "PIL",
    "nltk",
    "markovify",
    "g4f",
    "dask",
    "distributed",
    "standardwebhooks",
}


class Import(NamedTuple):
    importer: str
    imported: str
    runs: str
    """``at once``, ``late`` (inside a function), or ``never`` (for type checkers)."""


def modules() -> dict[str, Path]:
    """Dotted names below the package, ``""`` for itself."""
    paths = sorted(ROOT.rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return {name.removesuffix("__init__").rstrip("."): path for name, path in zip(names, paths, strict=True)}


MODULES = modules()


def imports_of(name: str) -> Iterator[Import]:
    tree = ast.parse(MODULES[name].read_text("utf-8"))
    yield from _walk(tree, name, "at once")


def _walk(node: ast.AST, name: str, runs: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(name, alias.name, runs) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from _from(child, name, runs)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _walk(child, name, "late" if runs == "at once" else runs)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _walk(ast.Module(child.body, []), name, "never")
            yield from _walk(ast.Module(child.orelse, []), name, runs)
        else:
            yield from _walk(child, name, runs)


def _from(node: ast.ImportFrom, name: str, runs: str) -> Iterator[Import]:
    """A module of the package is named as ``replicate_home...``, whichever way it was imported."""
    source = node.module or ""
    if node.level:
        parts = name.split(".") if name else []
        is_package = MODULES[name].name == "__init__.py"
        parents = parts[: len(parts) - node.level + is_package]
        source = ".".join(["replicate_home", *parents, *([node.module] if node.module else [])])
    for alias in node.names:
        longer = f"{source}.{alias.name}"
        yield Import(name, longer if own(longer) in MODULES else source, runs)


def own(module: str) -> str | None:
    """The name below the package, or None for a module of somebody else."""
    first, _, rest = module.partition(".")
    return rest if first == "replicate_home" else None


ALL = [found for name in MODULES for found in imports_of(name)]


def layer(name: str) -> int:
    return LAYERS[name.partition(".")[0]]


def test_every_module_is_in_a_layer_and_says_what_it_is():
    assert {name.partition(".")[0] for name in MODULES} <= LAYERS.keys()
    silent = [name for name, path in MODULES.items() if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert silent == []


def test_imports_point_down_only_even_late_ones_and_those_for_type_checkers():
    upward = [
        f"{name or 'replicate_home'} imports {imported} ({runs})"
        for name, module, runs in ALL
        if (imported := own(module)) is not None and layer(imported) > layer(name)
    ]
    assert upward == []
    assert len(ALL) > 200


def test_the_walk_sees_every_way_of_importing():
    found = set(ALL)
    assert Import("lifecycle.machine", "replicate_home.exceptions", "at once") in found
    assert Import("lifecycle.machine", "replicate_home.lifecycle.policy", "at once") in found
    assert Import("lifecycle.policy", "email.utils", "late") in found
    assert Import("exceptions", "replicate_home.wire", "never") in found
    assert Import("", "replicate_home.client.client", "never") in found


def test_no_module_imports_itself_by_a_detour():
    below: dict[str, set[str]] = {name: set() for name in MODULES}
    for name, module, runs in ALL:
        imported = own(module)
        if runs == "at once" and imported is not None and imported != name:
            below[name].add(imported)
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name not in done:
            for imported in sorted(below[name]):
                # A package whose __init__ gathers its own modules is not above them.
                if not name.startswith(imported + "."):
                    visit(imported, (*path, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())
    assert done == set(MODULES)


@pytest.mark.parametrize("part", PURE_PARTS)
def test_the_pure_parts_do_no_io_and_know_no_time_chance_or_log(part):
    foreign = {module for name, module, _ in ALL if name.partition(".")[0] == part and own(module) is None}
    assert foreign <= PURE
    assert foreign


def test_they_open_print_and_read_nothing():
    calls = {
        f"{name}: {node.func.id}()"
        for name, path in MODULES.items()
        if name.partition(".")[0] in PURE_PARTS
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in {"open", "print", "input", "exec", "eval", "__import__", "id", "globals"}
    }
    assert calls == set()


def test_nothing_unpickles_or_evaluates_what_came_from_outside():
    dangerous = {"pickle", "shelve", "marshal", "yaml", "dill", "cloudpickle"}
    users = {found.importer for found in ALL if found.imported.partition(".")[0] in dangerous}
    assert users <= {"testing.contract.case"}, "which checks that errors can be pickled"
    shells = [
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "shell" and ast.unparse(node.value) != "False"
    ]
    assert shells == []


def loaded_by(statement: str) -> set[str]:
    """The modules, by first name, that a statement loads in a new interpreter."""
    script = f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_the_package_loads_nothing_but_the_standard_library():
    loaded = loaded_by("import replicate_home")
    assert loaded - {"attr", "attrs"} - sys.stdlib_module_names == {"replicate_home"}


def test_making_a_client_loads_no_extra():
    loaded = loaded_by("import replicate_home; replicate_home.Client(backend='home', timeout=1)")
    assert loaded & EXTRAS == set()
    assert "replicate_home" in loaded


def test_the_rules_load_without_anything_that_could_reach_out():
    loaded = loaded_by("import replicate_home.lifecycle.machine")
    assert loaded & {"socket", "ssl", "requests", "urllib3", "asyncio", "logging", "random", "http", "email"} == set()
