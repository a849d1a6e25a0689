"""G8 and G9: retries are few, spread, and never sooner than the server asked; polls stay rare.

``urllib3.util.Retry`` is the oracle for what a ``Retry-After`` says and for the bounds of the backoff. The larger
table is read from the folder that ``REPLICATE_HOME_TEST_DATA`` names.
"""

from __future__ import annotations

import datetime
import json
import os
import time
from email.utils import formatdate
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import RequestHistory, Retry

from replicate_home.exceptions import RateLimited
from replicate_home.lifecycle import policy
from replicate_home.lifecycle.machine import Pausing, Sending, Settled, State, creating, plain

from ..hypothesis_profiles import examples
from .lives import CREATE, NOW, answer, get_request, terms

DATA = os.environ.get("REPLICATE_HOME_TEST_DATA")  # before the tests' own environment is cleared
THEN = 1_559_559_600.0  # 2019-06-03T11:00:00Z

# value, seconds at that time
RETRY_AFTER = [
    ("0", None), ("1", 1), ("42", 42), (" 42\t", 42), ("007", 7), ("3600", 3600), ("1" * 35, 1.1111e34),
    ("-1", None), ("+1", None), ("1.0", None), ("1e3", None), ("²", None), ("٣", None), ("0x10", None), ("1_000", None),
    ("", None), (" ", None), ("inf", None), ("nan", None), ("soon", None), ("1, 2", None), ("1;2", None),
    ("Mon, 03 Jun 2019 11:30:12 GMT", 1812), ("Monday, 03-Jun-19 11:30:12 GMT", 1812),
    ("Mon Jun  3 11:30:12 2019", 1812),
    ("Mon, 3 Jun 2019 11:30:12 UTC", 1812), ("Mon, 03 Jun 2019 11:00:00 GMT", None),
    ("Mon, 03 Jun 2019 10:00:00 GMT", None), ("Mon, 03 Jun 100000 11:30:12 GMT", None),
    ("Thu, 01 Jan 1970 00:00:00 GMT", None), ("Mon, 03 Jun 2019", None),
]  # fmt: skip


def needs(name: str) -> Any:
    if not DATA:
        pytest.skip(f"REPLICATE_HOME_TEST_DATA does not name the folder with {name}")
    return json.loads((Path(DATA) / name).read_text("utf-8"))


def parsed(value: str, now: float = THEN) -> float | None:
    return policy.parse_retry_after(value, now)


# ---- what the server asks for --------------------------------------------------------------------------------


@pytest.mark.reliability
@pytest.mark.parametrize(("value", "seconds"), RETRY_AFTER)
def test_retry_after_is_digits_or_a_date_in_one_of_three_forms(value, seconds):
    assert parsed(value) == (None if seconds is None else pytest.approx(seconds, rel=1e-3))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Jerusalem", "America/New_York"])
def test_dates_mean_the_same_in_every_time_zone(zone, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert [parsed(value) for value, seconds in RETRY_AFTER if seconds == 1812] == [1812] * 4
    finally:
        monkeypatch.undo()
        time.tzset()


def oracle(value: str) -> float | None:
    """urllib3's opinion at that time, where it is one; for it a moment that has passed is no wait."""
    try:
        return Retry(retry_after_max=10**40).parse_retry_after(value) or None
    except (InvalidHeader, ValueError, OverflowError):
        return None


@pytest.mark.reliability
@pytest.mark.parametrize("value", [value for value, _ in RETRY_AFTER])
def test_urllib3_agrees(value, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: THEN)
    seconds = oracle(value)
    assert parsed(value) == (None if seconds is None else pytest.approx(seconds))


@examples(300, 20_000)
@given(st.integers(0, 10**9), st.integers(-(10**6), 10**9))
def test_urllib3_agrees_on_every_number_and_every_date(number, moment):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: THEN)
        for value in (str(number), formatdate(THEN + moment, usegmt=True)):
            assert parsed(value) == oracle(value)


@pytest.mark.reliability
@examples(300, 50_000)
@given(st.lists(st.sampled_from([*"0123456789 :,-+./()TZé", "Mon", "Jun", "GMT", "2019"]), max_size=14).map("".join))
def test_any_text_at_all_is_a_wait_or_none(value):
    seconds = parsed(value)
    assert seconds is None or seconds > 0


@pytest.mark.reliability
def test_the_larger_table_of_values():
    table = needs("retry_after.json")
    now = table["openai"]["now"]
    cases = 0
    for case in table["openai"]["cases"]:
        found, expected = parsed(case["value"], now), case["seconds"]
        # Longer waits than that client's two minutes are waits still; whether to wait is another decision.
        assert found == expected or (expected is None and found is not None and found > 120), case
        cases += 1
    then = datetime.datetime.fromisoformat(table["urllib3"]["now"]).timestamp()
    for case in table["urllib3"]["valid"]:
        assert parsed(case["value"], then) == (case["seconds"] or None), case
        cases += 1
    for value in table["urllib3"]["invalid"]:
        assert parsed(value, then) is None, value
        cases += 1
    for case in table["replicate_body"]:
        assert policy.server_wait(answer(429, case["body"]), now) == case["seconds"]
        cases += 1
    assert cases >= 34


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry_after": "2"}, None, 2),
        ({"retry_after_ms": "1500"}, None, 1.5),
        ({"retry_after_ms": "1500", "retry_after": "7"}, None, 1.5),
        ({"retry_after_ms": "-1", "retry_after": "7"}, None, 7),
        ({"retry_after_ms": "0"}, None, None),
        ({"retry_after_ms": "0", "retry_after": "7"}, None, None),
        ({"retry_after_ms": "9" * 5000}, None, pytest.approx(1e37, rel=1e-3)),
        ({}, None, None),
        ({}, {"detail": "Request was throttled. Your rate limit resets in ~30s."}, 30),
        ({}, {"detail": "Your rate limit resets in 5 s."}, 5),
        ({}, {"detail": "resets in ~0s"}, 1),
        ({}, {"detail": "resets in ~9999999999999s"}, 9999999999999),
        ({}, {"detail": "resets in ~ s"}, None),
        ({}, {"detail": ["resets in ~30s"]}, None),
        ({}, {"retry_after": 7}, 7),
        ({}, {"retry_after": 0.5}, 0.5),
        ({}, {"retry_after": True}, None),
        ({}, {"retry_after": -7}, None),
        ({}, {"retry_after": "7"}, None),
        ({}, {"retry_after": 10**400}, 10**9),
        ({}, [], None),
        ({}, b"resets in ~30s", None),
        ({"retry_after": "soon"}, {"retry_after": 7}, 7),
    ],
)
def test_the_wait_stands_in_a_header_or_in_the_body(headers, body, seconds):
    assert policy.server_wait(answer(429, body, **headers), THEN) == seconds


def test_only_too_many_requests_is_looked_at_for_words():
    assert policy.server_wait(answer(503, {"detail": "resets in ~30s"}), THEN) is None
    assert policy.server_wait(answer(503, retry_after="3"), THEN) == 3


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
    interval = policy.poll_interval(age, drawn)
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
