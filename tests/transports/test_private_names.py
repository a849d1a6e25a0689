"""What the transports use of other libraries without being promised it: all of it is written down, and is there."""

from __future__ import annotations

import ast
import http.client
import importlib
import inspect
import pkgutil
import ssl

import pytest
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssltransport import SSLTransport

from replicate_home import transports

PRIVATE = [
    (HTTPConnection, "_new_conn", "several dead addresses of a host would each have the whole limit for connecting"),
    (HTTPSConnection, "_connect_tls_proxy", "TLS within the TLS of a proxy would outlive the deadline"),
    (http.client.HTTPConnection, "_tunnel", "errors of the server would be taken for the proxy's"),
]
UNDOCUMENTED = [
    (http.client.HTTPConnection, "response_class"),
    (urllib3.HTTPConnectionPool, "ConnectionCls"),
    (urllib3.HTTPConnectionPool, "QueueCls"),
]


@pytest.mark.parametrize(("owner", "name", "else_"), PRIVATE, ids=[name for _, name, _ in PRIVATE])
def test_each_private_name_is_there_and_written_down(owner, name, else_):
    where = f"{owner.__module__}.{owner.__name__}.{name}"
    assert callable(getattr(owner, name, None)), f"this version has no {where}: {else_}"
    assert f"``{where}``" in transports.__doc__


@pytest.mark.parametrize(("owner", "name"), UNDOCUMENTED, ids=[name for _, name in UNDOCUMENTED])
def test_each_undocumented_name_is_there_and_written_down(owner, name):
    assert hasattr(owner, name), f"this version's {owner.__name__} has no {name}"
    assert f"``{name}``" in transports.__doc__


def test_a_connection_makes_its_answer_with_its_response_class():
    """Else no deadline would hold once the request is sent."""
    assert "self.response_class(" in inspect.getsource(http.client.HTTPConnection.getresponse)


def test_tls_within_tls_can_be_looked_into():
    client, server = (ssl.SSLContext(kind) for kind in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER))
    assert {"socket", "incoming", "sslobj", "suppress_ragged_eofs"} <= set(SSLTransport.__init__.__code__.co_names)
    assert client.sslsocket_class is server.sslsocket_class is ssl.SSLSocket
    assert "suppress_ragged_eofs" in inspect.signature(ssl.SSLContext.wrap_socket).parameters


def modules():
    return [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(transports.__path__, "replicate_home.transports.")
    ]


def test_no_other_private_name_of_another_library_is_used():
    def is_private(node):
        return isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__")

    used = set()
    for module in modules():
        tree = ast.parse(inspect.getsource(module))
        own = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
        for node in filter(is_private, ast.walk(tree)):
            of = ast.unparse(node.value)
            if of == "super()" or (of not in ("self", "cls") and node.attr not in own):
                used.add(f"{module.__name__.rpartition('.')[2]}: {of}.{node.attr}")
    assert used == {f"connections: super().{name}" for _, name, _ in PRIVATE}


def test_no_other_private_name_of_another_library_is_replaced():
    replaced = {
        name
        for module in modules()
        for _, cls in inspect.getmembers(module, inspect.isclass)
        for name, value in vars(cls).items()
        for base in cls.__mro__[1:]
        if cls.__module__ == module.__name__ and inspect.isfunction(value)
        if name.startswith("_") and not name.endswith("__")
        if not base.__module__.startswith("replicate_home") and name in vars(base)
    }
    assert replaced == set()  # what the mixin of connections has is among the names that are used
