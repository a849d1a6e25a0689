"""Every operation of the hosted API by both clients, against the emulator: in this process, and over sockets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from replicate_home import AsyncClient, Client, FakeClock
from replicate_home.testing import FakeReplicate

from ...emulator.operations import TABLE
from ...operations.document import documented
from .tree import BY_HAND, methods_of, operation_of

PLACES = {name: re.compile(one.path.replace("*", "[^/]+")) for name, one in TABLE.items()}


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    """A Replicate in virtual time with one model."""
    with FakeReplicate() as fake:
        fake.on("owner/llm").streams("Hel", "lo")
        fake.on_training("owner/llm").returns({"weights": "https://a.example/w"}).takes(60)
        yield fake


def everything(client: Any, get: Callable[[Any], Any], clock: FakeClock) -> dict[str, Any]:
    """What each operation gives; ``get`` awaits it where the client is an asynchronous one."""
    found: dict[str, Any] = {}

    def ask(name: str, *args: Any, **options: Any) -> Any:
        method = client
        for part in name.split("."):
            method = getattr(method, part)
        found[name] = get(method(*args, **options))
        return found[name]

    me = ask("accounts.current").username
    ask("hardware.list")
    ask("webhooks.default.secret")
    ask("search", "llm", limit=5)
    ask("collections.get", ask("collections.list")[0].slug)
    _models(ask, me)
    _files(ask)
    _predictions(ask)
    _deployments(ask, me)
    _trainings(ask, me)
    clock.sleep(1000)
    ask("models.versions.delete", f"{me}/tuned", _first_version(ask, f"{me}/tuned"))
    ask("models.delete", me, "new")
    ask("deployments.delete", f"{me}/app")
    return found


def _first_version(ask: Callable[..., Any], model: str) -> Any:
    return ask("models.versions.list", model)[0]


def _models(ask: Callable[..., Any], me: str) -> None:
    ask("models.list", sort_by="model_created_at", sort_direction="asc")
    ask("models.search", "llm")
    version = _first_version(ask, "owner/llm")
    ask("models.versions.get", "owner/llm", version)
    ask("models.examples.list", "owner/llm")
    ask("models.create", me, "new", visibility="private", hardware="cpu", description="Very new")
    ask("models.update", me, "new", readme="# New")
    ask("models.readme", f"{me}/new")
    ask("models.get", ask("models.get", "owner", "llm"))


def _files(ask: Callable[..., Any]) -> None:
    file = ask("files.create", b"abc", "a.txt", "text/plain", {"note": 1})
    ask("files.list")
    ask("files.get", file.id)
    ask("files.download", file.id, owner="local", expiry=4_000_000_000, signature="x")
    ask("files.delete", file.id)


def _predictions(ask: Callable[..., Any]) -> None:
    prediction = ask("predictions.create", "owner/llm", {"prompt": "Hi"})
    ask("models.predictions.create", "owner/llm", {"prompt": "Hi"})
    ask("predictions.get", prediction.id)
    ask("predictions.cancel", prediction.id)
    ask("predictions.list", created_after="2020-01-01T00:00:00Z")


def _deployments(ask: Callable[..., Any], me: str) -> None:
    version = _first_version(ask, "owner/llm")
    ask("deployments.create", "app", "owner/llm", version, "cpu", 0, 1)
    ask("deployments.update", f"{me}/app", max_instances=3)
    ask("deployments.get", me, "app")
    ask("deployments.list")
    ask("deployments.predictions.create", f"{me}/app", {"prompt": "Hi"})


def _trainings(ask: Callable[..., Any], me: str) -> None:
    ask("models.create", me, "tuned", visibility="private", hardware="cpu")
    version = _first_version(ask, "owner/llm")
    training = ask("trainings.create", f"owner/llm:{version.id}", None, {"prompt": "x"}, f"{me}/tuned")
    ask("trainings.get", training.id)
    ask("trainings.list")
    second = ask("trainings.create", "owner/llm", version, {"prompt": "x"}, f"{me}/tuned")
    ask("trainings.cancel", second.id)


def asked_of(fake: FakeReplicate) -> set[str]:
    """The operations that reached the emulator, told by method and path alone."""
    found = set()
    for request in fake.requests:
        path = request.path.partition("?")[0]
        found |= {name for name in TABLE if TABLE[name].method == request.method and PLACES[name].fullmatch(path)}
    return found


def in_process(fake: FakeReplicate) -> dict[str, Any]:
    return everything(fake.client(), lambda value: value, fake.clock)


def in_process_awaited(fake: FakeReplicate) -> dict[str, Any]:
    client = AsyncClient(transport=fake.transport, clock=fake.clock)
    with asyncio.Runner() as loop:
        return everything(client, lambda value: loop.run(awaiting(value)), fake.clock)


def over_sockets(fake: FakeReplicate) -> dict[str, Any]:
    with fake.serve() as url, Client(base_url=url) as client:
        return everything(client, lambda value: value, fake.clock)


def over_sockets_awaited(fake: FakeReplicate) -> dict[str, Any]:
    with fake.serve() as url, asyncio.Runner() as loop:
        client = AsyncClient(base_url=url)
        try:
            return everything(client, lambda value: loop.run(awaiting(value)), fake.clock)
        finally:
            loop.run(client.close())


async def awaiting(value: Any) -> Any:
    """What a call gives, which may be a listing and no coroutine."""
    return await value


PLAIN = {
    "accounts.current": "Account", "collections.get": "Collection", "collections.list": "Page[Collection]",
    "deployments.create": "Deployment", "deployments.delete": "bool", "deployments.get": "Deployment",
    "deployments.list": "Page[Deployment]", "deployments.predictions.create": "Prediction",
    "deployments.update": "Deployment", "files.create": "File", "files.delete": "bool", "files.download": "bytes",
    "files.get": "File", "files.list": "Page[File]", "hardware.list": "list[Hardware]", "models.create": "Model",
    "models.delete": "bool", "models.examples.list": "Page[nothing]", "models.get": "Model",
    "models.list": "Page[Model]", "models.predictions.create": "Prediction", "models.readme": "str",
    "models.search": "Page[Model]", "models.update": "Model", "models.versions.delete": "bool",
    "models.versions.get": "Version", "models.versions.list": "Page[Version]", "predictions.cancel": "Prediction",
    "predictions.create": "Prediction", "predictions.get": "Prediction", "predictions.list": "Page[Prediction]",
    "search": "SearchResults", "trainings.cancel": "Training", "trainings.create": "Training",
    "trainings.get": "Training", "trainings.list": "Page[Training]", "webhooks.default.secret": "WebhookSigningSecret",
}  # fmt: skip
"""What each method gives, by the names of the blocking client's classes."""


def kind_of(value: Any) -> str:
    kind = type(value).__name__.removeprefix("Async")
    if kind in ("Page", "list"):
        return f"{kind}[{kind_of(value[0]) if len(value) else 'nothing'}]"
    return kind


WAYS = [in_process, in_process_awaited, over_sockets, over_sockets_awaited]


@pytest.mark.parametrize("way", WAYS)
def test_every_operation_is_asked_for_and_answered(way: Callable[[FakeReplicate], Any], fake: FakeReplicate) -> None:
    found = way(fake)
    assert {name: kind_of(value) for name, value in found.items()} == PLAIN
    asked = asked_of(fake)
    print(f"{len(asked)} of {len(TABLE)} operations asked by {way.__name__}")
    assert asked == TABLE.keys()
    assert len(asked) == 37
    assert {request.status for request in fake.requests} <= {200, 201, 202, 204}


@pytest.mark.parametrize("way", WAYS[:2])
def test_what_was_written_is_read_again(way: Callable[[FakeReplicate], Any], fake: FakeReplicate) -> None:
    found = way(fake)
    assert found["models.readme"] == "# New"
    assert (found["files.create"].name, found["files.create"].content_type) == ("a.txt", "text/plain")
    assert (found["files.create"].metadata, found["files.download"]) == ({"note": 1}, b"abc")
    assert found["deployments.get"].current_release.configuration.max_instances == 3
    assert found["trainings.cancel"].status == "canceled"
    assert (found["models.delete"], found["models.versions.delete"], found["files.delete"]) == (True, True, True)


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_the_document_has_no_operation_without_a_method(client: type[Client | AsyncClient]) -> None:
    methods = {operation_of(path) for path in methods_of(client)}
    missing = documented().keys() - methods
    print(f"{len(documented().keys() & methods)} of {len(documented())} operations of the document have a method")
    assert missing == set()
    assert methods >= BY_HAND
