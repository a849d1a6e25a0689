"""G1: what is new in an output that grows, however it was cut; and that a contradiction is not passed over.

The poll sequences are stated here; where ``REPLICATE_HOME_TEST_DATA`` names a folder that has them too, theirs must
be the same.
"""

from __future__ import annotations

import json
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.exceptions import ModelCanceled, OutputDiverged, ProtocolError
from replicate_home.lifecycle.deltas import new_items
from replicate_home.lifecycle.life import Output
from replicate_home.lifecycle.machine import Kind, Pausing, Sending, Settled, State
from replicate_home.protocol.strict_json import DEEPEST, parse_json

from ..hypothesis_profiles import examples
from .lives import CREATE, NOW, known, polling, snapshot, told

DATA = os.environ.get("REPLICATE_HOME_TEST_DATA")  # before the tests' own environment is cleared

# name, what the polls say, what is handed out, and how it ends
SEQUENCES: list[tuple[str, list[tuple[str, Any]], list[Any], type[Exception] | None]] = [
    ("grow", [("processing", ["a"]), ("processing", ["a", "b"]), ("succeeded", ["a", "b", "c"])],
     ["a", "b", "c"], None),
    ("terminal at first read", [("succeeded", ["a", "b"])], ["a", "b"], None),
    ("shrink", [("processing", ["a", "b", "c"]), ("processing", ["a"]), ("succeeded", ["a", "b", "c"])],
     ["a", "b", "c"], None),
    ("prefix changes", [("processing", []), ("processing", ["a"]), ("succeeded", ["X", "b"])], ["a"], OutputDiverged),
    ("string grows", [("processing", None), ("processing", "he"), ("succeeded", "hello")], ["he", "llo"], None),
    ("string then list", [("processing", None), ("processing", "he"), ("succeeded", ["h", "i", "j"])],
     ["he"], OutputDiverged),
    ("dict", [("processing", None), ("succeeded", {"a": 1})], [{"a": 1}], None),
    ("int", [("processing", None), ("succeeded", 3)], [3], None),
    ("status backwards", [("processing", ["a"]), ("starting", None), ("succeeded", ["a", "b"])], ["a", "b"], None),
    ("canceled", [("processing", ["a"]), ("canceled", ["a"])], ["a"], ModelCanceled),
    ("id changes", [("processing", ["a"]), ("succeeded", ["q", "b"])], ["a"], ProtocolError),
]  # fmt: skip


def followed(name: str, polls: list[tuple[str, Any]]) -> tuple[list[Any], Exception | None]:
    """What a life hands out that polls to the end, and its error."""
    state: State = polling(known(streams=False))
    items: list[Any] = []
    for number, (status, output) in enumerate(polls):
        state = state.then if isinstance(state, Pausing) else state
        assert isinstance(state, Sending)
        other = {"id": "zzz"} if name == "id changes" and number == len(polls) - 1 else {}
        state = state.next(told(status, output, **other), NOW)
        items += [item for news in state.news if isinstance(news, Output) for item in news.items]
    error = state.cause if isinstance(state, Sending) else None
    assert isinstance(state, (Sending, Settled))
    return items, state.error if isinstance(state, Settled) else error


@pytest.mark.reliability
@pytest.mark.parametrize(("name", "polls", "items", "error"), SEQUENCES, ids=[case[0] for case in SEQUENCES])
def test_polls_hand_out_every_piece_once(name, polls, items, error):
    heard, end = followed(name, polls)
    assert heard == items
    assert end is None if error is None else isinstance(end, error)


@pytest.mark.reliability
def test_these_are_the_sequences_of_the_reference_data():
    if not DATA:
        pytest.skip("REPLICATE_HOME_TEST_DATA does not name the folder with poll_sequences.json")
    cases = json.loads((Path(DATA) / "poll_sequences.json").read_text("utf-8"))["cases"]
    assert len(cases) == len(SEQUENCES) == 11
    for case, (name, polls, items, _) in zip(cases, SEQUENCES, strict=True):
        assert (case["name"], [(status, output) for status, output, *_ in case["answers"]]) == (name, polls)
        assert case["expect"] == items or isinstance(case["expect"], str)


# ---- text ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delivered", "output", "new"),
    [
        ([], ["a", "b"], ["a", "b"]),
        (["a"], ["a", "b"], ["b"]),
        (["a", "b"], ["ab", "c"], ["c"]),
        (["ab"], ["a", "b", "c"], ["c"]),
        (["a", "b"], ["abc"], ["c"]),
        (["ab"], ["a", "bc", "d"], ["c", "d"]),
        (["a"], "abc", ["bc"]),
        (["abc"], ["a"], []),
        (["abc"], "ab", []),
        (["abc"], None, []),
        (["he"], ["hello"], ["llo"]),
        (["", "a", ""], ["a", "", "b"], ["b"]),
        (["a\n"], ["a\r\n", "b"], ["b"]),
        (["a\n"], ["a\r", "b"], ["b"]),
        (["a\nb"], ["a\r", "\nb", "c"], ["c"]),
        (["a\n"], ["a\r", "\nb"], ["b"]),
        (["1\n\n"], ["1\r\n\r", "\n\r\n"], ["\n"]),
        (["a\r"], "a\r\nb", ["\nb"]),
        (["é"], "é漢", ["漢"]),
        (["x"], "y", None),
        (["x"], ["x", 1], [1]),
        (["x", "y"], ["xy", 1], None),
        (["x"], {"x": 1}, None),
    ],
)
def test_what_is_new_while_it_grows(delivered, output, new):
    assert new_items(delivered, output, final=False) == new


@pytest.mark.parametrize("output", [{"a": 1}, 1, True, 0.5])
def test_what_is_neither_text_nor_a_list_is_one_item_once_it_is_final(output):
    assert new_items([], output, final=False) == []
    assert new_items([], output, final=True) == [output]
    assert new_items([output], output, final=True) == []
    assert new_items([json.dumps(output)], output, final=True) == []
    assert new_items([json.dumps(output), "x"], output, final=True) is None


@pytest.mark.parametrize("output", [None, "", [], ["a"], "a"])
def test_at_the_end_it_may_not_be_behind(output):
    assert new_items(["ab"], output, final=True) is None


@pytest.mark.parametrize(
    ("delivered", "output"),
    [(["a\n", "\nb"], ["a\r", "\nb"]), (["a\nb"], ["a\r", "\nb"]), (["a\n\n"], ["a\r\n\n"]), (["a\n"], "a\r")],
)
def test_an_event_stream_cannot_tell_line_breaks_apart(delivered, output):
    assert new_items(delivered, output, final=True) == []


@pytest.mark.parametrize(
    ("delivered", "item", "agrees"),
    [
        ('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}, True),
        ("1", 1, True),
        ("null", None, True),
        ("NaN", 1, False),
        ("{", {}, False),
        ("\ud800", {}, False),
        ("x", 1, False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ("https://replicate.delivery/x.png?Expires=1", "https://replicate.delivery/x.png?Expires=2", True),
        ("https://pb.replicate.delivery/x", "https://pb.replicate.delivery/x?Expires=2", True),
        ("https://replicate.delivery/x.png?a", "https://replicate.delivery/y.png?a", False),
        ("https://replicate.delivery.evil.example/x?1", "https://replicate.delivery.evil.example/x?2", False),
        ("http://replicate.delivery/x?1", "http://replicate.delivery/x?2", False),
    ],
)
def test_items_agree_as_json_and_files_whatever_their_signature(delivered, item, agrees):
    assert new_items([delivered], [item], final=True) == ([] if agrees else None)


PNG, FILE = "data:image/png;base64,iVBORw0=", "https://replicate.delivery/x/out.png"


@pytest.mark.parametrize(
    ("delivered", "output", "rest"),
    [
        ([PNG], FILE, []),
        ([PNG], [FILE], []),
        ([PNG, PNG], [FILE, FILE], []),
        ([PNG], [FILE, FILE], [FILE]),
        ([PNG, FILE], [FILE, f"{FILE}?Expires=2"], []),
        ([PNG], "http://127.0.0.1:8000/delivery/x/out.png", []),
        ([{"image": PNG, "seed": 7}], [{"image": FILE, "seed": 7}], []),
        ([{"images": [PNG, PNG]}], {"images": [FILE, FILE]}, []),
        ([f'{{"image": "{PNG}"}}'], {"image": FILE}, []),
        ([f"{FILE}?Expires=1"], f"{FILE}?Expires=2", []),
    ],
)
@pytest.mark.parametrize("final", [False, True])
def test_a_file_that_came_as_a_data_uri_is_the_file_that_is_named_by_url_later(delivered, output, rest, final):
    assert new_items(delivered, output, final=final) == rest


@pytest.mark.parametrize(
    ("delivered", "output"),
    [
        ([PNG], "data:image/png;base64,AAAA"),
        ([PNG], "not a URL"),
        ([PNG], f"{FILE} and some text"),
        ([PNG], f"ftp{FILE[5:]}"),
        ([PNG, PNG], [FILE]),
        ([PNG, PNG], FILE),
        (["data: a colon in a text, no URI"], FILE),
        (["tok"], FILE),
        ([FILE], PNG),
        ([{"image": PNG, "seed": 7}], [{"image": FILE, "seed": 8}]),
        ([{"image": PNG}], [{"picture": FILE}]),
        ([[PNG, PNG]], [[FILE]]),
        ([{"image": PNG}], [[FILE]]),
    ],
)
def test_what_only_resembles_a_file_with_a_new_url_contradicts(delivered, output):
    assert new_items(delivered, output, final=True) is None


def test_json_that_is_nested_as_deeply_as_it_can_be_parsed_is_compared():
    def nested(item: str) -> Any:
        return parse_json(("[" * DEEPEST + json.dumps(item) + "]" * DEEPEST).encode())

    assert new_items([nested(PNG)], [nested(FILE)], final=True) == []


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), st.lists, max_leaves=4)
pieces = st.lists(st.sampled_from(["a", "b", "", "\n", "é", "xyz", "{}", "1"]), max_size=12)


def cut(text: str, places: list[int]) -> list[str]:
    at = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:stop] for start, stop in pairwise(at)]


@pytest.mark.reliability
@examples(500, 50_000)
@given(pieces, st.lists(st.integers(0, 99)), st.integers(0, 99), st.booleans(), st.booleans())
def test_however_text_is_cut_the_rest_of_it_is_the_rest(whole, places, upto, final, as_text):
    text = "".join(whole)
    delivered = cut(text[: upto % (len(text) + 1)], places[:3])
    output = text if as_text else cut(text, places)
    new = new_items(delivered, output, final=final)
    assert new is not None
    assert "".join(delivered + new) == text


def plain(text: str) -> str:
    return re.sub("\r\n?", "\n", text)


@pytest.mark.reliability
@examples(500, 50_000)
@given(st.text("ab\r\n", max_size=12), st.lists(st.integers(0, 99), max_size=4), st.integers(0, 99))
def test_with_any_line_breaks_what_was_streamed_and_the_rest_are_the_text(text, places, upto):
    streamed = plain(text)[: upto % (len(text) + 1)]
    new = new_items([streamed], cut(text, places), final=True)
    assert new is not None
    assert plain(streamed + "".join(new)) == plain(text)


@pytest.mark.reliability
@examples(300, 20_000)
@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=6), st.lists(st.sampled_from("ab"), max_size=8))
def test_what_contradicts_is_never_passed_over(delivered, output):
    new = new_items(delivered, output, final=True)
    agrees = "".join(output).startswith("".join(delivered))
    assert (new is not None) == agrees
    assert new is None or "".join(delivered + new) == "".join(output)


@pytest.mark.reliability
@examples(300, 20_000)
@given(
    st.lists(json_values, max_size=4),
    json_values,
    st.booleans(),
)
def test_any_json_is_compared_without_a_crash(delivered, output, final):
    new = new_items(delivered, output, final=final)
    assert new is None or isinstance(new, list)


def test_a_new_signature_does_not_make_a_new_file():
    first = snapshot("processing", ["https://replicate.delivery/x.png?Expires=1"])
    state = polling(known(streams=False)).next(told("processing", first.output), NOW)
    assert isinstance(state, Pausing)
    end = state.then.next(told("succeeded", ["https://replicate.delivery/x.png?Expires=2"]), NOW)
    assert isinstance(end, Settled)
    assert (end.error, [news for news in end.news if isinstance(news, Output)]) == (None, [])


def test_a_held_create_that_answers_with_data_uris_is_followed_to_its_urls():
    held = told("processing", [PNG], code=201)
    state = Sending(known(snapshot=None), Kind.CREATE, CREATE).next(held, NOW)
    items = [item for news in state.news if isinstance(news, Output) for item in news.items]
    while isinstance(state, Pausing):
        state = state.next(state.until)
    assert isinstance(state, Sending)
    end = state.next(told("succeeded", [FILE]), NOW)
    items += [item for news in end.news if isinstance(news, Output) for item in news.items]
    assert isinstance(end, Settled)
    assert (end.error, items, end.life.snapshot.output) == (None, [PNG], [FILE])
