"""G6: a refusal is the error for its status, whatever its body; its words are kept, cleaned, and without the token."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.dialects.cog import Cog
from replicate_home.dialects.replicate import Replicate
from replicate_home.exceptions import (
    APIError,
    AuthenticationError,
    InvalidInput,
    ModelNotFound,
    NotFound,
    PaymentRequired,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ServerError,
)
from replicate_home.protocol.problems import api_error, redirect_error
from replicate_home.wire import Request, Response
from tests.lifecycle.lives import HOSTED, TOKEN, answer, get_request, snapshot

from ..hypothesis_profiles import examples

DATA = os.environ.get("REPLICATE_HOME_TEST_DATA")  # before the tests' own environment is cleared
GET = get_request()
STATUSES = [
    (400, InvalidInput), (401, AuthenticationError), (402, PaymentRequired), (403, PermissionDenied), (404, NotFound),
    (410, NotFound), (422, InvalidInput), (429, RateLimited), (500, ServerError), (503, ServerError),
    (599, ServerError), (405, APIError), (409, APIError), (413, APIError), (418, APIError), (451, APIError),
]  # fmt: skip
HOSTILE = [
    b"", b"[]", b'["x"]', b"null", b"1", b'"s"', b'{"detail":{"a":[1]}}', b'{"detail":null}', b'{"status":"200"}',
    b'{"status":99999}', b"<html>502 Bad Gateway</html>", b'{"detail":"' + b"x" * 10**7 + b'"}', b"\xff\xfe",
    b'{"title":"a\\r\\nb\\u001b[31m"}', b'{"a":' * 100_000, b'{"n":1e400}', b'{"title":[],"detail":false,"error":0}',
    b'{"detail":"\\ud800"}', b'{"detail":"' + TOKEN.encode() + b'"}', b'{"detail":' + b"[" * 190 + b"]" * 190 + b"}",
]  # fmt: skip


@pytest.mark.parametrize(("status", "kind"), STATUSES)
def test_each_status_has_its_error(status, kind):
    error = api_error(answer(status, {"title": "No", "detail": "not so"}), GET)
    assert type(error) is kind
    assert (error.status, error.title, error.detail, error.prediction) == (status, "No", "not so", None)
    assert str(error).startswith(f"GET https://api.replicate.com/v1/account: {status} No: not so")


@pytest.mark.parametrize("status", [404, 410])
def test_what_a_create_cannot_find_is_its_model(status):
    assert type(api_error(answer(status), GET, missing=ModelNotFound)) is ModelNotFound
    assert type(api_error(answer(400), GET, missing=ModelNotFound)) is InvalidInput


@pytest.mark.parametrize(
    ("body", "title", "detail"),
    [
        ({"detail": "d"}, None, "d"),
        ({"title": "t"}, "t", '{"title": "t"}'),
        ({"error": "e"}, None, "e"),
        ({"detail": "", "error": "e"}, None, "e"),
        ({"detail": {"a": [1]}}, None, "{'a': [1]}"),
        ({"detail": "two\r\nlines\x1b"}, None, "two lines"),
        ([1], None, "[1]"),
        (b"<html>\n<b>Bad</b>", None, "HTML page: Bad"),
        (b"\xff", None, "\ufffd"),
        (b"", None, None),
        (b"\x00", None, None),
    ],
)
def test_the_servers_words_are_kept_whatever_form_they_have(body, title, detail):
    error = api_error(answer(418, body), GET)
    assert (error.title, error.detail) == (title, detail)


def test_nothing_said_is_said():
    assert str(api_error(answer(500), GET)) == "GET https://api.replicate.com/v1/account: 500 no explanation"
    assert str(api_error(answer(500))) == "500 no explanation"


@pytest.mark.parametrize(
    ("dialect", "status", "words"),
    [
        (
            Replicate,
            401,
            "set REPLICATE_API_TOKEN or pass api_token= (tokens: https://replicate.com/account/api-tokens)",
        ),
        (Replicate, 402, "add credit at https://replicate.com/account/billing"),
        (Cog, 401, "Cog itself asks for no token: if what is in front of the server does, pass api_token= or headers="),
    ],
)
def test_some_errors_say_what_to_do_at_this_kind_of_server(dialect, status, words):
    said = "GET https://api.replicate.com/v1/account: "
    error = api_error(answer(status, b'{"detail": "No"}'), GET, advice=dialect.advice)
    assert str(error) == f"{said}{status} No; {words}"
    sentence = api_error(answer(status, b'{"detail": "No."}'), GET, advice=dialect.advice)
    assert str(sentence) == f"{said}{status} No. {words[0].upper()}{words[1:]}"


def test_a_server_that_asks_to_wait_is_quoted_with_the_seconds():
    error = api_error(answer(429, b'{"detail": "Slow down"}', retry_after="90"), GET)
    assert str(error) == "GET https://api.replicate.com/v1/account: 429 Slow down; the server asks to wait 90 s"


def test_the_fields_that_are_wrong_are_one_sentence():
    detail = "- input.width: width is required\n- input.seed: seed must be of type integer"
    error = api_error(answer(422, json.dumps({"title": "Input validation failed", "detail": detail}).encode()))
    assert str(error) == (
        "422 Input validation failed: input.width: width is required; input.seed: seed must be of type integer"
    )


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<html><head><title> 502 Bad\nGateway </title></head><body><h1>502</h1></body></html>", "502 Bad Gateway"),
        ("<!DOCTYPE html><style>a {}</style><p>Log in</p><script>x = '<b>'", "Log in"),
        ("<html><script>", "without any text"),
    ],
)
def test_of_a_page_its_words_are_kept(page, words):
    assert api_error(answer(502, page.encode())).detail == f"HTML page: {words}"


def test_a_server_that_has_no_address_is_not_named():
    nowhere = Request("GET", "https://local.invalid/v1/account")
    assert str(api_error(answer(404, b'{"detail": "not here"}'), nowhere)) == "404 not here"


def test_the_evidence_is_kept():
    error = api_error(answer(429, retry_after="7", x_request_id="abc"), GET, prediction=snapshot())
    assert isinstance(error, RateLimited)
    assert (error.retry_after, error.request_id, error.prediction) == (7, "abc", snapshot())


def test_a_date_is_read_at_the_time_of_day():
    too_many = answer(429, retry_after="Mon, 03 Jun 2019 11:30:12 GMT")
    error = api_error(too_many, GET, wall_time=1_559_559_600.0)
    assert isinstance(error, RateLimited)
    assert error.retry_after == 1812


@pytest.mark.reliability
@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:30]))
def test_no_body_is_worse_than_its_status(body):
    for status, kind in STATUSES:
        error = api_error(answer(status, body), GET)
        assert type(error) is kind
        assert len(str(error)) < 4700
        assert str(error).isprintable() or "\\ud800" in repr(str(error))


@pytest.mark.reliability
@examples(300, 50_000)
@given(
    status=st.integers(300, 999),
    body=st.binary(max_size=50)
    | st.dictionaries(
        st.sampled_from(["title", "detail", "error", "retry_after", "status"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9), st.lists, max_leaves=4
        ),
    ).map(lambda body: json.dumps(body).encode()),
    headers=st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "x-request-id"]), st.text(max_size=9)),
)
def test_any_answer_at_all_is_an_api_error(status, body, headers):
    error = api_error(Response(status, headers, body), GET)
    assert isinstance(error, APIError)
    assert error.status == status


@pytest.mark.reliability
@pytest.mark.parametrize("before", [0, 150, 190, 199, 2000, 2040, 2047, 4090])
@pytest.mark.parametrize(
    "wrap", ['{"detail": "%s"}', '{"title": "%s"}', '{"detail": ["%s"]}', "<p>%s</p>", '{"x": "%s"}']
)
def test_an_echoed_token_is_struck_out_wherever_the_text_is_cut(before, wrap):
    """G3: not even its beginning is left over where the words end."""
    body = (wrap % ("x" * before + TOKEN)).encode()
    for status in (400, 401, 500):
        error = api_error(answer(status, body), GET)
        assert TOKEN[:6] not in str(error)
        assert TOKEN[:6] not in repr(vars(error))


def test_the_query_of_a_url_is_not_shown():
    error = api_error(answer(500), HOSTED.call("GET", "/predictions?cursor=secret"))
    assert "secret" not in str(error)


def test_a_redirect_names_its_target():
    error = redirect_error(answer(301, location="https://elsewhere.example/\x1b"), GET)
    assert type(error) is ProtocolError
    assert str(error) == (
        "GET https://api.replicate.com/v1/account was redirected (301) to 'https://elsewhere.example/', "
        "which is not followed: check base_url"
    )
    assert "'nowhere'" in str(redirect_error(answer(301), GET))


@pytest.mark.reliability
def test_the_recorded_bodies_are_understood():
    if not DATA:
        pytest.skip("REPLICATE_HOME_TEST_DATA does not name the folder with problem_details.json")
    table: dict[str, Any] = json.loads((Path(DATA) / "problem_details.json").read_text("utf-8"))
    kinds = dict(STATUSES)
    for case in table["cases"]:
        error = api_error(answer(case["status"], case["body"]), GET)
        assert type(error) is kinds[case["status"]]
        assert error.title == case["body"].get("title")
        assert error.detail == case["body"].get("detail", error.detail)
    for body in table["hostile"]["bodies"]:
        assert type(api_error(answer(502, body.encode()), GET)) is ServerError
    assert (len(table["cases"]), len(table["hostile"]["bodies"])) == (6, 17)
