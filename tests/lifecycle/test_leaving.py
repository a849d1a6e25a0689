"""Rule 7: leaving is ``state.leave(now)``, a cancel with 2 s of its own if the call created the prediction.

And rule 8: errors of ours in the middle of a life cancel as leaving does, and say so afterwards.
"""

from __future__ import annotations

import attrs
import pytest

from replicate_home.exceptions import Disconnected, OutputDiverged, ProtocolError
from replicate_home.lifecycle.life import Life, Log, Output
from replicate_home.lifecycle.machine import Kind, Pausing, Reading, Sending, Settled, creating, downloading, plain
from replicate_home.records.events import StatusEvent

from .lives import CREATE, HOMEPAGE, HOSTED, NOW, answer, get_request, known, polling, snapshot, terms, told

LIFE = known()
FOUND = LIFE.snapshot
CANCELLING = Sending(LIFE, Kind.CANCEL, HOSTED.cancel(FOUND), until=NOW + 2)
LOST = Disconnected("cut", phase="wait", may_have_been_processed=True)
OURS = [
    polling(LIFE),
    Sending(LIFE, Kind.STREAM, CREATE),
    Pausing(LIFE, NOW + 1, polling(LIFE)),
    Reading(LIFE),
]


@pytest.mark.parametrize("state", OURS, ids=lambda state: type(state).__name__)
def test_leaving_cancels_the_prediction_that_the_call_created(state):
    assert state.leave(NOW) == CANCELLING


def test_the_time_for_it_is_its_own_even_past_the_deadline():
    life = known(terms=terms(deadline=NOW - 5))
    assert Reading(life).leave(NOW).until == NOW + 2


@pytest.mark.parametrize(
    "life",
    [
        known(terms=terms(cancels=False)),
        known(terms=terms(dialect=HOMEPAGE)),
        known(snapshot=snapshot("succeeded")),
        known(snapshot=snapshot("canceled")),
        Life(terms(), NOW),
    ],
    ids=["not ours", "no cancel there", "done", "canceled", "not created"],
)
def test_where_there_is_nothing_to_cancel_leaving_is_the_end(life):
    sending = Sending(life, Kind.POLL, CREATE)
    for state in (Reading(life), sending, Pausing(life, NOW, sending)):
        assert state.leave(NOW) == Settled(life)


@pytest.mark.parametrize("began", [creating, plain, downloading])
def test_what_is_not_known_cannot_be_cancelled(began):
    state = began(terms(), get_request(), NOW)
    assert state.leave(NOW) == Settled(state.life)


@pytest.mark.parametrize("kind", [Kind.CANCEL, Kind.LAST_CANCEL, Kind.LAST_POLL])
def test_leaving_while_leaving_is_over_at_once(kind):
    cause = ProtocolError("why")
    assert Sending(LIFE, kind, CREATE, cause=cause).leave(NOW) == Settled(LIFE, cause)


def test_what_is_over_stays_so():
    over = Settled(LIFE, ProtocolError("why"))
    assert over.leave(NOW) is over


@pytest.mark.parametrize("status", ["starting", "canceled", "succeeded"])
def test_the_answer_is_the_last_snapshot(status):
    assert CANCELLING.next(told(status), NOW + 1) == Settled(attrs.evolve(LIFE, snapshot=snapshot(status)))


@pytest.mark.parametrize("came", [answer(404), answer(503), answer(401), answer(200, b"<html>"), answer(302)])
def test_whatever_comes_of_it_it_is_over(came):
    assert CANCELLING.next(came, NOW + 1) == Settled(LIFE)


def test_a_connection_that_broke_is_tried_once_more_within_the_same_2_seconds():
    again = CANCELLING.next(LOST, NOW + 1)
    assert again == attrs.evolve(CANCELLING, attempt=1)
    assert again.next(LOST, NOW + 1.5) == Settled(LIFE)
    assert CANCELLING.next(LOST, NOW + 2) == Settled(LIFE)


# ---- rule 8 --------------------------------------------------------------------------------------------------


def diverging() -> Sending:
    life = known(streams=False, delivered=Log(["a"]))
    state = polling(life).next(told("processing", ["b"]), NOW)
    assert isinstance(state, Sending)
    return state


def test_an_error_of_ours_cancels_first_and_is_told_afterwards():
    state = diverging()
    assert (state.kind, state.request, state.until) == (Kind.CANCEL, HOSTED.cancel(FOUND), NOW + 2)
    settled = state.next(told("canceled"), NOW + 1)
    assert isinstance(settled, Settled)
    assert settled.error is state.cause
    assert isinstance(settled.error, OutputDiverged)
    assert settled.error.prediction == snapshot("processing", ["b"])


def test_what_was_news_before_it_is_told_once():
    state = diverging()
    assert [type(news) for news in state.news] == [StatusEvent]
    assert state.next(LOST, NOW + 1).news == ()


@pytest.mark.parametrize("given_terms", [terms(cancels=False), terms(dialect=HOMEPAGE)])
def test_where_nothing_is_to_be_cancelled_it_is_told_at_once(given_terms):
    life = known(terms=given_terms, streams=False, delivered=Log(["a"]))
    state = polling(life).next(told("processing", ["b"]), NOW)
    assert isinstance(state, Settled)
    assert isinstance(state.error, OutputDiverged)
    assert [type(news) for news in state.news] == [StatusEvent]


def test_output_that_is_no_contradiction_is_not_abandoned():
    life = known(streams=False, delivered=Log(["a"]))
    assert polling(life).next(told("processing", ["a", "b"]), NOW).news[-1] == Output(["b"])
