"""Lives of predictions that end with the connection that asked for them, on a server that is busy at times."""

from __future__ import annotations

import json

import attrs
import pytest

from replicate_home.dialects.base import Create
from replicate_home.dialects.cog import Cog
from replicate_home.dialects.refs import ModelRef
from replicate_home.exceptions import (
    CreateOutcomeUnknown,
    Disconnected,
    ModelError,
    NotFound,
    PredictionTimeout,
    RequestTimeout,
    ServerBusy,
    ServerError,
    StreamInterrupted,
)
from replicate_home.lifecycle.life import Output
from replicate_home.lifecycle.machine import Kind, Pausing, Reading, Sending, Settled, creating, following
from replicate_home.protocol.sse import Decoder

from .lives import EVENT_STREAM, NOW, answer, terms

COG = Cog("http://cog:5000")
WANTED = Create(ModelRef("me", "model"), {}, id="rh1")
CUT = Disconnected("cut", phase="body", may_have_been_processed=True)
BUSY = answer(409, {"error": "At capacity", "status": "failed"})


def begun(**given):
    life_terms = terms(**{"dialect": COG, **given})
    return creating(life_terms, COG.create(WANTED), NOW, expected=COG.expected(WANTED))


def reading(**given):
    return begun(**given).next(EVENT_STREAM, NOW)


def events(*said):
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in said)
    return Decoder().feed(text.encode())


def chunk(number, text="a"):
    return "output", {"chunk": text, "index": number}


def completed(status="succeeded", **more):
    return "completed", {"id": "rh1", "status": status, "logs": "", **more}


def test_the_answer_to_the_create_is_the_stream_and_completed_is_its_end():
    state = reading()
    assert isinstance(state, Reading)
    assert state.life.tied
    state = state.next(events(("start", {"id": "rh1", "status": "processing"}), chunk(0), chunk(1, "b")), NOW)
    assert [item for news in state.news if isinstance(news, Output) for item in news.items] == ["a", "b"]
    state = state.next(events(completed(output=["a", "b", "c"])), NOW)
    assert isinstance(state, Settled)
    assert (state.error, state.status, list(state.life.delivered)) == (None, "succeeded", ["a", "b", "c"])


def test_a_failure_is_the_models():
    state = reading().next(events(chunk(0), completed("failed", error="boom")), NOW)
    assert isinstance(state.error, ModelError)


@pytest.mark.parametrize("came", [None, CUT, events(chunk(0), chunk(2)), events(("error", {"error": "lagged"}))])
def test_a_cut_or_a_gap_is_an_interruption_after_a_cancel_and_no_poll(came):
    state = reading().next(events(chunk(0)), NOW).next(came, NOW)
    assert isinstance(state, Sending)
    assert (state.kind, state.request.url) == (Kind.CANCEL, "http://cog:5000/predictions/rh1/cancel")
    state = state.next(answer(404, {}), NOW)
    assert isinstance(state.error, StreamInterrupted)
    assert state.error.partial_text == "a"


def test_an_event_without_sense_is_an_interruption():
    state = reading().next(events(("output", {})), NOW)
    assert isinstance(state.cause, StreamInterrupted)


def test_a_model_that_does_not_stream_is_asked_for_its_end():
    state = begun().next(answer(406), NOW)
    assert (state.kind, state.request.headers["Accept"], state.attempt) == (Kind.CREATE, "application/json", 0)
    state = state.next(answer(200, {"id": "rh1", "status": "succeeded", "output": "x"}), NOW)
    assert (state.error, list(state.life.delivered)) == (None, ["x"])


def test_a_create_has_the_whole_deadline():
    assert begun(deadline=NOW + 500).until == NOW + 500
    assert begun().until is None


def test_a_busy_server_is_asked_how_it_is_and_then_again_without_counting():
    state = begun(deadline=NOW + 60, max_retries=0)
    for _ in range(5):
        state = state.next(BUSY, NOW)
        assert (state.kind, state.request.url) == (Kind.HEALTH, "http://cog:5000/health-check")
        state = state.next(answer(200, {"status": "BUSY"}), NOW)
        assert isinstance(state, Pausing)
        state = state.next(state.until)
        assert (state.kind, state.attempt) == (Kind.CREATE, 0)


def test_a_server_that_is_busy_until_the_deadline_is_named_and_nothing_was_created():
    state = begun(deadline=NOW + 0.01).next(BUSY, NOW).next(answer(200, {"status": "BUSY"}), NOW)
    assert isinstance(state.error, ServerBusy)
    assert isinstance(state.error, TimeoutError)
    assert state.error.status == 409
    assert state.life.snapshot is None


def test_a_server_that_will_never_be_ready_is_an_error_at_once():
    failed = answer(200, {"status": "SETUP_FAILED", "setup": {"logs": "no weights"}})
    state = begun().next(answer(503, {"error": "Setup has not finished yet."}), NOW).next(failed, NOW)
    assert isinstance(state.error, ServerError)
    for said in ("no weights", "503", "Setup has not finished yet."):
        assert said in str(state.error)


def test_leaving_while_it_is_busy_has_nothing_to_cancel():
    state = begun().next(BUSY, NOW)
    assert state.leave(NOW) == Settled(state.life)


def test_leaving_a_create_under_way_cancels_by_the_id_that_was_made_here():
    state = begun().leave(NOW)
    assert (state.kind, state.request.url) == (Kind.CANCEL, "http://cog:5000/predictions/rh1/cancel")


def test_the_deadline_of_a_create_under_way_cancels_it():
    late = RequestTimeout("late", phase="wait", may_have_been_processed=True)
    state = begun(deadline=NOW + 1).next(late, NOW + 1)
    assert state.kind is Kind.LAST_CANCEL
    for last in (answer(200, {}), answer(404, {})):
        ended = state.next(last, NOW + 1.1)
        assert isinstance(ended.error, PredictionTimeout)
        assert ended.error.canceled


def test_a_create_whose_answer_is_lost_is_canceled_and_never_sent_again():
    state = begun().next(CUT, NOW)
    assert state.kind is Kind.CANCEL
    state = state.next(answer(404, {}), NOW)
    assert isinstance(state.error, CreateOutcomeUnknown)
    assert state.error.prediction.id == "rh1"
    assert "predictions.list()" not in str(state.error)


def attached():
    state = following(terms(dialect=COG, cancels=False), COG.expected(WANTED), NOW)
    assert (state.kind, state.request.method) == (Kind.STREAM, "PUT")
    return state.next(EVENT_STREAM, NOW)


def test_an_attached_stream_is_opened_again_at_once_and_its_replay_is_dropped():
    state = attached().next(events(("log", {"data": "x"}), chunk(0)), NOW).next(CUT, NOW)
    assert (state.kind, state.request.method) == (Kind.POLL, "PUT")
    state = state.next(answer(202, {"id": "rh1", "status": "processing", "logs": "x", "output": ["a"]}), NOW)
    assert isinstance(state, Pausing)
    assert state.until == NOW
    state = state.next(NOW).next(EVENT_STREAM, NOW)
    state = state.next(events(("log", {"data": "x"}), chunk(0), chunk(1, "b")), NOW)
    assert state.news == (Output(["b"]),)
    state = state.next(events(completed(output=["a", "b"], logs="xy")), NOW)
    assert [type(news).__name__ for news in state.news] == ["StatusEvent", "LogsEvent", "DoneEvent"]


def test_what_has_ended_between_is_not_found_or_an_interruption():
    assert isinstance(attached().next(CUT, NOW).next(answer(422), NOW).error, NotFound)
    state = attached().next(events(chunk(0)), NOW).next(CUT, NOW).next(answer(422), NOW)
    assert isinstance(state.error, StreamInterrupted)
    assert state.error.partial_text == "a"


def test_states_stay_values():
    state = begun().next(BUSY, NOW)
    assert attrs.evolve(state) == state
