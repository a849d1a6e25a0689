"""The receivers of docs/webhooks.md verify what a Replicate on this machine sends them over sockets."""

from __future__ import annotations

import queue
import re
import socket
import threading
import types
import wsgiref.simple_server
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from replicate_home import Client
from replicate_home.client import module_level
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.http_server import serve

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"
FRAMEWORKS = ("flask", "django", "fastapi")


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, format: str, *args: Any) -> None: ...


@contextmanager
def wsgi(app: Any) -> Iterator[str]:
    """A WSGI application on a socket."""
    with wsgiref.simple_server.make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/replicate"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def flask(names: dict[str, Any]) -> Iterator[str]:
    """The receiver for Flask."""
    with wsgi(names["flask_app"]) as url:
        yield url


@contextmanager
def django(names: dict[str, Any]) -> Iterator[str]:
    """The receiver for Django, with as few settings as that takes."""
    import django.conf
    import django.core.wsgi
    import django.test

    urls = types.ModuleType("receiver_urls")
    urls.urlpatterns = names["urlpatterns"]  # type: ignore[attr-defined]
    if not django.conf.settings.configured:
        django.conf.settings.configure(ALLOWED_HOSTS=["127.0.0.1"], LOGGING_CONFIG=None)
    with django.test.override_settings(ROOT_URLCONF=urls), wsgi(django.core.wsgi.get_wsgi_application()) as url:
        yield url


@contextmanager
def fastapi(names: dict[str, Any]) -> Iterator[str]:
    """The receiver for FastAPI."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(names["fastapi_app"], loop="asyncio", log_config=None, lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/replicate"
        finally:
            server.should_exit = True
            thread.join()


SERVED: dict[str, Callable[[dict[str, Any]], Any]] = {"flask": flask, "django": django, "fastapi": fastapi}


def receiver(framework: str, handle: Callable[[Any], None]) -> dict[str, Any]:
    """What the page's example for a framework defines, with a function of ours for what it does with a prediction."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if re.search(rf"^from {framework}\b", block, re.MULTILINE)]
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(block, names)
    return {**names, "handle": names.setdefault("handle", handle)}


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a small Replicate in real time, which the environment names."""

    def tell(prompt: str) -> str:
        return f"you said {prompt}"

    with Emulator({"local/teller": tell}) as emulator, serve(emulator, "127.0.0.1", 0) as server:
        monkeypatch.setenv("REPLICATE_BASE_URL", server.url)
        aside = module_level.put_aside()
        yield server.url
        for client in module_level.put_back(aside).values():
            client.close()


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("configured", [True, False], ids=["secret configured", "secret asked for"])
def test_a_receiver_verifies_what_the_server_sends_and_nothing_else(
    framework: str, configured: bool, emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(framework, reason=f"{framework} comes with the extra tools")
    handled: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with Client(base_url=emulator) as client:
        secret = client.webhooks.default.secret().key
        if configured:
            monkeypatch.setenv("REPLICATE_WEBHOOK_SECRET", secret)
        with SERVED[framework](receiver(framework, handled.put)) as url:
            result = client.run("local/teller", prompt="hello", webhook=url, webhook_events_filter=["completed"])
            heard = handled.get(timeout=20)
            body = b'{"id": "forged", "status": "succeeded"}'
            forged = client.webhooks.sign(body, "whsec_c29tZXRoaW5nIGVsc2U=")
            good = client.webhooks.sign(body, secret)
            answers = [post(url, body, headers) for headers in ({}, forged, good)]
    assert (heard.id, heard.status, heard.output) == (result.id, "succeeded", "you said hello")
    assert answers == [400, 400, 204]
    assert handled.get(timeout=20).id == "forged"


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """The status that a receiver answers with."""
    import requests

    return requests.post(url, body, headers=headers, timeout=20).status_code
