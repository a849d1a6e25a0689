"""Whatever is sent, the answer is a response, and the server goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from replicate_home.clock import FakeClock
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.registry import LocalRun
from replicate_home.wire import Request


def model(run: LocalRun, prompt: str, n: int = 1, image: bytes | None = None) -> Iterator[str]:
    yield prompt * n


def answered(request: Request) -> None:
    emulator = Emulator({"local/model": model}, clock=FakeClock())
    response, body = emulator.handle(request)
    if body is not None:
        body.close()
    assert 200 <= response.status < 500
    if response.status >= 400:
        assert json.loads(response.body)["status"] == response.status
    assert emulator.handle(Request("GET", "https://local.invalid/v1/account"))[0].status == 200


_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
_methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY"])
_segments = st.sampled_from(
    [
        "predictions",
        "models",
        "files",
        "account",
        "cancel",
        "versions",
        "download",
        "streams",
        "delivery",
        "local",
        "model",
    ]
)
_paths = st.lists(_segments | st.text(max_size=8), max_size=6).map("/".join)


@given(_methods, _paths, st.text(max_size=20), st.binary(max_size=50))
def test_any_path(method: str, path: str, query: str, body: bytes) -> None:
    answered(Request(method, f"https://local.invalid/v1/{path}?{query}", {}, body))


@given(st.text(max_size=40))
def test_any_url(url: str) -> None:
    answered(Request("GET", url))


@given(_json)
def test_any_json_as_the_body_of_a_create(body: Any) -> None:
    answered(Request("POST", "https://local.invalid/v1/predictions", {}, json.dumps(body).encode()))


@given(
    st.fixed_dictionaries(
        {"input": st.fixed_dictionaries({}, optional={"prompt": _json, "n": _json, "image": _json})},
        optional={"version": st.just("local/model") | _json, "webhook": _json, "webhook_events_filter": _json},
    )
)
def test_any_field_of_a_create(body: Any) -> None:
    answered(Request("POST", "https://local.invalid/v1/models/local/model/predictions", {}, json.dumps(body).encode()))


@given(st.dictionaries(st.sampled_from(["Prefer", "Cancel-After", "Authorization", "Content-Type"]), st.text()))
def test_any_header(headers: dict[str, str]) -> None:
    body = b'{"version": "local/model", "input": {"prompt": "x"}}'
    answered(Request("POST", "https://local.invalid/v1/predictions", headers, body))
    answered(Request("GET", "https://local.invalid/v1/predictions", headers))


@given(st.text(max_size=30), st.binary(max_size=200))
def test_any_form(kind: str, body: bytes) -> None:
    for content_type in (kind, "multipart/form-data; boundary=" + kind, "multipart/form-data; boundary=x"):
        answered(Request("POST", "https://local.invalid/v1/files", {"Content-Type": content_type}, body))
        framed = b"--x\r\n" + body + b"\r\n--x--\r\n"
        answered(Request("POST", "https://local.invalid/v1/files", {"Content-Type": content_type}, framed))


@given(st.text(max_size=40))
def test_any_string_as_a_file(uri: str) -> None:
    body = json.dumps({"version": "local/model", "input": {"prompt": "x", "image": uri}}).encode()
    answered(Request("POST", "https://local.invalid/v1/predictions", {"Prefer": "wait"}, body))
    body = json.dumps({"version": "local/model", "input": {"prompt": "x", "image": "data:" + uri}}).encode()
    answered(Request("POST", "https://local.invalid/v1/predictions", {"Prefer": "wait"}, body))


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_range_and_event_id(asked: str, id: str) -> None:
    emulator = Emulator({"local/file": lambda: b"abc", "local/model": model}, clock=FakeClock())
    for name, inputs in (("local/file", {}), ("local/model", {"prompt": "x"})):
        body = json.dumps({"version": name, "input": inputs}).encode()
        created, _ = emulator.handle(Request("POST", "https://x.invalid/v1/predictions", {"Prefer": "wait"}, body))
        shown, _ = emulator.handle(Request("GET", json.loads(created.body)["urls"]["get"]))
        prediction = json.loads(shown.body)
        url = prediction["urls"].get("stream") or prediction["output"]
        response, _ = emulator.handle(Request("GET", url, {"Range": asked, "Last-Event-ID": id}))
        assert response.status in (200, 206, 416)
