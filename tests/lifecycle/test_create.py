"""G2: a create is never sent twice unless the first is known not to have been processed.

Rule 1, as values: what each outcome of a create leads to.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.dialects.base import Create
from replicate_home.dialects.refs import ModelRef
from replicate_home.exceptions import (
    APIError,
    AuthenticationError,
    ConnectFailed,
    CreateOutcomeUnknown,
    CreateTimedOut,
    Disconnected,
    InvalidInput,
    ModelNotFound,
    PaymentRequired,
    PermissionDenied,
    ProtocolError,
    ProxyFailed,
    RateLimited,
    RequestTimeout,
    ServerError,
    TLSFailed,
    TransportError,
)
from replicate_home.lifecycle.life import Life
from replicate_home.lifecycle.machine import Kind, Pausing, Reading, Sending, Settled, State, creating, plain
from replicate_home.records.events import DoneEvent, StatusEvent
from replicate_home.records.prediction import Snapshot
from replicate_home.wire import Timeout

from ..hypothesis_profiles import examples
from .lives import CREATE, HOMEPAGE, NOW, TOKEN, answer, created, record, snapshot, terms, told

LIFE = Life(terms(), NOW)
SENDING = Sending(LIFE, Kind.CREATE, CREATE, until=NOW + 30)
PHASES = ("resolve", "connect", "tls", "proxy", "send", "wait", "headers", "body")
NOT_SENT = [ConnectFailed, ProxyFailed, RequestTimeout, Disconnected, TransportError]
THROTTLED = {"detail": "Request was throttled. Your rate limit resets in ~30s."}


def again(seconds: float, sending: Sending = SENDING) -> Pausing:
    """The same create, once more, after so many seconds."""
    life = attrs.evolve(sending.life, draws=sending.life.draws + 1)
    return Pausing(life, NOW + seconds, attrs.evolve(sending, life=life, attempt=sending.attempt + 1))


def settled(state: State) -> Settled:
    assert isinstance(state, Settled)
    return state


def test_a_life_begins_with_the_create_and_the_usual_patience_for_its_answer():
    assert creating(terms(), CREATE, NOW) == SENDING


@pytest.mark.parametrize(
    ("given_terms", "hold", "seconds"),
    [
        ({}, 5.0, 30),
        ({}, 60.0, 75),
        ({"deadline": NOW + 7}, 0.0, 7),
        ({"deadline": NOW + 7}, 60.0, 7),
        ({"timeout": Timeout(read=3)}, 0.0, 3),
        ({"timeout": Timeout(read=3)}, 60.0, 75),
    ],
)
def test_a_server_that_holds_the_create_is_given_15_s_more_than_it_was_asked_to_and_never_past_the_deadline(
    given_terms, hold, seconds
):
    assert creating(terms(**given_terms), attrs.evolve(CREATE, hold=hold), NOW).until == NOW + seconds


def test_without_limits_an_answer_may_take_for_ever():
    assert creating(terms(timeout=Timeout(read=None)), CREATE, NOW).until is None


def test_an_upload_has_no_limit_but_the_deadline_and_the_time_between_its_pieces():
    upload = attrs.evolve(CREATE, body=Streamed())
    limits = Timeout(total=50, connect=2, read=3, idle=9)
    sending = plain(terms(deadline=NOW + 50, timeout=limits), upload, NOW)
    assert (sending.until, sending.request.idle, sending.request.connect) == (NOW + 50, 9, 2)


@attrs.frozen
class Streamed:
    """A body that is read while it is sent."""

    length: int = 3

    def open(self) -> Iterator[bytes]:
        yield b"abc"


@pytest.mark.parametrize("streams", [True, False])
def test_a_held_create_that_has_the_output_is_confirmed_by_a_poll_at_once(streams):
    held = attrs.evolve(CREATE, hold=1.0)
    state = creating(terms(), held, NOW).next(told("processing", ["Hi"], code=201, streams=streams), NOW)
    assert (type(state), state.kind) == (Sending, Kind.POLL)


@pytest.mark.parametrize(
    ("hold", "code", "output"), [(1.0, 202, ["Hi"]), (1.0, 201, None), (0.0, 201, ["Hi"])],
    ids=["not yet all of it", "no output", "not held"],
)  # fmt: skip
def test_any_other_create_is_followed_by_its_stream(hold, code, output):
    state = creating(terms(), attrs.evolve(CREATE, hold=hold), NOW)
    state = state.next(told("processing", output, code=code, streams=True), NOW)
    assert (type(state), state.kind) == (Sending, Kind.STREAM)


# ---- sent again ----------------------------------------------------------------------------------------------


@pytest.mark.reliability
def test_too_many_requests_is_sent_again_after_the_time_the_server_asked_for_and_a_little():
    too_many = answer(429, retry_after="2")
    assert SENDING.next(too_many, NOW) == again(2.1)


def test_the_wait_may_stand_in_the_body():
    assert SENDING.next(answer(429, THROTTLED), NOW) == again(30.5)


def test_too_many_requests_without_a_wait_backs_off_slowly():
    assert [attrs.evolve(SENDING, attempt=n).next(answer(429), NOW).until - NOW for n in range(3)] == [0.5, 1, 2]


@pytest.mark.parametrize("kind", [ConnectFailed, ProxyFailed, RequestTimeout, TransportError])
def test_a_create_that_never_reached_the_server_is_sent_again(kind):
    assert SENDING.next(kind("unreachable", may_have_been_processed=False), NOW) == again(0.25)


def test_a_pooled_connection_that_turned_out_to_be_closed_is_replaced_at_once():
    stale = Disconnected("closed", phase="send", may_have_been_processed=False)
    assert SENDING.next(stale, NOW) == again(0)
    second = attrs.evolve(SENDING, attempt=1)
    assert second.next(stale, NOW) == again(0.5, second)


@pytest.mark.parametrize("outcome", [answer(429), ConnectFailed("refused")])
def test_four_attempts_are_all(outcome):
    last = attrs.evolve(SENDING, attempt=3)
    state = settled(last.next(outcome, NOW))
    assert isinstance(state.error, (RateLimited, ConnectFailed))
    assert state == Settled(LIFE, state.error)


def test_max_retries_0_is_one_attempt():
    state = creating(terms(max_retries=0), CREATE, NOW).next(ConnectFailed("refused"), NOW)
    assert isinstance(settled(state).error, ConnectFailed)


def test_a_certificate_that_is_refused_is_refused_again():
    refused = TLSFailed("self-signed", phase="tls")
    assert SENDING.next(refused, NOW) == Settled(LIFE, refused)


@pytest.mark.parametrize("value", ["61", "3600", "99999999999999999999", "Fri, 31 Dec 2099 23:59:59 GMT"])
def test_a_wait_of_more_than_a_minute_is_the_callers_decision(value):
    error = settled(SENDING.next(answer(429, retry_after=value), NOW)).error
    assert isinstance(error, RateLimited)
    assert error.retry_after is not None
    assert error.retry_after > 60


@pytest.mark.parametrize("outcome", [answer(429, retry_after="20"), ConnectFailed("refused")])
def test_what_cannot_be_done_before_the_deadline_is_not_waited_for(outcome):
    sending = creating(terms(deadline=NOW + 0.2), CREATE, NOW)
    assert isinstance(settled(sending.next(outcome, NOW)).error, (RateLimited, ConnectFailed))


def test_after_the_pause_the_create_has_new_time_for_its_answer():
    pausing = again(2.1)
    assert pausing.next(NOW + 2.1) == attrs.evolve(pausing.then, until=NOW + 2.1 + 30)


# ---- not sent again ------------------------------------------------------------------------------------------


@pytest.mark.reliability
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", [*NOT_SENT, TLSFailed])
def test_a_create_that_may_have_been_processed_is_not_sent_again(kind, phase):
    lost = kind("it broke", phase=phase, may_have_been_processed=True)
    state = settled(SENDING.next(lost, NOW))
    assert type(state.error) is CreateOutcomeUnknown
    assert state.error.__cause__ is lost
    assert "it broke" in str(state.error)
    assert "predictions.list()" in str(state.error)
    assert state == Settled(LIFE, state.error)


@pytest.mark.reliability
@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 520, 524, 599])
def test_a_failing_server_may_have_created_it_all_the_same(status):
    error = settled(SENDING.next(answer(status, {"detail": "oh no"}), NOW)).error
    assert type(error) is CreateOutcomeUnknown
    assert isinstance(error.__cause__, ServerError)
    assert error.__cause__.status == status


@pytest.mark.reliability
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b"{}", b'{"id": "p1"}', b'{"id": 1, "status": "x"}', b'{"status": "starting"}',
     b'{"id": "../x", "status": "starting"}', b'{"id": "p1", "status": "starting", "urls": []}'],
)  # fmt: skip
def test_a_success_that_makes_no_sense_may_be_one(body):
    error = settled(SENDING.next(answer(201, body), NOW)).error
    assert type(error) is CreateOutcomeUnknown
    assert isinstance(error.__cause__, ProtocolError)


def test_an_answer_that_is_no_http_may_be_one():
    error = settled(SENDING.next(ProtocolError("not HTTP"), NOW)).error
    assert type(error) is CreateOutcomeUnknown


@pytest.mark.parametrize(("late", "kind"), [(-0.01, CreateOutcomeUnknown), (0, CreateTimedOut), (1, CreateTimedOut)])
def test_where_the_deadline_was_the_cause_it_is_a_timeout_too(late, kind):
    sending = creating(terms(deadline=NOW + 5), CREATE, NOW)
    slow = RequestTimeout("no answer", phase="wait", may_have_been_processed=True)
    error = settled(sending.next(slow, NOW + 5 + late)).error
    assert type(error) is kind
    assert isinstance(error, TimeoutError) == (kind is CreateTimedOut)


@pytest.mark.reliability
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_create_follows_no_redirect(status):
    error = settled(SENDING.next(answer(status, location="https://elsewhere.example/"), NOW)).error
    assert type(error) is ProtocolError
    assert "elsewhere.example" in str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, InvalidInput), (401, AuthenticationError), (402, PaymentRequired), (403, PermissionDenied),
     (404, ModelNotFound), (408, APIError), (409, APIError), (410, ModelNotFound), (413, APIError),
     (418, APIError), (422, InvalidInput), (425, APIError)],
)  # fmt: skip
def test_a_refusal_is_final(status, kind):
    state = settled(SENDING.next(answer(status, {"title": "No", "detail": "not so"}), NOW))
    assert type(state.error) is kind
    assert (state.error.status, state.error.title, state.error.detail) == (status, "No", "not so")
    assert state == Settled(LIFE, state.error)
    assert state.status == "timeout"


@pytest.mark.reliability
@examples(500, 20_000)
@given(
    outcomes=st.lists(
        st.one_of(
            st.builds(
                lambda kind, phase, processed: kind("x", phase=phase, may_have_been_processed=processed),
                st.sampled_from([*NOT_SENT, TLSFailed]),
                st.sampled_from(PHASES),
                st.booleans(),
            ),
            st.builds(answer, st.integers(200, 599), st.binary(max_size=20)),
            st.just(answer(429, retry_after="1")),
            st.just(ProtocolError("not HTTP")),
        ),
        min_size=1,
        max_size=8,
    ),
    deadline=st.none() | st.floats(0.1, 30),
)
def test_whatever_happens_a_create_is_repeated_only_after_what_was_not_processed(outcomes, deadline):
    state: State = creating(terms(deadline=None if deadline is None else NOW + deadline, follows=False), CREATE, NOW)
    now, sent = NOW, 0
    for outcome in outcomes:
        if isinstance(state, Settled):
            break
        assert isinstance(state, Sending)
        assert state.kind is Kind.CREATE
        sent += 1
        state = state.next(outcome, now)
        if isinstance(state, Pausing):
            harmless = not outcome.may_have_been_processed if isinstance(outcome, TransportError) else None
            assert harmless or getattr(outcome, "status", 0) == 429
            now = state.until
            state = state.next(now)
    assert sent <= 4


# ---- created -------------------------------------------------------------------------------------------------


def test_a_created_prediction_with_a_stream_url_is_streamed():
    found = snapshot("starting", streams=True)
    request = terms().dialect.stream(found, None)
    life = attrs.evolve(LIFE, snapshot=found)
    assert SENDING.next(created(streams=True), NOW + 1) == Sending(
        life, Kind.STREAM, request, until=NOW + 31, news=(StatusEvent(found),)
    )


def test_a_created_prediction_without_one_is_polled():
    found = snapshot("starting")
    life = attrs.evolve(LIFE, snapshot=found, streams=False, draws=1)
    poll = Sending(life, Kind.POLL, terms().dialect.poll(found))
    assert SENDING.next(created(), NOW + 1) == Pausing(life, NOW + 1.1, poll, (StatusEvent(found),))


def test_one_that_is_finished_already_is_the_result():
    found = snapshot("succeeded", ["a", "b"])
    state = settled(SENDING.next(told("succeeded", ["a", "b"], code=201), NOW))
    assert [type(news).__name__ for news in state.news] == ["StatusEvent", "Output", "DoneEvent"]
    assert state.news[1].items == ["a", "b"]
    assert state.news[2] == DoneEvent(found)
    assert (state.error, state.status) == (None, "succeeded")


def test_a_life_that_does_not_follow_ends_with_the_create():
    found = snapshot("starting", streams=True)
    life = Life(terms(follows=False), NOW)
    sending = Sending(life, Kind.CREATE, CREATE)
    assert sending.next(created(streams=True), NOW) == Settled(
        attrs.evolve(life, snapshot=found), news=(StatusEvent(found),)
    )


def test_the_homepage_may_leave_out_the_status():
    request = HOMEPAGE.create(Create(ModelRef("google-deepmind", "gemma-2b-it"), {"prompt": "x"}))
    state = creating(terms(dialect=HOMEPAGE), request, NOW).next(answer(200, {"id": "p1"}), NOW)
    assert isinstance(state, Pausing)
    assert state.life.snapshot == Snapshot({"id": "p1", "status": "starting"})


def test_no_state_shows_the_token():
    error = SENDING.next(answer(401, {"detail": f"token {TOKEN} is not known"}), NOW)
    for state in (SENDING, again(1), error, Reading(LIFE)):
        assert TOKEN not in repr(state)
    assert TOKEN not in str(settled(error).error)
    assert "***" in str(settled(error).error)


def test_the_record_of_a_create_is_kept_whole():
    state = SENDING.next(answer(201, record("starting", colour="blue")), NOW)
    assert state.life.snapshot.extra == {"colour": "blue"}


@pytest.mark.parametrize("connect", [0.5, None])
def test_every_request_of_a_life_has_the_callers_limit_for_reaching_the_server(connect: float | None):
    hurried = terms(timeout=Timeout(connect=connect))
    sending = creating(hurried, CREATE, NOW)
    polling = sending.next(created(), NOW)
    streaming = sending.next(created(streams=True), NOW)
    requests = [sending.request, polling.then.request, streaming.request, polling.leave(NOW).request]
    assert [request.connect for request in requests] == [connect] * 4
    assert sending.request == attrs.evolve(CREATE, connect=connect)
