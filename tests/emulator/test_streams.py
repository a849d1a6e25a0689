"""Event streams, as the hosted API writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from replicate_home.clock import FakeClock
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.registry import LocalRun

from .api import Api, parse_events

PNG = b"\x89PNG\r\n\x1a\n"


def api_of(function: Any) -> Api:
    return Api(Emulator({"local/model": function}, clock=FakeClock()))


def streaming(*pieces: Any) -> Api:
    def model(run: LocalRun) -> Iterator[str]:
        for piece in pieces:
            run.sleep(1)
            yield piece

    return api_of(model)


def test_events_are_written_as_the_hosted_api_writes_them() -> None:
    def model(run: LocalRun) -> Iterator[str]:
        run.log("began")
        yield "Hel"
        run.sleep(1.5)
        yield "lo\n\nyou"

    api = api_of(model)
    body = api.open_stream(api.create())
    text = b""
    while piece := body.read(None):
        text += piece
    assert text.decode() == (
        "event: logs\nid: 1700000000:0\ndata: began\ndata: \n\n"
        "event: output\nid: 1700000000:1\ndata: Hel\n\n"
        "event: output\nid: 1700000001:2\ndata: lo\ndata: \ndata: you\n\n"
        "event: done\ndata: {}\n\n"
    )
    assert body.read(None) == b""


@pytest.mark.parametrize("piece", ["", "\n", "a\n", "\na", "a\u2028b\x85c\x0bd", " leading", "data: x", "ü😀", "\0"])
def test_every_piece_of_text_arrives_as_it_was(piece: str) -> None:
    api = streaming(piece)
    assert [event[:2] for event in api.events(api.create())] == [("output", piece), ("done", "{}")]


def test_every_kind_of_line_end_becomes_a_line_of_data() -> None:
    api = streaming("a\rb\r\nc\n")
    assert api.events(api.create())[0][1] == "a\nb\nc\n"


def test_a_lone_surrogate_is_replaced_in_the_stream_and_the_output_alike() -> None:
    api = streaming("a\ud800b")
    created = api.create()
    assert api.events(created)[0][1] == "a?b"
    assert api.get(f"/predictions/{created['id']}")["output"] == ["a?b"]


def test_a_failure_is_an_error_and_a_done_with_the_reason() -> None:
    def model() -> Iterator[str]:
        yield "a"
        raise ValueError('say "no"')

    api = api_of(model)
    output, logs, *rest = api.events(api.create())
    assert (output, logs[1].splitlines()[-1]) == (("output", "a", "1700000000:0"), 'ValueError: say "no"')
    assert rest == [
        ("error", '{"detail": "ValueError: say \\"no\\""}', "1700000000:2"),
        ("done", '{"reason": "error"}', None),
    ]


def test_a_cancel_is_a_done_with_the_reason() -> None:
    api = streaming("a", "b")
    created = api.create()
    body = api.open_stream(created)
    first = body.read(None)
    api.send("POST", f"/predictions/{created['id']}/cancel")
    assert [event[:2] for event in parse_events(first + body.read(None))] == [
        ("output", "a"),
        ("done", '{"reason": "canceled"}'),
    ]
    assert body.read(None) == b""


@pytest.mark.parametrize("seen", range(4))
def test_a_stream_is_resumed_after_the_last_event_seen(seen: int) -> None:
    api = streaming("a", "b", "c")
    created = api.create()
    events = api.events(created)
    headers = {"Last-Event-ID": events[seen - 1][2] or ""} if seen else None
    assert api.events(created, headers) == events[seen:]


@pytest.mark.parametrize("id", ["", "x", "1:2:3", "-1:-1", "١:١", "1700000001:99999999999999999999999"])
def test_a_last_event_id_that_is_not_ours_replays_everything(id: str) -> None:
    api = streaming("a", "b")
    created = api.create()
    assert api.events(created, {"Last-Event-ID": id}) == api.events(created)


def test_a_prediction_can_be_streamed_by_several_and_after_its_end() -> None:
    api = streaming("a", "b")
    created = api.create()
    first, second = api.open_stream(created), api.open_stream(created)
    assert first.read(None) == second.read(None)
    assert [event[1] for event in api.events(created)] == ["a", "b", "{}"]


def annotated_text() -> Iterator[str]:
    yield "a"


def annotated_files() -> Iterator[bytes]:
    yield PNG


def annotated_numbers() -> Iterator[int]:
    yield 1


def bare(kind: str):
    yield {"text": "a", "file": PNG, "number": 1}[kind]


def plain() -> str:
    return "a"


@pytest.mark.parametrize(
    ("function", "path"),
    [
        (annotated_text, "/v1/streams/"),
        (annotated_files, "/v1/files/streams/"),
        (annotated_numbers, None),
        (bare, "/v1/streams/"),
        (plain, None),
    ],
)
def test_only_what_may_be_streamed_has_a_stream_url(function: Any, path: str | None) -> None:
    urls = api_of(function).create(**({"kind": "text"} if function is bare else {}))["urls"]
    assert ("stream" in urls) == (path is not None)
    assert path is None or urls["stream"].startswith("https://local.invalid" + path)


def test_files_are_streamed_as_their_urls() -> None:
    api = api_of(annotated_files)
    created = api.create()
    url = f"https://local.invalid/delivery/{created['id']}/output.png"
    assert [event[:2] for event in api.events(created)] == [("output", url), ("done", "{}")]
    assert api.get(f"/predictions/{created['id']}")["output"] == [url]


def test_a_generator_without_annotation_streams_if_its_first_item_can_be_streamed() -> None:
    api = api_of(bare)
    assert [event[1] for event in api.events(api.create(kind="text"))] == ["a", "{}"]
    assert api.events(api.create(kind="file"))[0][1].endswith("/output.png")
    assert api.refused("GET", api.create(kind="number")["urls"]["stream"])["status"] == 404


def test_a_generator_that_ends_without_an_item_streams_nothing() -> None:
    def model():
        yield from ()

    api = api_of(model)
    created = api.create()
    assert api.events(created) == [("done", "{}", None)]
    assert api.get(f"/predictions/{created['id']}")["output"] == []


def test_the_first_item_is_waited_for_in_virtual_time() -> None:
    def model(run: LocalRun):
        run.log("thinking")
        run.sleep(5)
        yield 1

    api = api_of(model)
    assert api.refused("GET", api.create()["urls"]["stream"])["status"] == 404
    assert api.emulator.clock.now() == 5.0
