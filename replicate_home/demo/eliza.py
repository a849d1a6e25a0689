"""``local/eliza``: Weizenbaum's program of 1966 as implemented by nltk, to try ``messages`` offline."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from ..emulator.registry import LocalRun
from .extra import borrow

_HEARD = 500  # characters: the rules repeat what was said, and a book should not be repeated
# nltk mistakes a "%" for one of its own placeholders, even in what was said. Its patterns match words with a dotless i
# or a long s, which its table of reflections lacks. And it recognizes only the straight apostrophe.
_SPELLED = str.maketrans({"%": " percent", "ı": "i", "ſ": "s", "’": "'"})


def eliza(
    run: LocalRun,
    prompt: str = "",
    messages: list[dict[str, Any]] | None = None,
    tokens_per_second: float = 20,
    seed: int | None = None,
) -> Iterator[str]:
    """Answer like ELIZA, the psychotherapist of 1966: pattern rules from nltk; a toy, not a neural network.

    It hears the last user message of ``messages``, else the prompt, and remembers nothing before it. One word a
    piece, ``tokens_per_second`` pieces a second. The same words and seed give the same answer.
    """
    if not tokens_per_second > 0:
        raise ValueError(f"tokens_per_second must be more than 0, got {tokens_per_second}")
    said = _last_said(messages or []) or prompt
    if not said.strip():
        roles = [str(message.get("role")) for message in messages or []]
        if roles and "user" not in roles:
            raise ValueError(f"no message has the role 'user': the roles are {', '.join(roles)}")
        raise ValueError("prompt must not be empty: write something, in prompt or in the last user message")
    dice = random.Random(repr((seed, said)) if seed is not None else None)  # noqa: S311  # nothing secret is drawn
    words = _therapist(dice)(_heard(said)).split()
    yield words[0]
    for word in words[1:]:
        run.sleep(1 / tokens_per_second)
        yield f" {word}"


def _last_said(messages: list[dict[str, Any]]) -> str:
    """The text of the last user message; content may be a string or a list of text parts."""
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content") or ""
            return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
    return ""


def _heard(said: str) -> str:
    """Text that the rules can handle: one line, no closing punctuation, nothing that breaks nltk."""
    sound = said[: 2 * _HEARD].encode("utf-8", "replace").decode()  # it is repeated, so it must be encodable
    line = " ".join(sound.split())[:_HEARD].translate(_SPELLED)
    return line.rstrip("!. ") or line


def _therapist(dice: random.Random) -> Callable[[str], str]:
    """nltk's ``respond`` with its own random numbers: nltk draws from the global ones, which belong to the user."""
    chat = borrow("nltk.chat.eliza").eliza_chatbot
    respond = type(chat).respond
    seeded = FunctionType(respond.__code__, {**respond.__globals__, "random": dice})
    answer: Callable[[str], str] = seeded.__get__(chat)
    return answer
