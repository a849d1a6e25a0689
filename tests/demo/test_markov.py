from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicate_home.demo.markov import _build, _manual, markov, sentences

from .conftest import Run


def say(prompt: str, **options) -> list[str]:
    """What comes after the prompt, which is repeated first."""
    repeated, *pieces = markov(Run(), prompt, **options)
    assert repeated in (prompt.strip(), f"{prompt.strip()}.")
    return pieces


SENTENCES = sentences()
WORDS = [word for sentence in SENTENCES for word in sentence]


@pytest.mark.parametrize(
    "prompt",
    [
        "The interpreter",
        "Tell me a joke",
        "interpreter",
        "the",
        "日本語で話してください",
        "Расскажи шутку",
        "שלום",
        "🙂",
        "?!",
        ".",
        "___BEGIN__ ___BEGIN__",
        "___END__",
        "\ud800",
        "\x00",
        "x" * 100_000,
        "the interpreter " * 7_000,
    ],
)
def test_any_prompt_is_answered_with_forty_words_and_more_in_pieces_of_one_word_each(prompt) -> None:
    pieces = say(prompt)
    assert 40 <= len(pieces) <= 120
    assert all(piece[0] == " " and len(piece[1:].split()) == 1 for piece in pieces)
    assert pieces[-1][-1] in ".!?"


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1).filter(str.strip), st.integers())
def test_any_text_at_all_is_a_prompt(prompt, seed) -> None:
    assert 40 <= len(say(prompt, seed=seed)) <= 120


@settings(max_examples=60, deadline=None)
@given(st.integers(0), st.integers(1, 6), st.integers())
def test_any_words_of_the_manual_are_a_prompt(start, length, seed) -> None:
    start %= len(WORDS)
    assert 40 <= len(say(" ".join(WORDS[start : start + length]), seed=seed)) <= 120


def test_it_goes_on_from_the_longest_tail_that_the_manual_has() -> None:
    sentence = max(SENTENCES, key=len)
    followers = {
        c
        for line in SENTENCES
        for (a, b), c in zip(pairwise(line), line[2:], strict=False)
        if (a, b) == (sentence[4], sentence[5])
    }
    prompt = "Zounds, quoth he: " + " ".join(sentence[:6])
    assert {say(prompt, seed=seed)[0].strip() for seed in range(20)} <= followers


def test_the_case_and_punctuation_of_the_prompt_do_not_matter() -> None:
    manual = _manual()
    for prompt in ("the interpreter", "THE INTERPRETER?", "(the interpreter)..."):
        assert {say(prompt, seed=seed)[0].strip() for seed in range(10)} <= {
            follower
            for (first, second), follows in manual._follows.items()
            if (first.casefold(), second.casefold().strip(",;:")) == ("the", "interpreter")
            for follower in follows
        }


@pytest.mark.parametrize(
    ("prompt", "repeated"),
    [
        ("The interpreter", "The interpreter"),
        (" The interpreter\n", "The interpreter"),
        ("xyzzy", "xyzzy."),
        ("xyzzy?", "xyzzy?"),
    ],
)
def test_the_prompt_is_repeated_and_ends_where_a_sentence_begins(prompt, repeated) -> None:
    assert next(markov(Run(), prompt)) == repeated


def test_where_nothing_of_the_prompt_is_known_it_begins_a_sentence() -> None:
    starts = {sentence[0] for sentence in SENTENCES}
    assert {say("xyzzy", seed=seed)[0].strip() for seed in range(20)} <= starts


def test_the_same_prompt_and_seed_give_the_same_text_and_another_seed_another() -> None:
    assert say("The interpreter", seed=7) == say("The interpreter", seed=7)
    assert say("The interpreter", seed=7) != say("The interpreter", seed=8)
    assert say("xyzzy", seed=7) != say("plugh", seed=7)


def test_without_a_seed_every_run_is_another() -> None:
    assert say("The interpreter") != say("The interpreter")


def test_a_pause_stands_before_each_word_and_none_before_the_prompt(run) -> None:
    stream = markov(run, "The interpreter", tokens_per_second=8)
    next(stream)
    assert run.sleeps == []
    rest = list(stream)
    assert run.sleeps == [1 / 8] * len(rest)


@pytest.mark.parametrize("max_words", [1, 2, 10, 39, 40, 41, 60, 500])
def test_max_words_is_never_exceeded_and_forty_words_are_said_where_it_allows(max_words) -> None:
    for seed in range(10):
        assert min(40, max_words if max_words >= 40 else 1) <= len(say("xyzzy", max_words=max_words, seed=seed))
        assert len(say("xyzzy", max_words=max_words, seed=seed)) <= max_words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt": ""}, "prompt must not be empty: write the words to continue"),
        ({"prompt": " \n"}, "prompt must not be empty: write the words to continue"),
        ({"prompt": "a", "max_words": 0}, "max_words must be at least 1, got 0"),
        ({"prompt": "a", "tokens_per_second": 0}, "tokens_per_second must be more than 0, got 0"),
        ({"prompt": "a", "tokens_per_second": -1.5}, "tokens_per_second must be more than 0, got -1.5"),
        ({"prompt": "a", "tokens_per_second": float("nan")}, "tokens_per_second must be more than 0, got nan"),
    ],
)
def test_what_makes_no_sense_is_an_error_that_says_so(arguments, message) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        say(**arguments)
    assert str(caught.value) == message


def test_the_text_is_prose_without_code_tables_grammar_or_markup() -> None:
    lines = [" ".join(sentence) for sentence in SENTENCES]
    assert sentences() == SENTENCES
    assert len(lines) > 1_000
    assert not [line for line in lines if set("=|<>{}[]\\*`#@$") & set(line) or "::" in line or ">>>" in line]
    assert all(line[0].isupper() and line[-1] in ".!?" for line in lines)
    assert ["the", "interpreter"] in [[a.lower(), b] for line in SENTENCES for a, b in pairwise(line)]


def test_the_process_wide_dice_are_left_alone() -> None:
    import random

    before = random.getstate()
    say("The interpreter", seed=1)
    say("The interpreter")
    assert random.getstate() == before


def test_runs_that_begin_at_once_share_one_chain() -> None:
    _build.cache_clear()
    with ThreadPoolExecutor(8) as threads:
        manuals = list(threads.map(lambda _: _manual(), range(8)))
    assert len({id(manual) for manual in manuals}) == 1
