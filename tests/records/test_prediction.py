"""A prediction as the server described it: its own words, checked where we rely on them, everything kept."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.exceptions import ProtocolError
from replicate_home.records.events import DoneEvent, LogsEvent, OutputEvent, StatusEvent
from replicate_home.records.parsing import parse
from replicate_home.records.prediction import Progress, Snapshot, Status

from ..hypothesis_profiles import examples

RECORD = {
    "id": "p1", "model": "owner/name", "version": "v1", "status": "succeeded", "input": {"prompt": "x"},
    "output": ["a"], "logs": "  30%|### | 3/10 [00:01<00:02]\n", "error": None, "metrics": {"predict_time": 1.5},
    "urls": {"get": "https://x/"}, "created_at": "c", "started_at": "s", "completed_at": "e", "deadline": "d",
    "deployment": "o/d", "source": "api", "data_removed": False, "webhook": "https://w/",
    "webhook_events_filter": ["completed"], "colour": "blue",
}  # fmt: skip


def test_every_field_has_its_name_and_the_others_are_extra():
    snapshot = parse(Snapshot, RECORD)
    assert {name: getattr(snapshot, name) for name in RECORD if name != "colour"} == {
        name: value for name, value in RECORD.items() if name != "colour"
    }
    assert snapshot.extra == {"colour": "blue"}
    assert snapshot.progress == Progress(0.3, 3, 10)


def test_it_goes_round_as_a_dict():
    snapshot = parse(Snapshot, RECORD)
    assert dict(snapshot) == snapshot.to_dict() == RECORD
    assert list(snapshot) == list(RECORD)
    assert "id" in snapshot
    assert "nonsense" not in snapshot
    assert parse(Snapshot, snapshot.to_dict()) == snapshot
    assert snapshot["colour"] == "blue"
    snapshot.to_dict()["id"] = "other"
    assert snapshot.id == "p1"


def test_what_is_missing_or_null_is_nothing():
    for record in ({"id": "p1"}, {"id": "p1", **dict.fromkeys(["input", "logs", "metrics", "urls", "output"])}):
        snapshot = parse(Snapshot, record)
        assert (snapshot.input, snapshot.logs, snapshot.metrics, snapshot.urls) == ({}, "", {}, {})
        assert (snapshot.output, snapshot.error, snapshot.model, snapshot.progress) == (None, None, None, None)
        assert (snapshot.data_removed, snapshot.is_terminal, snapshot.extra) == (False, False, {})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "expected a prediction (a JSON object), got a list"),
        (None, "expected a prediction (a JSON object), got null"),
        ("x", "expected a prediction (a JSON object), got a string"),
        (1.5, "expected a prediction (a JSON object), got a number"),
        ({}, "expected a prediction, got an object without 'id'"),
        ({"id": ""}, "expected a prediction, got an object without 'id'"),
        ({"id": 1}, "a prediction's 'id' should be a string, got a number"),
        ({"id": "p1", "urls": []}, "a prediction's 'urls' should be an object, got a list"),
        ({"id": "p1", "logs": {}}, "a prediction's 'logs' should be a string, got an object"),
        ({"id": "p1", "metrics": True}, "a prediction's 'metrics' should be an object, got a boolean"),
        ({"id": "p1", "input": "x"}, "a prediction's 'input' should be an object, got a string"),
    ],
)
def test_what_we_rely_on_is_checked_and_the_field_is_named(data, message):
    with pytest.raises(ProtocolError) as caught:
        parse(Snapshot, data)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("status", "completed_at", "word", "is_terminal"),
    [
        ("starting", None, "starting", False),
        ("processing", "now", "processing", False),
        ("succeeded", None, "succeeded", True),
        ("failed", None, "failed", True),
        ("canceled", None, "canceled", True),
        ("aborted", None, "aborted", True),
        ("queued", None, "queued", False),
        ("exploded", "now", "exploded", True),
        ("Succeeded", None, "Succeeded", False),
        (None, None, "None", False),
        (None, "now", "None", True),
        ([1], None, "[1]", False),
        ({"a": 1}, "now", "{'a': 1}", True),
        (1, None, "1", False),
    ],
)
def test_a_status_is_the_servers_word_and_an_unknown_one_is_data(status, completed_at, word, is_terminal):
    snapshot = parse(Snapshot, {"id": "p1", "status": status, "completed_at": completed_at})
    assert (snapshot.status, snapshot.is_terminal) == (word, is_terminal)


def test_statuses_are_strings():
    assert Status.SUCCEEDED == "succeeded"
    assert f"{Snapshot({'id': 'p1', 'status': 'failed'}).status}" == "failed"
    assert set(Status) == {"starting", "processing", "succeeded", "failed", "canceled", "aborted", "timeout"}


def test_a_snapshot_is_a_value():
    snapshot = parse(Snapshot, RECORD)
    assert snapshot == Snapshot(dict(RECORD)) == copy.copy(snapshot) == pickle.loads(pickle.dumps(snapshot))
    assert hash(snapshot) == hash(Snapshot(dict(RECORD)))
    assert snapshot != Snapshot({**RECORD, "status": "failed"})
    assert snapshot != RECORD
    with pytest.raises(AttributeError, match="no setter"):
        snapshot.status = "failed"


def test_its_repr_is_short_and_holds_neither_input_nor_output():
    assert repr(parse(Snapshot, RECORD)) == "Snapshot(id='p1', status='succeeded', model='owner/name')"
    assert repr(Snapshot({"id": "p1"})) == "Snapshot(id='p1', status='None')"


# ---- progress ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("logs", "progress"),
    [
        ("", None),
        ("nothing yet", None),
        ("  0%|          | 0/10 [00:00<?, ?it/s]", Progress(0.0, 0, 10)),
        (" 10%|#         | 1/10\n 20%|##        | 2/10\ndone", Progress(0.2, 2, 10)),
        ("\r 10%|#  | 1/10\r 20%|## | 2/10\r", Progress(0.2, 2, 10)),
        ("100%|██████████| 28/28 [00:05<00:00,  5.1it/s]", Progress(1.0, 28, 28)),
        ("loss: 30%|x| 3/10", None),
        ("30% | bar | 3/10", Progress(0.3, 3, 10)),
        ("30%|bar", None),
        ("30%|bar| 3/", None),
        ("30%||\n3/10", None),
        ("9" * 5000 + "%|x| 1/2", None),
        ("50%|x| 1/" + "9" * 5000, Progress(0.5, 1, 10**18 - 1)),
    ],
)
def test_progress_is_the_last_tqdm_line(logs, progress):
    assert Progress.from_logs(logs) == progress


@examples(300, 20_000)
@given(st.text("0123456789 %|/\r\n#x", max_size=40) | st.text(max_size=20))
def test_any_logs_at_all_have_a_progress_or_none(logs):
    progress = Progress.from_logs(logs)
    assert progress is None or progress.percentage >= 0


@pytest.mark.parametrize("piece", ["\n", " ", "\r", "1%|", "|", "1%| ", " \n"])
def test_endless_logs_without_progress_are_looked_through_once(piece):
    """What looked at them from every place again would not be done within a test's time."""
    assert Progress.from_logs(piece * 300_000) is None


# ---- events --------------------------------------------------------------------------------------------------


def test_events_have_the_servers_names_and_read_as_their_text():
    snapshot = Snapshot({"id": "p1", "status": "processing"})
    events = [StatusEvent(snapshot), OutputEvent("Hel"), OutputEvent({"a": 1}), LogsEvent("log"), DoneEvent(snapshot)]
    assert [event.event for event in events] == ["status", "output", "output", "logs", "done"]
    assert [str(event) for event in events[1:4]] == ["Hel", "{'a': 1}", "log"]
    assert events[0].status == "processing"
    assert pickle.loads(pickle.dumps(events)) == events
