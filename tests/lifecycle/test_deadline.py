"""G4, at the level of values: no life sends anything past its deadline but the last look, which has 0.4 s.

Rule 6: at the deadline the cancel is sent and its answer is the last look; a finished result in it wins.
"""

from __future__ import annotations

import attrs
import pytest

from replicate_home.exceptions import (
    ConnectFailed,
    CreateTimedOut,
    Disconnected,
    ModelCanceled,
    ModelError,
    OutputDiverged,
    PredictionTimeout,
    RequestTimeout,
)
from replicate_home.lifecycle.life import Life, Log, Output
from replicate_home.lifecycle.machine import Kind, Pausing, Reading, Sending, Settled, State, creating, following
from replicate_home.records.events import DoneEvent, LogsEvent, StatusEvent
from replicate_home.records.prediction import Snapshot
from replicate_home.wire import Timeout

from .lives import (
    CREATE,
    EVENT_STREAM,
    HOMEPAGE,
    HOSTED,
    NOW,
    answer,
    as_value,
    created,
    known,
    numbered,
    polling,
    record,
    snapshot,
    terms,
    told,
)

pytestmark = pytest.mark.reliability
END = NOW + 10
IN_TIME = terms(deadline=END, timeout=Timeout(total=10))
LIFE = known(terms=IN_TIME, streams=False)
FOUND = LIFE.snapshot
CANCEL = HOSTED.cancel(FOUND)
LAST = Sending(LIFE, Kind.LAST_CANCEL, CANCEL, until=END + 0.4)
LOOK = Sending(LIFE, Kind.LAST_POLL, HOSTED.poll(FOUND), until=END + 0.4)
LOST = Disconnected("cut", phase="wait", may_have_been_processed=True)
NOT_OURS = [attrs.evolve(IN_TIME, cancels=False), attrs.evolve(IN_TIME, dialect=HOMEPAGE)]


def timed_out(life: Life, *, canceled: bool) -> object:
    what = (
        "it was canceled"
        if canceled
        else "it was not canceled and may still be running: client.predictions.get('p1').wait() resumes it"
    )
    error = PredictionTimeout(
        f"prediction p1 was not finished within 10 s; {what}", prediction=life.snapshot, canceled=canceled
    )
    return as_value(error)


def settled(state: State) -> Settled:
    assert isinstance(state, Settled)
    return state


# ---- getting there -------------------------------------------------------------------------------------------


def test_no_request_is_given_time_past_the_deadline():
    assert Pausing(LIFE, END - 1, polling(LIFE)).next(END - 1) == polling(LIFE, until=END)
    assert Sending(LIFE, Kind.STREAM, CREATE).next(EVENT_STREAM, END - 1) == Reading(attrs.evolve(LIFE, opens=1), END)


def test_no_pause_outlasts_it():
    state = polling(LIFE).next(answer(429, retry_after="30"), NOW)
    assert isinstance(state, Pausing)
    assert state.until == END
    assert state.next(END) == attrs.evolve(LAST, life=state.life)


@pytest.mark.parametrize(
    ("state", "came"),
    [
        (polling(LIFE), told("starting")),
        (polling(LIFE), LOST),
        (polling(LIFE), answer(503)),
        (Sending(LIFE, Kind.STREAM, CREATE), answer(404)),
        (Sending(LIFE, Kind.STREAM, CREATE), EVENT_STREAM),
        (Reading(LIFE), []),
        (Reading(LIFE), None),
        (Reading(LIFE), RequestTimeout("silent", phase="body", may_have_been_processed=True)),
    ],
    ids=lambda part: type(part).__name__,
)
def test_whatever_comes_at_the_deadline_the_next_thing_is_the_cancel(state, came):
    late = state.next(came, END)
    assert late == attrs.evolve(LAST, life=late.life, news=late.news)


def test_a_pause_that_took_too_long_is_followed_by_the_cancel():
    assert Pausing(LIFE, END - 1, polling(LIFE)).next(END + 100) == attrs.evolve(LAST, until=END + 100.4)


@pytest.mark.parametrize("not_ours", NOT_OURS)
def test_where_nothing_is_to_be_cancelled_it_is_one_get(not_ours):
    life = known(terms=not_ours, streams=False)
    state = polling(life).next(LOST, END)
    assert state.request == not_ours.dialect.poll(FOUND)
    assert (state.kind, state.until) == (Kind.LAST_POLL, END + 0.4)


def test_what_came_with_the_last_answer_in_time_is_handed_out_once():
    """G1 at the deadline: the second request of the last look has nothing to say again."""
    late = Reading(known(terms=IN_TIME)).next(numbered("a", "b"), END)
    assert late.news == (Output(["a", "b"]),)
    again = late.next(LOST, END + 0.1)
    assert (again.kind, again.request, again.until) == (Kind.LAST_POLL, HOSTED.poll(FOUND), END + 0.4)
    assert again.news == ()


# ---- the last look -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["starting", "processing", "canceled", "aborted", "queued"])
def test_a_cancel_that_was_accepted_is_a_timeout_that_says_so(status):
    state = settled(LAST.next(told(status), END + 0.2))
    assert as_value(state.error) == timed_out(state.life, canceled=True)
    assert state.status == "timeout"


def test_what_the_last_answer_brought_is_still_news():
    state = settled(LAST.next(told("canceled", logs="bye"), END + 0.2))
    assert state.news == (StatusEvent(Snapshot(record("canceled", logs="bye"))), LogsEvent("bye"))


def test_a_cancel_whose_answer_makes_no_sense_was_accepted_all_the_same():
    state = settled(LAST.next(answer(204), END + 0.2))
    assert as_value(state.error) == timed_out(LIFE, canceled=True)


def test_a_result_that_was_ready_wins():
    life = attrs.evolve(LIFE, delivered=Log(["a"]))
    state = settled(attrs.evolve(LAST, life=life).next(told("succeeded", ["a", "b"]), END + 0.2))
    assert state.error is None
    assert state.news[1:] == (Output(["b"]), DoneEvent(state.life.snapshot))


@pytest.mark.parametrize(
    ("finished", "kind"), [(told("failed", error="boom"), ModelError), (told("succeeded", ["x"]), OutputDiverged)]
)
def test_so_does_a_failure(finished, kind):
    life = attrs.evolve(LIFE, delivered=Log(["a"]))
    assert type(settled(attrs.evolve(LAST, life=life).next(finished, END + 0.2)).error) is kind


@pytest.mark.parametrize("came", [LOST, ConnectFailed("refused"), answer(404), answer(409), answer(503), answer(302)])
def test_a_cancel_that_failed_is_followed_by_one_get_within_the_same_time(came):
    look = LAST.next(came, END + 0.1)
    assert look == LOOK
    state = settled(look.next(told("processing"), END + 0.3))
    assert as_value(state.error) == timed_out(state.life, canceled=False)


def test_if_that_finds_it_canceled_our_cancel_did_it():
    state = settled(LAST.next(LOST, END + 0.1).next(told("canceled"), END + 0.3))
    assert as_value(state.error) == timed_out(state.life, canceled=True)


def test_if_that_finds_the_result_it_wins():
    state = settled(LAST.next(LOST, END + 0.1).next(told("succeeded", "x"), END + 0.3))
    assert (state.error, state.status) == (None, "succeeded")


@pytest.mark.parametrize("came", [LOST, answer(503), answer(200, b"<html>"), answer(302, location="/v1/x")])
def test_a_look_that_fails_is_the_end(came):
    assert as_value(settled(LOOK.next(came, END + 0.2)).error) == timed_out(LIFE, canceled=False)


def test_when_the_04_seconds_are_over_there_is_no_second_request():
    assert as_value(settled(LAST.next(LOST, END + 0.4)).error) == timed_out(LIFE, canceled=False)


@pytest.mark.parametrize("not_ours", NOT_OURS)
def test_where_nothing_was_to_be_cancelled_the_timeout_says_that_it_runs_on(not_ours):
    life = known(terms=not_ours, streams=False)
    look = polling(life).next(LOST, END)
    assert as_value(settled(look.next(told("processing"), END + 0.1)).error) == timed_out(
        attrs.evolve(life, snapshot=snapshot("processing")), canceled=False
    )
    assert type(settled(look.next(told("canceled"), END + 0.1)).error) is ModelCanceled


def test_a_timeout_is_a_timeout_error_and_says_how_to_go_on():
    error = settled(LAST.next(LOST, END + 0.4)).error
    assert isinstance(error, TimeoutError)
    assert error.prediction == FOUND


@pytest.mark.parametrize("streams", [True, False])
def test_a_life_picked_up_too_late_is_one_look(streams):
    found = snapshot("starting", streams=streams)
    state = following(terms(deadline=NOW, cancels=False), found, NOW)
    assert (state.kind, state.request, state.until) == (Kind.LAST_POLL, HOSTED.poll(found), NOW + 0.4)


def test_the_first_pause_of_one_does_not_outlast_its_deadline():
    assert following(terms(deadline=NOW + 0.05), snapshot("starting"), NOW).until == NOW + 0.05


# ---- before there is a prediction ----------------------------------------------------------------------------


def test_a_create_that_gets_no_answer_in_time_is_of_unknown_outcome():
    sending = creating(IN_TIME, CREATE, NOW)
    assert sending.until == END
    state = sending.next(RequestTimeout("slow", phase="wait", may_have_been_processed=True), END)
    assert type(settled(state).error) is CreateTimedOut


def test_one_that_was_never_sent_is_not():
    refused = ConnectFailed("refused")
    assert settled(creating(IN_TIME, CREATE, NOW).next(refused, END)).error is refused


def test_one_that_is_answered_too_late_is_cancelled():
    state = creating(IN_TIME, CREATE, NOW).next(created(streams=True), END + 0.01)
    assert (state.kind, state.request, state.until) == (Kind.LAST_CANCEL, CANCEL, END + 0.01 + 0.4)
    assert isinstance(state.news[0], StatusEvent)


def test_one_that_is_answered_too_late_with_the_result_is_a_result():
    state = settled(creating(IN_TIME, CREATE, NOW).next(told("succeeded", "x"), END + 0.01))
    assert (state.error, state.life.delivered) == (None, Log(["x"]))
