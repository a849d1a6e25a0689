"""The emulator as a transport."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from replicate_home.clock import FakeClock
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.registry import LocalRun
from replicate_home.emulator.transport import InProcessTransport
from replicate_home.exceptions import Disconnected, RequestTimeout
from replicate_home.wire import Request, Response, Secret

from .api import Api


def slow(run: LocalRun, n: int = 2) -> Iterator[str]:
    for number in range(n):
        run.sleep(1)
        yield str(number)


@pytest.fixture
def api() -> Api:
    return Api(Emulator({"local/model": slow, "local/file": lambda: bytes(200_000)}, clock=FakeClock()))


def test_it_says_what_a_client_should_take_from_it(api: Api) -> None:
    transport = api.transport
    assert (transport.backend, transport.base_url) == ("local", "https://local.invalid/v1")
    assert transport.clock is api.emulator.clock
    assert InProcessTransport(api.emulator, backend="replicate").backend == "replicate"


def test_no_time_left_is_a_timeout_before_anything_was_done(api: Api) -> None:
    with pytest.raises(RequestTimeout) as caught:
        api.send("POST", "/predictions", {"version": "local/model", "input": {}}, deadline=0.0)
    assert (caught.value.phase, caught.value.may_have_been_processed) == ("connect", False)
    assert list(api.emulator.calls) == []


def test_a_body_comes_only_where_it_was_asked_for(api: Api) -> None:
    created = api.create()
    whole = api.send("GET", created["urls"]["stream"])
    assert whole.is_event_stream
    assert whole.body.endswith(b"event: done\ndata: {}\n\n")
    request = api.request("GET", "/predictions/unknown", streams=True)
    response, body = api.transport.send(request, None)
    assert (response.status, body) == (404, None)
    assert json.loads(response.body)["status"] == 404


def test_an_event_stream_that_is_wanted_whole_is_bound_by_the_deadline(api: Api) -> None:
    created = api.create()
    with pytest.raises(RequestTimeout):
        api.send("GET", created["urls"]["stream"], deadline=1.5)
    assert api.emulator.clock.now() == 1.5


@pytest.mark.parametrize(("headers", "status", "length"), [({}, 200, 200_000), ({"Range": "bytes=0-99"}, 206, 100)])
def test_a_download_comes_in_slices(api: Api, headers: dict[str, str], status: int, length: int) -> None:
    url = api.held("local/file")["output"]
    response, body = api.transport.send(api.request("GET", url, headers=headers, streams=True), None)
    assert (response.status, response.body) == (status, b"")
    assert body is not None
    sizes = []
    while piece := body.read(None):
        sizes.append(len(piece))
    assert (sum(sizes), max(sizes) <= 65_536) == (length, True)
    body.close()
    body.close()


@pytest.mark.parametrize("path", ["stream", "file"])
def test_a_closed_body_is_cut(api: Api, path: str) -> None:
    url = api.create()["urls"]["stream"] if path == "stream" else api.held("local/file")["output"]
    _, body = api.transport.send(api.request("GET", url, streams=True), None)
    assert body is not None
    body.close()
    with pytest.raises(Disconnected) as caught:
        body.read(None)
    assert caught.value.phase == "body"


def test_an_upload_is_read_from_its_source(api: Api) -> None:
    class Body:
        length = 0

        def open(self) -> Iterator[bytes]:
            yield b'{"version": "local/model",'
            yield b'"input": {}}'

    response, _ = api.transport.send(Request("POST", api.transport.base_url + "/predictions", body=Body()), None)
    assert response.status == 201


def test_the_token_is_sent_and_shown_nowhere() -> None:
    transport = InProcessTransport(Emulator(api_token="r8_very_secret_token"))
    request = Request("GET", transport.base_url + "/account", token=Secret("r8_very_secret_token"))
    response, _ = transport.send(request, None)
    assert response.status == 200
    assert "very_secret" not in repr((transport, request, response, transport.emulator.requests))


def test_after_close_it_may_be_used_again(api: Api) -> None:
    api.transport.close()
    assert api.get("/account")["username"] == "local"


def test_in_virtual_time_silence_in_a_stream_is_broken_by_a_comment_every_fifteen_seconds() -> None:
    def model(run: LocalRun) -> Iterator[str]:
        run.sleep(40)
        yield "at last"

    api = Api(Emulator({"local/model": model}, clock=FakeClock()))
    body = api.open_stream(api.create())
    seen = [(body.read(None), api.emulator.clock.now()) for _ in range(3)]
    assert seen == [
        (b": keep-alive\n\n", 15.0),
        (b": keep-alive\n\n", 30.0),
        (b"event: output\nid: 1700000040:0\ndata: at last\n\nevent: done\ndata: {}\n\n", 40.0),
    ]


def test_in_real_time_silence_in_a_stream_is_broken_by_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicate_home.emulator.event_stream.KEEP_ALIVE", 0.01)

    def model(run: LocalRun) -> Iterator[str]:
        run.sleep(3600)
        yield "never"

    with Emulator({"local/model": model}) as emulator:
        body = Api(emulator).open_stream(Api(emulator).create())
        assert body.read(time.monotonic() + 10) == b": keep-alive\n\n"
        body.close()


def test_in_real_time_a_read_ends_at_its_deadline() -> None:
    def model(run: LocalRun) -> Iterator[str]:
        run.sleep(3600)
        yield "never"

    with Emulator({"local/model": model}) as emulator:
        api = Api(emulator)
        body = api.open_stream(api.create())
        with pytest.raises(RequestTimeout) as caught:
            body.read(time.monotonic() + 0.02)
        assert caught.value.phase == "body"
        with pytest.raises(RequestTimeout):
            api.send(
                "POST",
                "/predictions",
                {"version": "local/model", "input": {}},
                headers={"Prefer": "wait"},
                deadline=time.monotonic() + 0.02,
            )


def test_the_answer_is_a_value(api: Api) -> None:
    answer: Any = api.send("GET", "/account")
    assert answer == Response(
        200,
        {"content-type": "application/json", "ratelimit-remaining": "2999", "ratelimit-reset": "1"},
        answer.body,
    )
