"""Both clients have the same resources, and what an operation is called, takes and means stands in one place."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from replicate_home import AsyncClient, Client
from replicate_home.client import resources
from replicate_home.client.resources.binding import BoundOperation
from replicate_home.operations.table import OPERATIONS

from .tree import BY_HAND, NO_OPERATION, methods_of, operation_of

CLIENTS = [Client, AsyncClient]


def test_both_clients_have_the_same_tree():
    ours, theirs = methods_of(Client), methods_of(AsyncClient)
    assert ours.keys() == theirs.keys()
    for path in ours:
        taken = [
            [(p.name, p.kind, p.default) for p in inspect.signature(methods[path]).parameters.values()]
            for methods in (ours, theirs)
        ]
        assert taken[0] == taken[1], path
        assert inspect.getdoc(ours[path])


@pytest.mark.parametrize("client", CLIENTS)
def test_every_operation_has_one_method(client):
    methods = {operation_of(path): method for path, method in methods_of(client).items() if path not in NO_OPERATION}
    assert methods.keys() == OPERATIONS.keys()
    assert len(methods) == 37
    assert {name for name, method in methods.items() if not isinstance(method, BoundOperation)} == BY_HAND


@pytest.mark.parametrize("client", CLIENTS)
def test_a_bound_operation_is_the_tables_with_its_parameters_and_docstring(client):
    bound = {path: method for path, method in methods_of(client).items() if isinstance(method, BoundOperation)}
    assert len(bound) == 30
    for path, method in bound.items():
        ask = OPERATIONS[operation_of(path)]
        assert method.ask is ask
        assert method.signature.parameters == inspect.signature(ask).parameters
        assert inspect.getdoc(method) == inspect.getdoc(ask)


def test_an_operation_is_written_once_and_bound_once_for_each_client():
    source = "".join(path.read_text("utf-8") for path in Path(resources.__file__).parent.glob("*.py"))
    for path, method in methods_of(Client).items():
        if isinstance(method, BoundOperation):
            name = method.ask.__name__
            assert len(re.findall(rf" = \w+\({name}[,)]", source)) == 2, path


def test_what_a_method_of_a_client_shows_is_what_it_takes_and_gives():
    models = Client("t").models
    assert str(inspect.signature(models.get)) == "(model: 'ModelName', name: 'str | None' = None) -> 'Model'"
    assert (models.get.__name__, models.get.__qualname__) == ("get", "Models.get")
    assert inspect.getdoc(models.get) == "The model ``owner/name``; also ``get(\"owner\", \"name\")``."
    assert inspect.signature(type(models).get).parameters.keys() == {"self", "model", "name"}
    search = Client("t").search
    assert str(inspect.signature(search)) == "(query: 'str', *, limit: 'int | None' = None) -> 'SearchResults'"


@pytest.mark.parametrize(
    ("path", "ours", "theirs"),
    [
        ("models.list", "Page[Model]", "AsyncListing[AsyncModel]"),
        ("models.get", "Model", "AsyncModel"),
        ("files.list", "Page[File]", "AsyncListing[File]"),
        ("hardware.list", "list[Hardware]", "list[Hardware]"),
        ("models.delete", "bool", "bool"),
    ],
)
def test_the_result_is_named(path, ours, theirs):
    assert [methods_of(client)[path].result for client in CLIENTS] == [ours, theirs]


def test_resources_are_loaded_when_they_are_first_used_and_without_those_of_event_loops():
    script = """
import sys
from replicate_home import Client
client = Client("t")
before = set(sys.modules)
assert not [name for name in before if name.startswith("replicate_home.client.resources")]
for name, value in vars(Client).items():
    if isinstance(value, property):
        getattr(client, name)
print(*set(sys.modules) - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    assert "replicate_home.client.resources.models" in loaded
    assert {name for name in loaded if "async" in name} == set()
