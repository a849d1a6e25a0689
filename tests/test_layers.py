"""The layers: imports point down only, in no circle, and the rules know neither time nor chance nor the world."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import replicate_home

ROOT = Path(replicate_home.__file__).parent
MAP = (ROOT.parent / "docs" / "architecture.md").read_text("utf-8")
LAYERS = {
    name.replace("replicate_home", ""): int(layer) for layer, name in re.findall(r"^\| (\d) \| `(\w+)` \|", MAP, re.M)
}
NOT_PURE = {"clock", "threads"}
PURE_PARTS = sorted(name for name, layer in LAYERS.items() if layer <= 1 and name not in NOT_PURE)

# What layers 0 (but for the clock) and 1 may use of the standard library: nothing that waits, reads, draws, logs
# or asks for the time.
# email.utils and ipaddress are imported late, for the one date and the few addresses that have to be understood.
PURE = {
    "__future__", "base64", "binascii", "bisect", "collections.abc", "copy", "datetime", "difflib", "email.utils",
    "enum", "functools", "ipaddress", "json", "math", "re", "types", "typing", "urllib.parse", "attrs",
}  # fmt: skip
HTTP_LIBRARIES = {"requests", "urllib3", "aiohttp"}
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
    """The name below the package, or None for a foreign module."""
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
    assert upward(ALL) == []
    assert len(ALL) > 200


def upward(imports: Iterable[Import]) -> list[str]:
    """The imports of something higher."""
    return [
        f"{name or 'replicate_home'} imports {imported} ({runs})"
        for name, module, runs in imports
        if (imported := own(module)) is not None and layer(imported) > layer(name)
    ]


def test_the_walk_sees_every_way_of_importing():
    found = set(ALL)
    assert Import("lifecycle.machine", "replicate_home.exceptions", "at once") in found
    assert Import("lifecycle.machine", "replicate_home.lifecycle.policy", "at once") in found
    assert Import("protocol.retry_after", "email.utils", "late") in found
    assert Import("exceptions", "replicate_home.wire", "never") in found
    assert Import("", "replicate_home.client.client", "never") in found


def test_no_module_imports_itself_by_a_detour_not_even_late_or_for_type_checkers():
    assert circles(edges(ALL)) == set()


def edges(imports: Iterable[Import]) -> dict[str, set[str]]:
    """What each module imports; a package whose ``__init__`` gathers its own modules is not above them."""
    below: dict[str, set[str]] = {}
    for name, module, _ in imports:
        imported = own(module)
        if imported is not None and imported != name and not name.startswith(f"{imported}."):
            below.setdefault(name, set()).add(imported)
    return below


def circles(below: dict[str, set[str]]) -> set[str]:
    """The modules that import themselves by a detour."""

    def reached(name: str) -> set[str]:
        found: set[str] = set()
        ahead = list(below.get(name, ()))
        while ahead:
            imported = ahead.pop()
            if imported not in found:
                found.add(imported)
                ahead += below.get(imported, ())
        return found

    return {name for name in below if name in reached(name)}


def test_only_transports_import_http_libraries():
    users = http_users(ALL)
    assert [user for user in users if not user.startswith("transports.")] == []
    assert len(users) > 3


def http_users(imports: Iterable[Import]) -> list[str]:
    """The modules that import an HTTP library."""
    return [f"{name}: {module}" for name, module, _ in imports if module.partition(".")[0] in HTTP_LIBRARIES]


def test_the_engine_knows_no_outputs_resources_or_clients():
    assert above_the_engine(ALL) == []


def above_the_engine(imports: Iterable[Import]) -> list[str]:
    """What the engine imports of what uses it."""
    above = ("client.outputs", "client.resources", "client.client", "client.async_client", "client.module_level")
    return [
        f"{name} imports {imported}"
        for name, module, _ in imports
        if name.startswith("client.engine") and (imported := own(module)) is not None and imported.startswith(above)
    ]


def test_no_module_uses_underscore_names_of_another():
    used = {use for name, path in MODULES.items() for use in borrowed(name, path.read_text("utf-8"))}
    assert used == set()


def borrowed(module: str, source: str) -> set[str]:
    """The underscore names that a module uses and does not define itself."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    defined = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
    defined |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    defined |= {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }
    defined |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}  # slots
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    used |= {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    return {f"{module}: {name}" for name in used - defined if name.startswith("_") and not name.startswith("__")}


class TestAPlantedBreachIsFound:
    def test_an_import_of_something_higher(self):
        planted = Import("lifecycle.machine", "replicate_home.drivers.drive", "never")
        assert upward([planted]) == ["lifecycle.machine imports drivers.drive (never)"]

    def test_an_http_library_outside_transports(self):
        planted = Import("client.client", "requests.adapters", "late")
        assert http_users([planted]) == ["client.client: requests.adapters"]

    def test_an_engine_that_knows_outputs(self):
        planted = Import("client.engine.engine", "replicate_home.client.outputs.results", "late")
        assert above_the_engine([planted]) == ["client.engine.engine imports client.outputs.results"]

    @pytest.mark.parametrize("module", ["time", "random", "socket", "logging", "requests", "threading"])
    def test_a_pure_part_that_is_not(self, module):
        assert impure([Import("lifecycle.machine", module, "late")], "lifecycle") == {module}

    def test_a_circle_of_three(self):
        late = [Import("a", "replicate_home.b", "late"), Import("b", "replicate_home.c", "never")]
        assert circles(edges(late)) == set()
        assert circles(edges([*late, Import("c", "replicate_home.a", "at once")])) == {"a", "b", "c"}

    def test_an_underscore_name_of_another_class_or_module(self):
        assert borrowed("m", "def f(client):\n    return client._settings\n") == {"m: _settings"}
        assert borrowed("m", "from .client import _made\n") == {"m: _made"}
        assert borrowed("m", "class A:\n    def __init__(self):\n        self._b = 1\ndef f(a):\n    a._b\n") == set()


@pytest.mark.parametrize("part", PURE_PARTS)
def test_the_pure_parts_do_no_io_and_know_no_time_chance_or_log(part):
    assert impure(ALL, part) == set()
    assert any(name.partition(".")[0] == part for name, _, _ in ALL)


def impure(imports: Iterable[Import], part: str) -> set[str]:
    """What a pure part imports of others that is not pure."""
    foreign = {module for name, module, _ in imports if name.partition(".")[0] == part and own(module) is None}
    return foreign - PURE


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
