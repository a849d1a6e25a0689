"""G8 and G9 as values: when one more request may be sent, and whether a retry can be paid for."""

from __future__ import annotations

import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.exceptions import RateLimited, ReplicateHomeError
from replicate_home.lifecycle import policy
from replicate_home.lifecycle.machine import Kind, Pausing, Sending, Settled, creating, plain
from replicate_home.lifecycle.policy import Budget, Window

from .lives import CREATE, NOW, answer, get_request, known, polling, terms

pytestmark = pytest.mark.reliability

MOMENTS = st.lists(st.floats(0, 5), max_size=60)
"""How long after one another requests are to be sent."""


def sent(window: Window, gaps: list[float]) -> list[float]:
    """When requests are sent that are asked for so long after one another."""
    now, moments = 0.0, []
    for gap in gaps:
        now += gap
        at = window.moment(now)
        assert at >= now
        moments.append(at)
        window = window.taking(at)
    return moments


def busiest(moments: list[float], seconds: float) -> int:
    """The most requests in any so many seconds in a row, their end left out."""
    return max((sum(start <= at < start + seconds for at in moments) for start in moments), default=0)


# ---- the sliding window ----------------------------------------------------------------------------------------


def test_the_whole_allowance_may_be_sent_at_once_and_the_next_when_the_first_is_out_of_the_window():
    assert sent(Window(3, 60.0), [0.0] * 7) == [0, 0, 0, 60, 60, 60, 120]


def test_a_place_is_free_when_its_time_is_over_and_not_a_moment_later():
    assert sent(Window(2, 10.0), [0.0, 4.0, 1.0, 0.0, 10.0]) == [0, 4, 10, 14, 20]


def test_no_limit_lets_everything_through_and_remembers_no_more_than_the_latest():
    window = Window()
    for moment in (1.0, 1.0, 2.0, 3.0):
        assert window.moment(moment) == moment
        window = window.taking(moment)
    assert window == Window(taken=(3.0,))


@given(st.integers(1, 8), st.floats(0.5, 20), MOMENTS)
def test_in_any_stretch_of_so_many_seconds_there_are_never_more(most, seconds, gaps):
    assert busiest(sent(Window(most, seconds), gaps), seconds * (1 - 1e-9)) <= most


@given(st.integers(1, 8), st.floats(0.5, 20), MOMENTS)
def test_requests_are_sent_in_the_order_in_which_they_asked_and_none_later_than_the_limit_demands(most, seconds, gaps):
    moments = sent(Window(most, seconds), gaps)
    now = 0.0
    for place, (gap, at) in enumerate(zip(gaps, moments, strict=True)):
        now += gap
        before = moments[place - 1] if place else -math.inf
        freed = moments[place - most] + seconds if place >= most else -math.inf
        assert at == max(now, before, freed)


@given(st.integers(1, 50), st.floats(0.5, 20), MOMENTS)
def test_it_remembers_no_more_than_it_needs(most, seconds, gaps):
    window = Window(most, seconds)
    for moment in sent(window, gaps):
        window = window.taking(moment)
        assert len(window.taken) <= 2 * most, "twice as many where rounding keeps those that have just left it"


def test_what_is_not_paced_but_counted_makes_the_others_wait():
    window = Window(2, 10.0)
    for _ in range(3):
        window = window.taking(1.0)
    assert window.moment(1.0) == 11.0


# ---- what the server asks for ----------------------------------------------------------------------------------


def test_nothing_is_sent_before_the_server_allows_it_and_then_one_in_two_seconds():
    assert sent(Window().closed(30.0), [0.0, 1.0, 40.0]) == [30, 32, 41]


def test_the_longer_of_two_waits_counts():
    assert Window().closed(30.0).closed(20.0) == Window().closed(30.0)


def test_once_one_has_gone_well_all_may_follow():
    window = Window().closed(30.0).taking(30.0).opened()
    assert sent(window, [30.0, 0.0, 0.0]) == [30, 30, 30]


@given(st.integers(1, 8), st.floats(0.5, 20), st.floats(0, 60), MOMENTS)
def test_a_wait_asked_for_and_the_limit_hold_together(most, seconds, until, gaps):
    moments = sent(Window(most, seconds).closed(until), gaps)
    assert all(at >= until for at in moments)
    assert busiest(moments, seconds * (1 - 1e-9)) <= most
    assert busiest(moments, policy.AFTER_CLOSING * (1 - 1e-9)) <= 1


# ---- a request that has to wait --------------------------------------------------------------------------------


def test_a_request_waits_for_its_place_and_goes_then_with_a_limit_of_its_own():
    state = plain(terms(), get_request(), NOW)
    waiting = state.delayed(NOW + 9, NOW)
    assert waiting == Pausing(state.life, NOW + 9, attrs.evolve(state, admitted=NOW + 9))
    assert waiting.next(NOW + 9) == attrs.evolve(state, admitted=NOW + 9, until=NOW + 39)


def test_what_comes_of_it_has_no_place_yet():
    state = attrs.evolve(plain(terms(), get_request(), NOW), admitted=NOW)
    again = state.next(answer(503), NOW)
    assert isinstance(again, Pausing)
    assert again.then.admitted is None
    moved = state.next(answer(302, location="/v1/elsewhere"), NOW)
    assert isinstance(moved, Sending)
    assert moved.admitted is None


@pytest.mark.parametrize("begin", [creating, plain])
def test_where_its_place_is_past_the_deadline_it_is_not_sent_and_the_caller_is_told_at_once(begin):
    sending = begin(terms(deadline=NOW + 10), CREATE, NOW)
    state = sending.delayed(NOW + 10, NOW)
    assert isinstance(state, Settled)
    assert isinstance(state.error, RateLimited)
    assert str(state.error) == (
        "not sent: the server's rate limit allows the next request in 10 s, which is after the timeout"
    )
    assert (state.error.status, state.error.retry_after) == (429, 10)


def test_a_poll_whose_place_is_past_the_deadline_is_the_last_look_instead():
    waiting = polling(known(terms=terms(deadline=NOW + 10))).delayed(NOW + 60, NOW)
    assert (waiting.until, waiting.then.kind) == (NOW + 10, Kind.POLL)
    last = waiting.next(NOW + 10)
    assert (last.kind, last.until) == (Kind.LAST_CANCEL, NOW + 10.4)


def test_a_create_that_waits_for_its_place_leaves_nothing_to_cancel():
    waiting = creating(terms(), CREATE, NOW).delayed(NOW + 9, NOW)
    assert waiting.leave(NOW + 1) == Settled(waiting.life)


# ---- the budget for retries ------------------------------------------------------------------------------------


def test_an_outage_uses_it_up_and_successes_bring_it_back():
    budget = Budget(12.0)
    assert budget.spent(5.0) == Budget(7.0)
    assert Budget(4.0).spent(5.0) is None
    assert Budget(4.0).earned(1.0).spent(5.0) == Budget(0.0)
    assert Budget(99.0).earned(5.0) == policy.FULL


@given(st.lists(st.booleans(), max_size=300), st.sampled_from([policy.RETRY, policy.RETRY_AFTER_TIMEOUT]))
def test_however_calls_end_retries_are_a_fifth_of_them_and_what_was_saved_at_most(outcomes, cost):
    budget, retries = policy.FULL, 0
    for succeeds in outcomes:
        left = budget.earned(1.0) if succeeds else budget.spent(cost)
        retries += not succeeds and left is not None
        budget = left or budget
        assert 0 <= budget.left <= policy.FULL.left
    assert retries <= policy.FULL.left / cost + sum(outcomes) / cost


def test_a_retry_says_what_it_is_for_and_without_a_budget_that_is_the_end():
    again = plain(terms(), get_request(), NOW).next(answer(503), NOW)
    assert isinstance(again, Pausing)
    assert isinstance(again.failure, ReplicateHomeError)
    assert again.denied() == Settled(again.life, again.failure)


def test_a_poll_that_comes_next_is_no_retry():
    paused = polling().next(answer(503), NOW)
    assert isinstance(paused, Pausing)
    assert paused.failure is None
