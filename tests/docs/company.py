"""The network that docs/proxies-and-certificates.md describes, on this machine: a proxy, and servers behind TLS."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from replicate_home.testing.scripted_server import Receive, Received, ScriptedServer, Serve, answer
from replicate_home.transports.environment import CA_VARIABLES
from tests.servers.fault_server import AUTHORITY, CERTIFICATES, Relay, speaks_tls


@contextmanager
def company_network() -> Iterator[None]:
    """``proxy.example:3128`` leads to ``elsewhere.example``, whose port 8443 wants a certificate of the client.

    The files company-ca.pem and client.pem are in the working directory.
    """
    shutil.copy(AUTHORITY, "company-ca.pem")
    shutil.copy(CERTIFICATES / "client.pem", "client.pem")
    wants_certificate = speaks_tls("elsewhere")
    wants_certificate.verify_mode = ssl.CERT_REQUIRED
    wants_certificate.load_verify_locations(CERTIFICATES / "client.pem")
    with ExitStack() as stack:
        api, strict = (
            stack.enter_context(ScriptedServer([Serve(_prediction)], repeat=True, tls=tls))
            for tls in (speaks_tls("elsewhere"), wants_certificate)
        )
        proxy = stack.enter_context(ScriptedServer([Receive(), Relay(api.port)], repeat=True))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        places = {("proxy.example", 3128): proxy.port, ("elsewhere.example", 8443): strict.port}
        patch.setattr(socket, "getaddrinfo", _resolver(places))
        for name in ("HTTPS_PROXY", *CA_VARIABLES):
            patch.setenv(name, "")  # what the page sets is taken back, too
            del os.environ[name]
        yield


def _resolver(places: dict[tuple[str, int], int]) -> Any:
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if (host, port) in places:
            host, port = "127.0.0.1", places[host, port]
        return resolve(host, port, *arguments, **options)

    return getaddrinfo


def _prediction(received: Received) -> bytes:
    prediction = {"id": "abc", "status": "succeeded", "output": "Hello from elsewhere", "urls": {}, "results": []}
    return answer(201 if received.method == "POST" else 200, json.dumps(prediction).encode())
