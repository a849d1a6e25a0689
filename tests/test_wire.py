"""Requests and responses are values, and the token in them is a secret that is neither shown nor pickled."""

from __future__ import annotations

import copy
import pickle

import attrs
import pytest

from replicate_home.wire import Request, Response, Secret, Timeout

TOKEN = "r8_CANARYcanaryCANARYcanaryCANARYcanary1"
REQUEST = Request("GET", "https://api.replicate.com/v1/account", {"X-Key": "hidden"}, b"hidden", Secret(TOKEN))


@pytest.mark.reliability
@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, lambda secret: f"{secret:>50}".strip()])
def test_a_secret_is_shown_by_its_ends_alone(show):
    """G3: enough to tell two tokens apart, too little to use one."""
    assert show(str(Secret(TOKEN)) if show.__class__.__name__ == "function" else Secret(TOKEN)) == "r8_***y1"


@pytest.mark.parametrize("value", ["", "short", "r8_12345678"])
def test_a_short_one_is_not_shown_at_all(value):
    assert repr(Secret(value)) == "***"


def test_it_is_revealed_to_those_who_ask():
    assert Secret(TOKEN).reveal() == TOKEN


def test_it_is_compared_by_what_it_holds():
    assert Secret(TOKEN) == Secret(TOKEN)
    assert len({Secret(TOKEN), Secret(TOKEN)}) == 1
    assert Secret(TOKEN) != Secret("other")
    assert Secret(TOKEN) != TOKEN


@pytest.mark.reliability
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_loses_it_and_copying_does_not(protocol):
    data = pickle.dumps([Secret(TOKEN), REQUEST], protocol)
    assert TOKEN.encode() not in data
    assert pickle.loads(data) == [Secret(""), attrs.evolve(REQUEST, token=Secret(""))]
    assert copy.copy(REQUEST) == copy.deepcopy(REQUEST) == REQUEST


def test_it_has_no_attributes_to_print():
    with pytest.raises(TypeError):
        vars(Secret(TOKEN))


def test_a_request_shows_neither_headers_nor_body():
    assert repr(REQUEST) == (
        "Request(method='GET', url='https://api.replicate.com/v1/account', token=r8_***y1, streams=False)"
    )


def test_requests_and_responses_cannot_be_changed():
    for value, name in ((REQUEST, "url"), (Response(200), "status"), (Timeout(), "total")):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(value, name, 1)


@pytest.mark.parametrize(
    ("header", "media_type"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        (" text/event-stream ;x", "text/event-stream"),
        ("", ""),
        (None, ""),
        (";", ""),
    ],
)
def test_the_media_type_is_without_its_parameters(header, media_type):
    headers = {} if header is None else {"content-type": header}
    assert Response(200, headers).content_type == media_type


@pytest.mark.parametrize(
    ("status", "header", "is_one"),
    [
        (200, "text/event-stream", True),
        (200, "TEXT/EVENT-STREAM; charset=utf-8", True),
        (201, "text/event-stream", False),
        (204, "text/event-stream", False),
        (404, "text/event-stream", False),
        (200, "text/plain", False),
        (200, "text/event-stream-x", False),
    ],
)
def test_an_event_stream_is_a_200_of_that_type(status, header, is_one):
    assert Response(status, {"content-type": header}).is_event_stream is is_one


def test_the_defaults_are_those_that_are_promised():
    assert Timeout() == Timeout(total=600.0, connect=5.0, read=30.0, idle=60.0)
