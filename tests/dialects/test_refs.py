"""How a model may be named, and that anything else is an error before any request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.dialects.refs import ModelRef
from replicate_home.exceptions import InvalidInput

HASH = "0123456789abcdef" * 4
GEMMA = "google-deepmind/gemma-2b-it"


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("owner/name", ModelRef("owner", "name")),
        ("Owner-1/na.me_2", ModelRef("Owner-1", "na.me_2")),
        (f"owner/name:{HASH}", ModelRef("owner", "name", HASH)),
        ("owner/name:v1", ModelRef("owner", "name", "v1")),
        (HASH, ModelRef(None, None, HASH)),
        ("dp-" + "a" * 32, ModelRef(None, None, "dp-" + "a" * 32)),
        ("d-" + "a" * 32, ModelRef(None, None, "d-" + "a" * 32)),
        ("local/markov", ModelRef("local", "markov")),
        ("deployments/owner/name", ModelRef(None, None, deployment="owner/name")),
    ],
)
def test_a_model_is_named_in_four_ways_and_written_as_it_was(text, ref):
    assert ModelRef.parse(text) == ref
    assert str(ref) == text
    assert ref.model == (f"{ref.owner}/{ref.name}" if ref.owner else None)


@pytest.mark.parametrize(
    "text",
    ["", " ", "name", "/", "owner/", "/name", "owner/name/", "a/b/c", "owner/name:", "owner/na me", " owner/name",
     "owner/name\n", "owner/../x", "../x", "owner/name:v/1", "owner/name?x=1", "owner/name#f", "https://replicate.com/a/b",
     "o\u00e9/name", "owner/name:v1:v2", HASH[:-1], HASH.upper(), "x" * 10_000],
)  # fmt: skip
def test_anything_else_is_no_model(text):
    with pytest.raises(InvalidInput) as caught:
        ModelRef.parse(text)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("thing", [None, 1, b"owner/name", ["owner/name"]])
def test_anything_but_a_string_is_a_mistake_in_the_callers_code(thing):
    with pytest.raises(TypeError, match="model must be a string"):
        ModelRef.parse(thing)


def test_a_short_name_is_one_on_the_homepage_alone():
    assert ModelRef.parse("gemma-2b", aliases=True) == ModelRef.parse(GEMMA)
    with pytest.raises(InvalidInput, match=f"write '{GEMMA}'"):
        ModelRef.parse("gemma-2b")


@given(st.text())
def test_any_text_at_all_is_a_model_or_not_found(text):
    try:
        ref = ModelRef.parse(text, aliases=True)
    except InvalidInput:
        return
    assert ModelRef.parse(str(ref)) == ref


def test_a_reference_that_was_read_is_taken_as_it_is():
    ref = ModelRef("owner", "name", official=True)
    assert ModelRef.parse(ref) is ref
