"""Rule 2: a failed poll is a poll without news (10 in a row, or 60 s); the interval is 5 % of the age, 0.1 s to 5 s.

With rule 8 for polls: what ends a life after the create carries the prediction, and does not cancel it where the
network or the server may come back.
"""

from __future__ import annotations

import attrs
import pytest

from replicate_home.exceptions import (
    APIError,
    AuthenticationError,
    ConnectFailed,
    Disconnected,
    InvalidInput,
    NotFound,
    PaymentRequired,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    RequestTimeout,
    ServerError,
    StreamInterrupted,
    TLSFailed,
)
from replicate_home.lifecycle.life import Log, Output
from replicate_home.lifecycle.machine import Kind, Pausing, Sending, Settled, State, following
from replicate_home.records.events import LogsEvent, StatusEvent
from replicate_home.records.prediction import Snapshot

from .lives import HOMEPAGE, HOSTED, NOW, answer, known, polling, record, snapshot, terms, told

LIFE = known(streams=False)
POLL = polling(LIFE)
LOST = [
    ConnectFailed("refused"),
    RequestTimeout("slow", phase="wait", may_have_been_processed=True),
    Disconnected("cut", phase="body", may_have_been_processed=True),
    ProtocolError("not HTTP"),
]


def failed_once(now: float = NOW, life=LIFE, least: float = 0.0) -> Pausing:
    """The state after one poll without news."""
    life = attrs.evolve(life, poll_errors=1, failing_since=now, draws=1)
    return Pausing(life, now + max(0.1, least), polling(life))


def settled(state: State) -> Settled:
    assert isinstance(state, Settled)
    return state


# ---- how often -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "seconds"), [(0, 0.1), (1, 0.1), (2, 0.1), (4, 0.2), (60, 3), (100, 5), (1000, 5), (100_000, 5)]
)
def test_the_interval_is_5_percent_of_the_age_between_a_tenth_and_5_seconds(age, seconds):
    state = POLL.next(told("starting"), NOW + age)
    life = attrs.evolve(LIFE, draws=1)
    assert state == Pausing(life, pytest.approx(NOW + age + seconds), polling(life))


@pytest.mark.parametrize(("seed", "seconds"), [(0.0, 0.9), (0.25, 0.95), (0.5, 1.0), (0.999, 1.0998)])
def test_the_seed_moves_it_by_10_percent_at_most(seed, seconds):
    life = known(terms=terms(seed=seed), streams=False)
    assert polling(life).next(told("starting"), NOW + 20).until == pytest.approx(NOW + 20 + seconds)


def test_each_poll_draws_another_number():
    state: State = POLL
    delays = []
    for _ in range(4):
        state = state.next(told("starting"), NOW + 20)
        assert isinstance(state, Pausing)
        delays.append(state.until)
        state = state.then
    assert len(set(delays)) == 4


@pytest.mark.reliability
def test_a_prediction_is_polled_100_times_in_its_first_minute_at_most_and_12_times_a_minute_once_it_is_old():
    """G9, the part of one prediction: the number of polls grows with the logarithm of its age."""
    for seed in (0.0, 0.3, 0.999):
        moments = [NOW]
        state: State = following(terms(seed=seed, dialect=HOMEPAGE), snapshot("starting"), NOW)
        while moments[-1] < NOW + 700:
            assert isinstance(state, Pausing)
            moments.append(state.until)
            state = state.next(state.until).next(told("starting"), state.until)
        minutes = [sum(NOW + a <= moment < NOW + a + 60 for moment in moments) for a in range(600)]
        assert max(minutes) <= 100
        assert max(minutes[100:]) <= 14
        assert sum(minutes[120:]) / len(minutes[120:]) == pytest.approx(12, abs=0.7)


# ---- what a poll brings --------------------------------------------------------------------------------------


def test_what_is_new_in_a_poll_is_handed_out():
    told_so = told("processing", ["a", "b"], logs="one\n")
    life = attrs.evolve(LIFE, snapshot=Snapshot(record("processing", ["a", "b"], logs="one\n")), logged=4)
    life = attrs.evolve(life, delivered=Log(["a", "b"]), draws=1)
    news = (StatusEvent(life.snapshot), LogsEvent("one\n"), Output(["a", "b"]))
    assert POLL.next(told_so, NOW) == Pausing(life, NOW + 0.1, polling(life), news)


def test_a_poll_that_only_repeats_is_no_news():
    life = known(snapshot=snapshot("processing", ["a"]), streams=False, delivered=Log(["a"]))
    assert polling(life).next(told("processing", ["a"]), NOW).news == ()


def test_where_output_is_not_wanted_none_is_news():
    life = known(terms=terms(delivers=False), streams=False)
    (news,) = polling(life).next(told("processing", ["a"]), NOW).news
    assert isinstance(news, StatusEvent)


def test_a_status_may_go_back_and_an_unknown_one_is_data():
    state: State = POLL
    words = []
    for word in ("processing", "starting", "queued", None, "processing"):
        state = (state if isinstance(state, Sending) else state.then).next(told(word), NOW)
        assert isinstance(state, Pausing)
        words += [news.status for news in state.news]
    assert words == ["processing", "starting", "queued", "None", "processing"]


def test_an_unknown_status_with_a_time_of_completion_is_the_end():
    state = settled(POLL.next(told("exploded", completed_at="2024-01-01T00:00:00Z"), NOW))
    assert (state.status, str(state.error)) == (
        "exploded",
        "prediction p1 of owner/name ended as 'exploded': the server gave no reason",
    )


@pytest.mark.parametrize("status", [[1], {"a": 1}, 3, True, ""])
def test_a_status_that_is_no_word_is_no_end(status):
    assert isinstance(POLL.next(told(status), NOW), Pausing)


def test_terminal_is_sticky():
    life = known(snapshot=snapshot("succeeded", "x"))
    assert life.seeing(snapshot("processing")) == (life, ())


def test_logs_are_handed_out_once_however_they_are_cut():
    state: State = POLL
    logs = ""
    for text in ("a", "ab", "a", "abc"):
        state = (state if isinstance(state, Sending) else state.then).next(told("processing", logs=text), NOW)
        logs += "".join(news.data for news in state.news if isinstance(news, LogsEvent))
    assert logs == "abc"


# ---- failed polls --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", LOST, ids=lambda lost: type(lost).__name__)
def test_a_lost_poll_is_a_poll_without_news(lost):
    assert POLL.next(lost, NOW) == failed_once()
    assert lost.prediction is None, "what a rule is given stays as it was"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 524])
def test_so_is_a_server_that_fails_for_the_moment(status):
    assert POLL.next(answer(status, b"<html>"), NOW) == failed_once()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"id":"p1"}', b'{"id":"p1","status":"x","logs":1}']
)
def test_so_is_an_answer_that_makes_no_sense(body):
    assert POLL.next(answer(200, body), NOW) == failed_once()


@pytest.mark.parametrize("status", [404, 410])
def test_a_new_prediction_may_be_unknown_for_half_a_minute(status):
    assert POLL.next(answer(status), NOW + 29.9) == failed_once(NOW + 29.9, least=1.495)
    error = settled(POLL.next(answer(status), NOW + 30)).error
    assert type(error) is NotFound
    assert error.prediction == LIFE.snapshot


def test_a_throttled_poll_comes_back_no_earlier_than_it_was_asked_to():
    assert POLL.next(answer(429, retry_after="7"), NOW) == failed_once(least=7.35)


def test_a_success_forgets_the_failures_before_it():
    life = attrs.evolve(LIFE, poll_errors=9, failing_since=NOW - 59)
    state = polling(life).next(told("starting"), NOW)
    assert (state.life.poll_errors, state.life.failing_since) == (0, None)


def test_ten_in_a_row_are_too_many():
    state: State = POLL
    for count in range(10):
        assert isinstance(state, Sending), f"settled after {count}"
        state = state.next(ConnectFailed("refused"), NOW)
        state = state.then if isinstance(state, Pausing) else state
    assert type(settled(state).error) is ConnectFailed


def test_so_is_a_minute_of_them():
    first = POLL.next(ConnectFailed("refused"), NOW)
    assert isinstance(first.then.next(ConnectFailed("refused"), NOW + 59.9), Pausing)
    error = settled(first.then.next(ConnectFailed("refused"), NOW + 60)).error
    assert type(error) is ConnectFailed
    assert error.prediction == LIFE.snapshot


@pytest.mark.parametrize(
    ("outcome", "kind"), [(TLSFailed("expired"), TLSFailed), (answer(429, retry_after="61"), RateLimited)]
)
def test_some_failures_are_not_worth_a_second_try(outcome, kind):
    assert type(settled(POLL.next(outcome, NOW)).error) is kind


def test_where_output_was_delivered_the_error_says_that_it_is_incomplete():
    life = attrs.evolve(LIFE, delivered=Log(["Hel", "lo"]), poll_errors=9)
    lost = ServerError("down", status=503)
    state = settled(polling(life).next(answer(503), NOW))
    assert type(state.error) is StreamInterrupted
    assert state.error.partial_text == "Hello"
    assert type(state.error.__cause__) is type(lost)
    assert "client.predictions.get('p1')" in str(state.error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, InvalidInput), (401, AuthenticationError), (402, PaymentRequired), (403, PermissionDenied),
     (409, APIError), (418, APIError), (501, ServerError)],
)  # fmt: skip
def test_a_refused_poll_is_the_end_and_carries_the_prediction(status, kind):
    state = settled(POLL.next(answer(status), NOW))
    assert type(state.error) is kind
    assert state.error.prediction == LIFE.snapshot
    assert state.status == "timeout"


# ---- redirects -----------------------------------------------------------------------------------------------


def test_a_redirect_within_the_origin_is_followed_three_times():
    moved = answer(307, location="/v1/moved?x=1")
    state: State = POLL
    for hop in (1, 2, 3):
        state = state.next(moved, NOW)
        request = attrs.evolve(POLL.request, url="https://api.replicate.com/v1/moved?x=1")
        assert state == Sending(LIFE, Kind.POLL, request, until=NOW + 30, hops=hop)
    assert type(settled(state.next(moved, NOW)).error) is ProtocolError


def test_what_a_redirected_request_had_to_say_is_not_said_again():
    talking = attrs.evolve(POLL, news=(LogsEvent("once"),))
    assert talking.next(answer(302, location="/v1/moved"), NOW).news == ()


@pytest.mark.parametrize(
    "location",
    ["", "https://elsewhere.example/", "http://api.replicate.com/v1", "//elsewhere.example/", "http://[", "ftp://x/",
     "https://api.replicate.com:444/", "https://u:p@api.replicate.com/"],
)  # fmt: skip
def test_no_other_redirect_is(location):
    state = settled(POLL.next(answer(302, location=location), NOW))
    assert type(state.error) is ProtocolError
    assert state.error.prediction == LIFE.snapshot


# ---- another prediction --------------------------------------------------------------------------------------


def test_an_answer_about_another_prediction_cancels_ours_and_says_so():
    state = POLL.next(told("processing", id="p2"), NOW)
    assert isinstance(state, Sending)
    assert (state.kind, state.request) == (Kind.CANCEL, HOSTED.cancel(LIFE.snapshot))
    assert type(state.cause) is ProtocolError
    assert "asked for prediction 'p1', got 'p2'" in str(state.cause)
    assert state.cause.prediction == LIFE.snapshot
