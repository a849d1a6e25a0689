"""Rule 4: only an event's own id marks a replay; a jump in its number ends the stream before it is delivered."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.lifecycle.replays import Ids, Seen, sift

from ..hypothesis_profiles import examples
from .lives import event, numbered


def sifted(*own_ids: str | None, seen: Seen | None = None, reopened: bool = False, kind: str = "output"):
    """The numbers of the events that are new, whether there is a gap, and the last id."""
    events = [event(str(place), own_id, kind) for place, own_id in enumerate(own_ids)]
    after, fresh, gap = sift(seen or Seen(), events, reopened=reopened)
    return [int(item.data) for item in fresh], gap, after.last


AT_2 = Seen("9:2", 9, 2)


@pytest.mark.parametrize(
    ("own_ids", "outcome"),
    [
        (["9:0", "9:1", "9:2"], ([0, 1, 2], False, "9:2")),
        (["9:0", "9:0", "9:1"], ([0, 2], False, "9:1")),
        (["9:0", "9:1", "10:0"], ([0, 1, 2], False, "10:0")),
        (["9:0", "9:1", "10:2"], ([0, 1, 2], False, "10:2")),
        (["9:0", "9:2"], ([0], True, "9:0")),
        (["9:0", "9:2", "9:1"], ([0], True, "9:0")),
        (["9:0", "9:1", "10:5"], ([0, 1], True, "9:1")),
        (["9:3"], ([], True, "")),
        (["9:0", "8:9", "9:1"], ([0, 2], False, "9:1")),
        (["a", "b", "a", "c"], ([0, 1, 3], False, "c")),
        (["a", None, "b"], ([0, 1, 2], False, "b")),
        (["a", ""], ([0, 1], False, "")),
        ([None, None], ([0, 1], False, "")),
        (["9:x", "9:x"], ([0], False, "9:x")),
        ([":1", "1:", "1:0:0", "-1:0", "+1:0", "1_0:0", "²:0"], ([0, 1, 2, 3, 4, 5, 6], False, "²:0")),
    ],
)
def test_on_the_first_stream(own_ids, outcome):
    assert sifted(*own_ids) == outcome


@pytest.mark.parametrize(
    ("own_ids", "outcome"),
    [
        (["9:0", "9:1", "9:2", "9:3"], ([3], False, "9:3")),
        (["9:3"], ([0], False, "9:3")),
        (["9:4"], ([], True, "9:2")),
        (["8:0"], ([], False, "9:2")),
        ([None], ([], True, "9:2")),
        ([""], ([], True, "9:2")),
    ],
)
def test_on_a_stream_that_was_opened_again(own_ids, outcome):
    assert sifted(*own_ids, seen=AT_2, reopened=True) == outcome


def test_logs_without_an_id_are_left_to_the_next_snapshot_on_a_stream_that_was_opened_again():
    assert sifted(None, seen=AT_2, reopened=True, kind="logs") == ([], False, "9:2")


@pytest.mark.parametrize("kind", ["done", "error", "message"])
def test_only_output_without_an_id_is_a_gap(kind):
    assert sifted(None, seen=AT_2, reopened=True, kind=kind) == ([0], False, "9:2")


def test_after_a_gap_nothing_is_taken_in():
    seen, fresh, gap = sift(Seen(), [*numbered("a"), *numbered("c", "d", first=2)], reopened=False)
    assert (seen, fresh, gap) == (Seen("1700000000:0", 1700000000, 0), numbered("a"), True)


def test_an_endless_number_is_an_id_like_any_other():
    long = "9" * 5000 + ":0"
    assert sifted(long, long) == ([0], False, long)


@pytest.mark.reliability
@examples(300, 20_000)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6)), min_size=1, max_size=6))
def test_numbered_events_come_out_once_and_in_order_whatever_is_repeated(windows):
    """G1: any windows on one stream of events, each from some number on."""
    seen, heard = Seen(), []
    for first, count in windows:
        seen, fresh, _ = sift(seen, numbered(*map(str, range(first, first + count)), first=first), reopened=True)
        heard += [int(item.data) for item in fresh]
    assert heard == list(range(len(heard)))


# ---- ids as values -------------------------------------------------------------------------------------------


@examples(300, 10_000)
@given(st.lists(st.tuples(st.integers(0, 10), st.sampled_from("abcdef")), max_size=20))
def test_a_set_of_ids_never_sees_what_another_that_grew_from_it_added(steps):
    versions: list[tuple[Ids, set[str]]] = [(Ids(), set())]
    for which, name in steps:
        ids, names = versions[which % len(versions)]
        versions.append((ids.including(name), names | {name}))
        for ids, names in versions:
            assert set(ids) == names
            assert {letter for letter in "abcdef" if letter in ids} == names


def test_ids_compare_copy_and_pickle_as_values():
    ids = Ids(["a", "b"])
    ids.including("c")
    assert ids == Ids(["a", "b"]) == copy.deepcopy(ids) == pickle.loads(pickle.dumps(ids))
    assert ids != Ids(["a"])
    assert ids.including("a") == ids
    assert repr(ids) == "Ids(['a', 'b'])"
    assert "c" not in ids
