from __future__ import annotations

import builtins
import random

import pytest

from replicate_home.demo.eliza import eliza

from .conftest import Run


def answers(prompt: str = "", **options) -> set[str]:
    """All that is said in twenty conversations."""
    return {"".join(eliza(Run(), prompt, seed=seed, **options)) for seed in range(20)}


def test_it_answers_what_was_said() -> None:
    assert answers("I need a holiday.") == {
        "Why do you need a holiday?",
        "Would it really help you to get a holiday?",
        "Are you sure you need a holiday?",
    }


def test_of_a_conversation_it_hears_the_last_that_the_user_said() -> None:
    messages = [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": "I feel fine."},
        {"role": "user", "content": "I need my mother"},
        {"role": "assistant", "content": "Why?"},
    ]
    assert answers("Hello", messages=messages) == answers("I need my mother")


def test_content_may_be_a_list_of_text_parts() -> None:
    parts = [{"type": "text", "text": "I need"}, {"type": "text", "text": "a holiday"}]
    assert answers(messages=[{"role": "user", "content": parts}]) == answers("I need a holiday")


def test_the_answer_comes_word_by_word_with_pauses_between(run) -> None:
    pieces = list(eliza(run, "I need tea", tokens_per_second=5, seed=0))
    assert "".join(pieces) in answers("I need tea")
    assert [piece for piece in pieces[1:] if not piece.startswith(" ") or len(piece.split()) != 1] == []
    assert run.sleeps == [1 / 5] * (len(pieces) - 1)


def test_the_same_words_and_seed_give_the_same_answer_and_the_process_wide_dice_are_left_alone() -> None:
    before = random.getstate()
    first, second = ("".join(eliza(Run(), "My dog", seed=3)) for _ in range(2))
    assert first == second
    assert random.getstate() == before


@pytest.mark.parametrize(
    "said", ["100% of %1 %", "...", "!", "?", "quit", "日本語", "🙂", "I need ı ſ", "a\nb", "\ud800", "you " * 30_000]
)
def test_whatever_is_said_gets_an_answer_that_can_be_written(said, monkeypatch) -> None:
    monkeypatch.setattr(builtins, "input", pytest.fail)
    assert all(answer.strip() and answer.encode() for answer in answers(said))


@pytest.mark.parametrize("nothing", [{}, {"prompt": " "}, {"messages": []}])
def test_nothing_said_is_an_error(nothing) -> None:
    with pytest.raises(ValueError, match=r"^prompt must not be empty: write something"):
        list(eliza(Run(), **nothing))


def test_messages_of_which_none_is_the_users_are_an_error_that_names_their_roles() -> None:
    with pytest.raises(ValueError, match=r"^no message has the role 'user': the roles are human, assistant$"):
        list(eliza(Run(), messages=[{"role": "human", "content": "Hi"}, {"role": "assistant", "content": "Hi"}]))


def test_a_pace_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^tokens_per_second must be more than 0, got 0$"):
        list(eliza(Run(), "Hello", tokens_per_second=0))
