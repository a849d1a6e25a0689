"""Which URLs of an output are files: those at the server's hosts, and what the model's schema says; both clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from replicate_home import AsyncClient, Client, Disconnected, FileOutput, Request, Response, SystemClock
from replicate_home.client.outputs.by_schema import said_to_be_urls
from replicate_home.records.schema import Schema

API = "https://api.replicate.com/v1"
ELSEWHERE = "https://files.example.com/out.png"
DELIVERED = "https://replicate.delivery/abc/out.png"
URI = {"type": "string", "format": "uri"}
VERSION = "5" * 64


class Server:
    """Finishes every prediction at once with ``output``; says what the model's output is, or raises."""

    clock = SystemClock()
    backend, base_url = "replicate", API

    def __init__(self, output: Any, schema: Any = None, **prediction: Any) -> None:
        self.output, self.schema, self.prediction = output, schema, prediction
        self.asked: list[str] = []

    def send(self, request: Request, deadline: float | None) -> tuple[Response, None]:
        path = request.url.removeprefix(API)
        self.asked.append(f"{request.method} {path}")
        if path.startswith("/models"):
            if isinstance(self.schema, Exception):
                raise self.schema
            if self.schema is None:
                return Response(404, {}, b'{"detail": "no such model"}'), None
            document = {"components": {"schemas": {"Output": self.schema}}}
            version = {"openapi_schema": document}
            shown = version if "/versions/" in path else {"latest_version": version}
            return Response(200, {}, json.dumps(shown).encode()), None
        known = {"id": "abc", "model": "owner/model", "status": "succeeded", "output": self.output}
        return Response(201, {}, json.dumps({**known, **self.prediction}).encode()), None

    def close(self) -> None: ...


def run(server: Server, times: int = 1, **options: Any) -> Any:
    with Client("t", transport=server) as client:
        return [client.run("owner/model", {}, **options) for _ in range(times)][-1]


def async_run(server: Server, times: int = 1, **options: Any) -> Any:
    async def main() -> Any:
        async with AsyncClient("t", transport=server) as client:
            return [await client.run("owner/model", {}, **options) for _ in range(times)][-1]

    return asyncio.run(main())


def wait(server: Server, times: int = 1) -> Any:
    with Client("t", transport=server) as client:
        return [client.predictions.create("owner/model", {}).result() for _ in range(times)][-1]


def async_wait(server: Server, times: int = 1) -> Any:
    async def main() -> Any:
        async with AsyncClient("t", transport=server) as client:
            return [await (await client.predictions.create("owner/model", {})).result() for _ in range(times)][-1]

    return asyncio.run(main())


Run = Callable[..., Any]
WAYS = pytest.mark.parametrize("run", [run, async_run, wait, async_wait])
CREATE, MODEL = "POST /predictions", "GET /models/owner/model"


@WAYS
def test_a_url_elsewhere_is_a_file_if_the_schema_says_so(run: Run) -> None:
    server = Server([ELSEWHERE], {"type": "array", "items": URI})
    result = run(server)
    assert result == [FileOutput(ELSEWHERE)]
    assert server.asked == [CREATE, MODEL]


@WAYS
def test_a_url_elsewhere_is_text_if_the_schema_says_so(run: Run) -> None:
    server = Server(ELSEWHERE, {"type": "string"})
    result = run(server)
    assert (result, result.files) == (ELSEWHERE, [])


@WAYS
def test_the_schema_is_asked_for_once(run: Run) -> None:
    server = Server(ELSEWHERE, URI)
    assert run(server, times=3).files == [FileOutput(ELSEWHERE)]
    assert server.asked == [CREATE, MODEL, CREATE, CREATE]


@WAYS
@pytest.mark.parametrize(
    "output",
    ["Hello", DELIVERED, [DELIVERED, "data:image/png;base64,AAAA"], ["https", "://"], f"see {ELSEWHERE}", 3, None, {}],
    ids=repr,
)
def test_an_ordinary_output_asks_nothing(run: Run, output: Any) -> None:
    server = Server(output, URI)
    run(server)
    assert server.asked == [CREATE]


@pytest.mark.parametrize("run", [run, async_run])
def test_urls_that_stay_urls_ask_nothing(run: Run) -> None:
    server = Server(ELSEWHERE, URI)
    assert run(server, use_file_output=False) == ELSEWHERE
    assert server.asked == [CREATE]


def test_a_stream_asks_nothing_in_the_middle_and_its_result_does() -> None:
    server = Server([ELSEWHERE], {"type": "array", "items": URI})
    stream = Client("t", transport=server).stream("owner/model", {})
    assert list(stream) == [ELSEWHERE]
    assert server.asked == [CREATE]
    assert stream.result() == [FileOutput(ELSEWHERE)]
    assert server.asked == [CREATE, MODEL]


def test_an_async_stream_asks_nothing_in_the_middle_and_its_result_does() -> None:
    async def main() -> tuple[list[str], list[str], Any]:
        async with AsyncClient("t", transport=server) as client:
            stream = client.stream("owner/model", {})
            return [item async for item in stream], [*server.asked], await stream.result()

    server = Server([ELSEWHERE], {"type": "array", "items": URI})
    assert asyncio.run(main()) == ([ELSEWHERE], [CREATE], [FileOutput(ELSEWHERE)])


@WAYS
def test_a_version_is_asked_for_its_own_schema(run: Run) -> None:
    server = Server(ELSEWHERE, URI, version=VERSION)
    assert run(server).files == [FileOutput(ELSEWHERE)]
    assert server.asked == [CREATE, f"{MODEL}/versions/{VERSION}"]


@pytest.mark.parametrize(
    ("prediction", "asked"),
    [
        ({"version": "hidden"}, [CREATE, MODEL]),
        ({"version": "dp-" + "0" * 32}, [CREATE, MODEL]),
        ({"model": None, "version": VERSION}, [CREATE]),
        ({"model": "../account"}, [CREATE]),
        ({"model": 7}, [CREATE]),
    ],
)
def test_the_model_is_the_one_that_the_server_names(prediction: dict[str, Any], asked: list[str]) -> None:
    server = Server(ELSEWHERE, URI, **prediction)
    run(server)
    assert server.asked == asked


@WAYS
@pytest.mark.parametrize("schema", [None, Disconnected("gone")], ids=["there is none", "it cannot be reached"])
def test_a_result_is_not_lost_for_a_missing_schema(run: Run, schema: Any) -> None:
    server = Server(ELSEWHERE, schema)
    assert run(server) == ELSEWHERE
    assert server.asked == [CREATE, MODEL], "and it is not asked for again and again"


def test_what_could_not_be_reached_is_asked_for_again_and_what_is_not_there_is_not() -> None:
    for schema, requests in ((Disconnected("gone"), 3), (None, 1)):
        server = Server(ELSEWHERE, schema)
        run(server, times=3)
        assert server.asked.count(MODEL) == requests


# ---- schemas ----


def schema(output: Any, **named: Any) -> Schema:
    return Schema.of({"components": {"schemas": {"Output": output, **named}}})


@pytest.mark.parametrize(
    ("output", "node", "named", "found"),
    [
        ("u", URI, {}, ["u"]),
        ("u", {"type": "string"}, {}, []),
        (["u", "v"], {"type": "array", "items": URI}, {}, ["u", "v"]),
        ({"a": "u", "b": "v"}, {"properties": {"a": URI, "b": {"type": "string"}}}, {}, ["u"]),
        ({"a": "u"}, {"additionalProperties": URI}, {}, ["u"]),
        ("u", {"$ref": "#/components/schemas/File"}, {"File": URI}, ["u"]),
        (["u"], {"items": {"allOf": [{"$ref": "#/components/schemas/File"}]}}, {"File": URI}, ["u"]),
        ("u", {"anyOf": [{"type": "number"}, URI]}, {}, ["u"]),
        ({"a": [{"b": "u"}]}, {"properties": {"a": {"items": {"properties": {"b": URI}}}}}, {}, ["u"]),
        ("u", {"$ref": "#/components/schemas/Nothing"}, {}, []),
        ("u", {"$ref": "https://example.com/schema"}, {}, []),
        (["u"], {"items": True}, {}, []),
        ("u", {"anyOf": "nonsense"}, {}, []),
        ({"a": "u"}, {"properties": []}, {}, []),
    ],
)
def test_a_schema_says_which_strings_are_urls_at_any_depth(
    output: Any, node: Any, named: dict[str, Any], found: list[str]
) -> None:
    assert list(said_to_be_urls(output, schema(node, **named))) == found


def test_a_schema_may_refer_to_itself() -> None:
    tree = {"$ref": "#/components/schemas/Tree"}
    both = {"anyOf": [tree, tree, {"items": tree}, {"properties": {"file": URI, "more": tree}}]}
    output: Any = {"file": "u"}
    for _ in range(60):
        output = {"more": [output, output]}
    assert list(said_to_be_urls({"more": {"file": "u"}}, schema(tree, Tree=both))) == ["u"]
    assert set(said_to_be_urls(output, schema(tree, Tree=both))) == {"u"}
