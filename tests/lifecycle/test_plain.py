"""Every other call of the API, and downloads: one request, repeated where that does no harm."""

from __future__ import annotations

import attrs
import pytest

from replicate_home.exceptions import (
    AuthenticationError,
    ConnectFailed,
    Disconnected,
    FileExpired,
    NotFound,
    ProtocolError,
    RateLimited,
    RequestTimeout,
    ServerError,
    UnsafeURL,
)
from replicate_home.lifecycle.life import Life
from replicate_home.lifecycle.machine import Kind, Pausing, Sending, Settled, State, downloading, plain
from replicate_home.wire import Request

from .lives import HOSTED, NOW, TOKEN, answer, get_request, terms

GET = get_request()
POST = HOSTED.call("POST", "/predictions/p1/cancel")
FILE = Request("GET", "https://replicate.delivery/x.png?signature=1", {"Accept": "*/*"}, streams=True)
LIFE = Life(terms(), NOW)
LOST = Disconnected("cut", phase="headers", may_have_been_processed=True)


def sent(request: Request = GET, **more) -> Sending:
    return Sending(LIFE, Kind.PLAIN, request, NOW + 30, **more)


def settled(state: State) -> Settled:
    assert isinstance(state, Settled)
    return state


def pause_after(state: State) -> float:
    assert isinstance(state, Pausing)
    assert state.then.attempt == 1
    return state.until - NOW


def test_a_call_is_one_request():
    assert plain(terms(), GET, NOW) == sent()
    assert plain(terms(), POST, NOW, repeatable=True) == sent(POST, repeatable=True)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_its_answer_is_the_result(status):
    response = answer(status, {"username": "ada"})
    assert sent().next(response, NOW) == Settled(LIFE, answer=response)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "QUERY"])
@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524])
def test_what_may_be_repeated_is_sent_again_after_a_failure_of_the_moment(method, status):
    assert pause_after(sent(HOSTED.call(method, "/x")).next(answer(status), NOW)) == 0.25


@pytest.mark.parametrize("lost", [ConnectFailed("refused"), RequestTimeout("slow"), ProtocolError("not HTTP")])
def test_so_it_is_where_no_answer_came(lost):
    assert pause_after(sent().next(lost, NOW)) == 0.25


def test_a_broken_connection_is_replaced_at_once_but_only_once():
    assert pause_after(sent().next(LOST, NOW)) == 0
    assert sent(attempt=1).next(LOST, NOW).until - NOW == 0.5


def test_four_attempts_are_all():
    state = settled(sent(attempt=3).next(answer(503), NOW))
    assert type(state.error) is ServerError


@pytest.mark.parametrize("status", [500, 503])
def test_a_post_is_not_repeated_after_a_failing_server(status):
    assert type(settled(sent(POST).next(answer(status), NOW)).error) is ServerError
    assert pause_after(sent(POST, repeatable=True).next(answer(status), NOW)) == 0.25


def test_nor_after_an_answer_that_was_lost():
    assert settled(sent(POST).next(LOST, NOW)).error is LOST
    assert pause_after(sent(POST, repeatable=True).next(LOST, NOW)) == 0


def test_but_where_it_was_not_processed():
    assert pause_after(sent(POST).next(ConnectFailed("refused"), NOW)) == 0.25
    assert pause_after(sent(POST).next(answer(429, retry_after="3"), NOW)) == pytest.approx(3.15)


def test_a_wait_that_the_deadline_does_not_allow_is_an_error_at_once():
    life = Life(terms(deadline=NOW + 3), NOW)
    error = settled(Sending(life, Kind.PLAIN, GET).next(answer(429, retry_after="3"), NOW)).error
    assert type(error) is RateLimited
    assert error.retry_after == 3


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (404, NotFound), (410, NotFound)])
def test_a_refusal_is_final(status, kind):
    assert type(settled(sent().next(answer(status), NOW)).error) is kind


@pytest.mark.parametrize("request_", [GET, POST])
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
@pytest.mark.parametrize("location", ["https://elsewhere.example/", "", "http://["])
def test_a_redirect_elsewhere_is_not_followed(request_, status, location):
    assert type(settled(sent(request_).next(answer(status, location=location), NOW)).error) is ProtocolError


def test_one_within_the_origin_is_followed_for_a_get_alone():
    moved = answer(308, location="/v1/there")
    there = attrs.evolve(GET, url="https://api.replicate.com/v1/there")
    assert sent().next(moved, NOW) == attrs.evolve(sent(there), hops=1)
    assert type(settled(sent(POST).next(moved, NOW)).error) is ProtocolError
    assert type(settled(sent(hops=3).next(moved, NOW)).error) is ProtocolError


def test_max_retries_may_be_absurd():
    life = Life(terms(max_retries=10**6), NOW)
    state = Sending(life, Kind.PLAIN, GET, attempt=5000).next(answer(503), NOW)
    assert isinstance(state, Pausing)
    assert state.until - NOW <= 8


# ---- downloads -----------------------------------------------------------------------------------------------


def download(request: Request = FILE, **more) -> Sending:
    return Sending(LIFE, Kind.FILE, request, NOW + 30, **more)


def test_a_download_is_settled_with_its_answer():
    assert downloading(terms(), FILE, NOW) == download()
    assert download().next(answer(200), NOW) == Settled(LIFE, answer=answer(200))


def test_it_follows_five_redirects_to_public_hosts_and_takes_no_credentials_along():
    request = Request("GET", HOSTED.base_url + "/files/1", {"Accept": "*/*", "X-Api-Key": "k"}, token=HOSTED.token)
    state: State = download(request)
    for hop in range(1, 6):
        state = state.next(answer(302, location=f"https://cdn{hop}.example/x"), NOW)
        assert state == download(Request("GET", f"https://cdn{hop}.example/x", {"Accept": "*/*"}), hops=hop)
    assert type(settled(state.next(answer(302, location="https://cdn6.example/x"), NOW)).error) is UnsafeURL


@pytest.mark.parametrize(
    "location",
    ["", "http://cdn.example/", "https://127.0.0.1/", "https://169.254.169.254/latest", "file:///etc/passwd",
     "https://u:p@cdn.example/", "https://[", "https://localhost./"],
)  # fmt: skip
def test_no_other_redirect_is_followed(location):
    error = settled(download().next(answer(302, location=location), NOW)).error
    assert type(error) is UnsafeURL


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_file_that_is_gone_has_expired(status):
    error = settled(download().next(answer(status), NOW)).error
    assert type(error) is FileExpired
    assert "signature" not in str(error)
    assert "https://replicate.delivery/x.png" in str(error)


def test_a_failure_of_the_moment_is_tried_again():
    assert pause_after(download().next(answer(503), NOW)) == 0.25


def test_no_error_shows_the_token():
    for came in (answer(401, {"detail": TOKEN}), answer(500, f"<{TOKEN * 60}>".encode()), answer(302, location="")):
        assert TOKEN[:8] not in str(settled(sent(attempt=3).next(came, NOW)).error)


def test_an_answer_that_makes_no_sense_is_asked_for_once_more():
    nonsense = ProtocolError("not HTTP")
    assert isinstance(sent().next(nonsense, NOW), Pausing)
    assert sent(attempt=1).next(nonsense, NOW) == Settled(LIFE, nonsense)
