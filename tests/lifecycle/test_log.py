"""What was delivered grows without copying, and yet every state keeps its own."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.lifecycle.life import Log

from ..hypothesis_profiles import examples


@examples(300, 10_000)
@given(st.lists(st.tuples(st.integers(0, 10), st.lists(st.integers(), max_size=3)), max_size=20))
def test_a_log_never_sees_what_another_that_grew_from_it_appended(steps):
    versions: list[tuple[Log, list[int]]] = [(Log(), [])]
    for which, items in steps:
        log, plain = versions[which % len(versions)]
        versions.append((log.extended(items), plain + items))
        for log, plain in versions:
            assert list(log) == plain == log[:]
            assert len(log) == len(plain)


def test_a_log_is_a_sequence():
    log = Log("abc")
    log.extended(["d"])
    assert (log[0], log[-1], log[1:], "c" in log, "d" in log) == ("a", "c", ["b", "c"], True, False)
    assert (log.index("b"), log.count("a"), list(reversed(log))) == (1, 1, ["c", "b", "a"])
    with pytest.raises(IndexError):
        log[3]


def test_logs_compare_copy_and_pickle_as_values():
    log = Log([{"a": 1}, "b"])
    log.extended(["c"])
    assert log == Log([{"a": 1}, "b"]) == copy.deepcopy(log) == pickle.loads(pickle.dumps(log))
    assert log != Log(["b"])
    assert log != [{"a": 1}, "b"]
    assert repr(log) == "Log([{'a': 1}, 'b'])"
    assert log.extended([]) is log
    with pytest.raises(TypeError):
        hash(log)


def test_growing_by_one_is_not_copying_all():
    """10,000 pieces share one list: a tenth of a second where copying each time would take many."""
    log = Log()
    for number in range(10_000):
        log = log.extended([number])
    assert len(log) == 10_000
    assert log._items is log.extended(["x"])._items
