"""Rule 5: ``succeeded`` is confirmed against the final output, and the missing end is delivered.

A difference is ``OutputDiverged``; failed, canceled and removed outputs are not compared.
"""

from __future__ import annotations

import attrs
import pytest

from replicate_home.exceptions import (
    FileExpired,
    ModelCanceled,
    ModelError,
    OutputDiverged,
    PredictionTimeout,
    ReplicateHomeError,
    StreamInterrupted,
)
from replicate_home.lifecycle.life import Log, Output
from replicate_home.lifecycle.machine import Settled, following
from replicate_home.records.events import DoneEvent, LogsEvent, StatusEvent
from replicate_home.records.prediction import Snapshot

from .lives import NOW, known, polling, record, snapshot, terms, told


def end(*delivered: object, status: str = "succeeded", output: object = None, life=None, **fields) -> Settled:
    """The end of a life that had delivered this when the last poll came."""
    life = attrs.evolve(life or known(streams=False), delivered=Log(delivered))
    state = polling(life).next(told(status, output, **fields), NOW)
    assert isinstance(state, Settled)
    return state


def items(settled: Settled) -> list[object]:
    return [item for news in settled.news if isinstance(news, Output) for item in news.items]


def test_the_missing_end_is_delivered_before_done():
    state = end("Hel", output=["Hel", "lo", "!"], logs="bye")
    found = Snapshot(record("succeeded", ["Hel", "lo", "!"], logs="bye"))
    life = known(streams=False, snapshot=found, delivered=Log(["Hel", "lo", "!"]), logged=3)
    assert state == Settled(life, news=(StatusEvent(found), LogsEvent("bye"), Output(["lo", "!"]), DoneEvent(found)))
    assert state.status == "succeeded"


@pytest.mark.parametrize(
    ("delivered", "output", "rest"),
    [
        (["a", "b"], ["a", "b"], []),
        (["a", "b"], "ab", []),
        (["ab"], ["a", "b", "c"], ["c"]),
        (["a\nb"], ["a\r\nb"], []),
        (["a\n", "\nb"], ["a\r", "\r", "b"], []),
        ([], None, []),
        ([], "x", ["x"]),
        ([], {"a": 1}, [{"a": 1}]),
        ([], [], []),
        ([], 0, [0]),
        ([], False, [False]),
        (['{"a": 1}'], {"a": 1}, []),
        (['{"a": 1}'], [{"a": 1}, {"b": 2}], [{"b": 2}]),
        (["https://replicate.delivery/x.png?a=1"], ["https://replicate.delivery/x.png?a=2"], []),
    ],
)
def test_what_agrees_is_completed(delivered, output, rest):
    state = end(*delivered, output=output)
    assert (state.error, items(state)) == (None, rest)


@pytest.mark.parametrize(
    ("delivered", "output"),
    [
        (["a"], None),
        (["a"], ["b"]),
        (["a", "b"], ["a"]),
        (["ab"], "a"),
        (["a"], {"a": 1}),
        (["a"], []),
        (["a"], 1),
        ([{"a": 1}], "x"),
        (["https://replicate.delivery/x.png?a=1"], ["https://replicate.delivery/y.png?a=1"]),
        (["https://elsewhere.example/x?1"], ["https://elsewhere.example/x?2"]),
    ],
)
def test_what_does_not_agree_is_said_to_diverge(delivered, output):
    state = end(*delivered, output=output)
    assert type(state.error) is OutputDiverged
    assert (state.error.delivered, state.error.seen) == (delivered, output)
    assert state.error.prediction == Snapshot(record("succeeded", output))
    assert items(state) == []


@pytest.mark.parametrize(
    ("status", "kind"), [("failed", ModelError), ("canceled", ModelCanceled), ("aborted", ModelCanceled)]
)
def test_what_failed_is_not_compared_but_its_last_output_is_delivered(status, kind):
    state = end("a", status=status, output=["a", "b"])
    assert (type(state.error), items(state), state.status) == (kind, ["b"], status)
    other = end("a", status=status, output=["x"])
    assert (type(other.error), items(other)) == (kind, [])
    assert not [news for news in state.news if isinstance(news, DoneEvent)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"status": "failed", "error": "boom"}, "prediction p1 of owner/name failed: boom"),
        ({"status": "failed"}, "prediction p1 of owner/name failed: the server gave no reason"),
        ({"status": "failed", "model": None, "error": {"a": 1}}, "prediction p1 failed: {'a': 1}"),
        ({"status": "canceled"}, "prediction p1 of owner/name was canceled before it was finished"),
        ({"status": "aborted", "error": "no"}, "prediction p1 of owner/name was aborted before it was finished: no"),
        ({"status": "failed", "error": "a\r\n\x1b[31mb"}, "prediction p1 of owner/name failed: a [31mb"),
    ],
)
def test_the_error_says_what_the_server_said_on_one_line(fields, message):
    error = end(**fields).error
    assert str(error) == message
    assert error.prediction.status == fields["status"]


def test_a_long_reason_is_cut():
    assert len(str(end(status="failed", error="x" * 10**6).error)) < 2200


# ---- removed -------------------------------------------------------------------------------------------------


def test_an_output_that_was_removed_before_anything_was_delivered_is_expired():
    state = end(data_removed=True)
    assert type(state.error) is FileExpired
    assert state.error.prediction == state.life.snapshot


def test_one_that_was_removed_in_the_middle_is_interrupted():
    state = end("Hel", "lo", data_removed=True)
    assert type(state.error) is StreamInterrupted
    assert state.error.partial_text == "Hello"


def test_one_that_was_delivered_whole_is_done():
    state = end("Hello", data_removed=True, life=known(done=True))
    assert (state.error, state.news[-1]) == (None, DoneEvent(state.life.snapshot))


def test_a_run_that_only_waited_has_nothing_to_show_for_it():
    """Its stream said done, but the output was not read."""
    state = end(data_removed=True, life=known(terms=terms(delivers=False), done=True))
    assert type(state.error) is FileExpired


def test_one_that_failed_has_failed_whatever_was_removed():
    assert type(end("a", status="failed", data_removed=True).error) is ModelError


# ---- picking up a prediction ---------------------------------------------------------------------------------


def test_a_finished_prediction_is_settled_without_a_request():
    found = snapshot("succeeded", ["a"])
    state = following(terms(), found, NOW)
    assert isinstance(state, Settled)
    assert state.news == (Output(["a"]), DoneEvent(found))


def test_a_failed_one_too():
    state = following(terms(), snapshot("failed", error="boom"), NOW)
    assert isinstance(state, Settled)
    assert type(state.error) is ModelError


@pytest.mark.parametrize(
    ("settled", "word"),
    [
        (Settled(known(snapshot=snapshot("succeeded"))), "succeeded"),
        (Settled(known(snapshot=snapshot("aborted")), ModelCanceled("x", prediction=snapshot())), "aborted"),
        (Settled(known(snapshot=snapshot("canceled")), PredictionTimeout("x", prediction=snapshot())), "timeout"),
        (Settled(known(snapshot=snapshot("processing")), StreamInterrupted("x")), "timeout"),
        (Settled(attrs.evolve(known(), snapshot=None), ReplicateHomeError("x")), "timeout"),
    ],
)
def test_the_status_of_the_end_is_the_servers_terminal_word_or_timeout(settled, word):
    assert settled.status == word
