"""How a Cog server is asked, and what its answers mean."""

from __future__ import annotations

import json
import math

import attrs
import pytest

from replicate_home.dialects.base import Create, Refusal
from replicate_home.dialects.cog import Cog
from replicate_home.dialects.refs import ModelRef
from replicate_home.exceptions import InvalidInput, PermissionDenied, ProtocolError
from replicate_home.protocol.sse import Decoder, ServerSentEvent
from replicate_home.records.prediction import Snapshot
from replicate_home.wire import Response, Secret

COG = Cog("http://cog:5000", Secret("r8_of_the_proxy"))
WANTED = Create(ModelRef("me", "model"), {"n": 1}, id="rh1", created_at="2026-01-01T00:00:00+00:00")
KNOWN = Snapshot({"id": "rh1", "status": "processing", "model": "me/model", "input": {"n": 1}})


def shape(request):
    body = None if request.body is None else json.loads(request.body)
    return request.method, request.url, request.headers.get("Accept"), request.headers.get("Prefer"), body


def test_what_is_followed_is_asked_for_as_events_by_a_post_that_may_take_its_time():
    request = COG.create(WANTED)
    assert shape(request) == (
        "POST", "http://cog:5000/predictions", "text/event-stream", None, {"id": "rh1", "input": {"n": 1}},
    )  # fmt: skip
    assert (request.streams, request.hold, request.token) == (True, math.inf, Secret("r8_of_the_proxy"))


def test_what_is_not_followed_is_a_synchronous_call():
    request = COG.create(attrs.evolve(WANTED, follows=False))
    assert shape(request)[2:4] == ("application/json", None)
    assert (request.streams, request.hold) == (False, math.inf)


def test_what_a_webhook_hears_of_goes_on_in_the_background():
    wanted = attrs.evolve(WANTED, follows=False, webhook="http://me/", webhook_events_filter=["completed"])
    request = COG.create(wanted)
    assert shape(request)[2:] == (
        "application/json",
        "respond-async",
        {"id": "rh1", "input": {"n": 1}, "webhook": "http://me/", "webhook_events_filter": ["completed"]},
    )
    assert request.hold == 0


def test_a_model_that_does_not_stream_is_asked_once_more_for_its_end_alone():
    create = COG.create(WANTED)
    other = COG.instead(create, 406)
    assert other == attrs.evolve(create, headers={**create.headers, "Accept": "application/json"}, streams=False)
    assert [COG.instead(create, 422), COG.instead(other, 406)] == [None, None]


@pytest.mark.parametrize(
    ("status", "refusal"),
    [(409, Refusal.LATER), (503, Refusal.LATER), (429, Refusal.AGAIN), (500, Refusal.UNKNOWN), (502, Refusal.UNKNOWN),
     (422, Refusal.FINAL), (404, Refusal.FINAL)],
)  # fmt: skip
def test_busy_and_setting_up_mean_later(status, refusal):
    assert COG.refusal(status) is refusal


def test_polling_and_attaching_can_never_start_a_run():
    for request in (COG.poll(KNOWN), COG.stream(KNOWN, "0:5")):
        assert (request.method, request.url) == ("PUT", "http://cog:5000/predictions/rh1")
        assert json.loads(request.body) == {"input": "?"}
    assert COG.stream(KNOWN, None).streams


def test_an_id_that_is_a_path_is_refused():
    with pytest.raises(InvalidInput):
        COG.cancel(Snapshot({"id": "../shutdown"}))


@pytest.mark.parametrize(
    ("response", "is_gone"),
    [
        (Response(404), True),
        (Response(422), True),
        (
            Response(200, body=b'{"status":"failed","error":"Input validation error: Input must be a JSON object"}'),
            True,
        ),
        (Response(202, body=b'{"status":"processing"}'), False),
        (Response(503), False),
    ],
)
def test_what_does_not_run_is_gone(response, is_gone):
    assert COG.gone(response) is is_gone


def test_what_the_server_leaves_out_is_as_it_was_asked_for():
    expected = COG.expected(WANTED)
    assert expected.to_dict() == {
        "id": "rh1", "model": "me/model", "input": {"n": 1}, "status": "starting",
        "created_at": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    answer = Response(200, body=b'{"id":"rh1","status":"succeeded","output":"x","logs":"","created_at":null}')
    told = COG.snapshot(answer, expected)
    assert (told.status, told.output, told.model, told.created_at) == (
        "succeeded", "x", "me/model", "2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    assert COG.snapshot(Response(200, body=b"{}"), expected) == expected, "as a cancel is answered"


def heard(text):
    return COG.heard(Decoder().feed(text.encode()))


def test_events_are_translated_and_numbered():
    assert heard(
        'event: start\ndata: {"id":"rh1","status":"processing"}\n\n'
        'event: log\ndata: {"data":"a\\n","source":"stdout"}\n\n'
        'event: output\ndata: {"chunk":"tok0 ","index":0}\n\n'
        'event: metric\ndata: {"name":"x","value":1}\n\n'
        'event: completed\ndata: {"id":"rh1","status":"succeeded"}\n\n'
        'event: error\ndata: {"error":"lagged"}\n\n'
    ) == [
        ServerSentEvent("prediction", '{"id":"rh1","status":"processing"}', None, ""),
        ServerSentEvent("logs", "a\n", None, ""),
        ServerSentEvent("output", "tok0 ", "0:0", ""),
        ServerSentEvent("prediction", '{"id":"rh1","status":"succeeded"}', None, ""),
        ServerSentEvent("error", '{"error":"lagged"}', None, ""),
    ]


@pytest.mark.parametrize(
    "event",
    ["event: output\ndata: {}\n\n", "event: output\ndata: no\n\n", 'event: output\ndata: {"index":true}\n\n',
     "event: log\ndata: {}\n\n", "event: log\ndata: []\n\n"],
)  # fmt: skip
def test_an_event_without_sense_is_a_protocol_error(event):
    with pytest.raises(ProtocolError):
        heard(event)


def test_a_setup_that_failed_is_told_with_its_logs():
    broken = COG.broken(Response(200, body=b'{"status":"SETUP_FAILED","setup":{"logs":"no weights"}}'))
    assert broken is not None
    assert broken.endswith("it said: no weights")
    for body in (b'{"status":"STARTING"}', b'{"status":"BUSY"}', b"[]", b"no"):
        assert COG.broken(Response(200, body=body)) is None


def test_it_has_no_other_calls():
    with pytest.raises(PermissionDenied, match="a Cog server has no GET /predictions"):
        COG.call("GET", "/predictions")
