"""G8 and G9: retries are few, spread, and never sooner than the server asked; polls stay rare.

``urllib3.util.Retry`` is the oracle for the bounds of the backoff.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util.retry import RequestHistory, Retry

from replicate_home.exceptions import RateLimited
from replicate_home.lifecycle import policy
from replicate_home.lifecycle.machine import Pausing, Sending, Settled, State, creating, plain

from .lives import CREATE, NOW, answer, get_request, terms

# ---- what the server asks for --------------------------------------------------------------------------------


@pytest.mark.reliability
@pytest.mark.parametrize(("value", "is_repeated"), [("60", True), ("61", False), ("121", False)])
def test_a_minute_is_waited_for_and_longer_is_the_callers_decision(value, is_repeated):
    state = plain(terms(), get_request(), NOW).next(answer(429, retry_after=value), NOW)
    assert isinstance(state, Pausing) == is_repeated
    assert is_repeated or (isinstance(state, Settled) and isinstance(state.error, RateLimited))


@pytest.mark.reliability
@given(st.floats(0, 60), st.floats(0, 1))
def test_never_less_wait_than_the_server_asked(wait, drawn):
    assert wait <= policy.patient(wait, drawn) <= wait + min(1, wait / 10)


# ---- our own pauses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("throttled", "longest"),
    [(False, [0.5, 1, 2, 4, 8, 8, 8]), (True, [1, 2, 4, 8, 16, 20, 20])],
)
def test_the_backoff_doubles_up_to_a_limit(throttled, longest):
    assert [policy.backoff(attempt, 1.0, throttled=throttled) for attempt in range(7)] == longest
    assert [policy.backoff(attempt, 0.0, throttled=throttled) for attempt in range(7)] == [0] * 7


@pytest.mark.parametrize(("throttled", "factor", "most"), [(False, 0.5, 8), (True, 1.0, 20)])
def test_its_bounds_are_those_of_urllib3(throttled, factor, most):
    for attempt in range(8):
        # urllib3 does not wait before the first repetition: its n-th failure is our attempt n - 2.
        failed = RequestHistory("GET", "/", None, 503, None)
        retry = Retry(backoff_factor=factor / 2, backoff_max=most, history=(failed,) * (attempt + 2))
        assert policy.backoff(attempt, 1.0, throttled=throttled) == retry.get_backoff_time()


def test_an_absurd_attempt_is_no_overflow():
    assert policy.backoff(10**9, 1.0) == 8


def largest_gap(numbers: list[float]) -> float:
    """How far their distribution is from the even one (Kolmogorov and Smirnov's measure)."""
    ordered, count = sorted(numbers), len(numbers)
    return max(max((place + 1) / count - value, value - place / count) for place, value in enumerate(ordered))


@pytest.mark.reliability
@pytest.mark.parametrize("seed", [0.0, 0.1234, 0.999])
def test_the_draws_of_one_life_are_even(seed):
    draws = [policy.draw(seed, count) for count in range(10_000)]
    assert all(0 <= drawn < 1 for drawn in draws)
    assert largest_gap(draws) < 1.63 / 100  # the 1 % limit for 10,000 random numbers
    assert len(set(draws)) == 10_000


@pytest.mark.reliability
@pytest.mark.parametrize("count", range(5))
def test_so_are_those_of_10000_clients_at_the_same_attempt(count):
    """Seeds are random: the clients that fail together do not come back together."""
    random = Random(7)
    assert largest_gap([policy.draw(random.random(), count) for _ in range(10_000)]) < 1.63 / 100


@pytest.mark.reliability
def test_a_throttled_crowd_comes_back_spread_out_and_not_too_early():
    random = Random(7)
    pauses = []
    for _ in range(10_000):
        state = plain(terms(seed=random.random()), get_request(), NOW).next(answer(429, retry_after="10"), NOW)
        assert isinstance(state, Pausing)
        pauses.append(state.until - NOW)
    assert min(pauses) >= 10
    assert largest_gap([pause - 10 for pause in pauses]) < 1.63 / 100


@pytest.mark.reliability
@given(st.floats(0, 10**6), st.floats(0, 1))
def test_polls_are_5_percent_of_the_age_apart_and_never_more_than_11_a_second(age, drawn):
    interval = policy.Pace().interval(age, drawn)
    assert 0.09 <= interval <= 5.5
    assert interval == pytest.approx(min(5, max(0.1, age / 20)), rel=0.1001)


@pytest.mark.parametrize(
    ("cuts", "retry_ms", "least", "most"),
    [
        *[(1, None, 0.5, 1), (2, None, 1, 2), (5, None, 5, 10), (9, None, 5, 10)],
        *[(1, 0, 0.1, 0.11), (1, 100, 0.1, 0.11), (5, 1500, 1.5, 1.65), (1, 10_000, 10, 11), (1, 10**15, 10, 11)],
    ],
)
def test_a_stream_is_opened_again_after_a_pause_between_bounds(cuts, retry_ms, least, most):
    assert policy.reopen_delay(cuts, retry_ms, 0.0) == pytest.approx(least)
    assert policy.reopen_delay(cuts, retry_ms, 1.0) == pytest.approx(most)


@pytest.mark.reliability
@given(st.integers(0, 20), st.integers(0, 10_000), st.floats(0, 1))
def test_a_stream_is_never_opened_again_sooner_than_the_server_asked(cuts, retry_ms, drawn):
    assert policy.reopen_delay(cuts, retry_ms, drawn) >= retry_ms / 1000


# ---- a lasting outage ----------------------------------------------------------------------------------------


def requests_of(state: State, outcome: Any, until: float) -> list[float]:
    """When a life sends, where every request has this outcome at once."""
    now, moments = NOW, []
    while not isinstance(state, Settled) and now <= until:
        if isinstance(state, Pausing):
            now = state.until
            state = state.next(now)
        else:
            assert isinstance(state, Sending)
            moments.append(now)
            state = state.next(outcome, now)
    return moments


@pytest.mark.reliability
def test_in_an_outage_a_call_is_sent_four_times_at_most_and_a_create_once():
    """G8, the part of one call: 1,000 clients against a server that answers nothing but 503 for ten minutes."""
    random = Random(7)
    sent = 0
    for _ in range(1000):
        seed = random.random()
        calls = requests_of(plain(terms(seed=seed), get_request(), NOW), answer(503), NOW + 600)
        assert len(calls) == 4
        assert calls[-1] - NOW <= 0.5 + 1 + 2
        assert requests_of(creating(terms(seed=seed), CREATE, NOW), answer(503), NOW + 600) == [NOW]
        sent += len(calls)
    assert sent == 4000


@pytest.mark.reliability
def test_in_an_outage_a_prediction_is_given_up_after_ten_polls():
    random = Random(7)
    for _ in range(1000):
        state = creating(terms(seed=random.random(), deadline=NOW + 600), CREATE, NOW)
        state = state.next(answer(201, {"id": "p1", "status": "starting"}), NOW)
        assert len(requests_of(state, answer(503), NOW + 600)) == 10
