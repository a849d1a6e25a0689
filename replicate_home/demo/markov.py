"""``local/markov``: a Markov chain over the Python manual, which comes with every Python.

The text is split into sentences of plain words, the chain is built once per process, and each run walks it with its own
random numbers. Nothing here waits except through the run.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from threading import Lock

from ..emulator.registry import LocalRun
from .extra import borrow

ENOUGH = 40  # words in an answer at least, unless the caller wants fewer
STATE_SIZE = 2
_REDRAWS = 20
_CLOSING = ".!?:;…"  # after these, a sentence may begin


def markov(
    run: LocalRun, prompt: str, max_words: int = 120, tokens_per_second: float = 20, seed: int | None = None
) -> Iterator[str]:
    """Continue the prompt with prose from a Markov chain over the Python manual; a toy, not a neural network.

    It repeats the prompt, and continues from its longest ending that the manual contains, or else with a new sentence.
    It yields one word at a time, ``tokens_per_second`` words per second, in whole sentences up to ``max_words``. The
    same prompt and seed give the same text.
    """
    if not prompt.strip():
        raise ValueError("prompt must not be empty: write the words to continue")
    if not max_words >= 1:
        raise ValueError(f"max_words must be at least 1, got {max_words}")
    if not tokens_per_second > 0:
        raise ValueError(f"tokens_per_second must be more than 0, got {tokens_per_second}")
    # repr, because a lone surrogate in the prompt cannot be encoded; without a seed every run differs.
    dice = random.Random(repr((seed, prompt)) if seed is not None else None)  # noqa: S311  # nothing secret is drawn
    manual, said = _manual(), prompt.strip()
    state = manual.state_after(prompt, dice)
    yield f"{said}." if state == manual.start and said[-1] not in _CLOSING else said
    for word in _text(manual, state, max_words, dice):
        run.sleep(1 / tokens_per_second)
        yield f" {word}"


def _text(manual: Manual, state: tuple[str, ...], max_words: int, dice: random.Random) -> Iterator[str]:
    """Whole sentences while they fit; one is cut short only if the text would be too short without it."""
    enough = ENOUGH if max_words >= ENOUGH else 1
    said = 0
    while said < max_words:
        room = max_words - said
        sentence = manual.sentence(state, room, dice)
        if len(sentence) > room and said >= enough:
            return
        yield from sentence[:room]
        said += len(sentence)
        state = manual.start


class Manual:
    """The manual's sentences as a chain: which words may follow two others, and where each word occurs."""

    def __init__(self, sentences: list[list[str]]) -> None:
        chain = borrow("markovify.chain")
        self.start: tuple[str, ...] = (chain.BEGIN,) * STATE_SIZE
        self._end: str = chain.END
        self._follows: dict[tuple[str, ...], dict[str, int]] = chain.Chain(sentences, STATE_SIZE).model
        self._words: list[str] = []
        self._places: dict[str, list[int]] = {}  # by folded word; the last of a sentence is followed by nothing
        for sentence in sentences:
            self._words += self.start
            for place, word in enumerate(sentence[:-1], start=len(self._words)):
                self._places.setdefault(_fold(word), []).append(place)
            self._words += sentence

    def state_after(self, prompt: str, dice: random.Random) -> tuple[str, ...]:
        """The chain's state after the longest tail of ``prompt`` that occurs here, else the start of a sentence."""
        words = [word for word in (_fold(word) for word in prompt.split()) if word]
        places = self._tail_places(words)
        if not places:
            return self.start
        place = dice.choice(places)
        return tuple(self._words[place + 1 - STATE_SIZE : place + 1])

    def _tail_places(self, words: list[str]) -> list[int]:
        """Where the last of ``words`` stands, preceded by as many of those before it as the text has together."""
        places = self._places.get(words[-1], []) if words else []
        for back, word in enumerate(reversed(words[:-1]), start=1):
            longer = [place for place in places if _fold(self._words[place - back]) == word]
            if not longer:
                break
            places = longer
        return places

    def sentence(self, state: tuple[str, ...], room: int, dice: random.Random) -> list[str]:
        """The rest of a sentence, drawn again if it is longer than ``room``; the last draw may still be."""
        for _ in range(_REDRAWS):
            words = list(self._walk(state, dice))
            if len(words) <= room:
                break
        return words

    def _walk(self, state: tuple[str, ...], dice: random.Random) -> Iterator[str]:
        # Not markovify's own walk: it draws from the process-wide dice, and answers KeyError to what it does not know.
        while True:
            follows = self._follows[state]
            (word,) = dice.choices(list(follows), weights=list(follows.values()))
            if word == self._end:
                return
            yield word
            state = (*state[1:], word)


@cache
def _build() -> Manual:
    return Manual(sentences())


_building = Lock()


def _manual() -> Manual:
    """The chain of this process, built by the first run while others wait."""
    with _building:
        return _build()


_PARAGRAPHS = re.compile(r"\n\s*\n")
_BULLET = re.compile(r"^( *)(?:\* |\d+\. )", re.MULTILINE)
_BROKEN_WORD = re.compile(r"(?<=\w-)\n\s*")
_LABEL = re.compile(
    r"^(?:Note|See also|Availability|CPython implementation detail"
    r"|(?:Changed in|Added in|New in|Deprecated since)[^:]{0,80}):\s*"
)
_ASIDE = re.compile(r"\s(?:\([^()]*\)|\[\d+\])")
_EMPHASIS = re.compile(r"\*+([^*\s][^*]*)\*+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_PLAIN = re.compile(
    r"""["“‘]?[A-Za-z]+(?:[-’'./][A-Za-z]+)*["”’]?(?:’s)?[,;:]?"""  # words, also quoted
    r"""|"[\w.]+(?:\(\))?"[,;:]?|\d+|–|[ie]\.[eg]\."""  # names, numbers, dashes
)
_SHORTEST = 5


def sentences() -> list[list[str]]:
    """The sentences of ``pydoc_data.topics`` that are plain prose, each a list of words, in a fixed order."""
    from pydoc_data.topics import topics

    texts = (
        sentence
        for name in sorted(topics)
        for paragraph in _PARAGRAPHS.split(_BROKEN_WORD.sub("", topics[name]))
        for sentence in _SENTENCE_END.split(_unmarked(paragraph))
    )
    return [text.split(" ") for text in dict.fromkeys(texts) if _is_prose(text)]


def _unmarked(paragraph: str) -> str:
    """One line of text without bullets, labels, asides and emphasis; the term above a definition is dropped."""
    lines = _BULLET.sub(lambda bullet: " " * len(bullet[0]), paragraph).strip("\n").split("\n")
    if any(_indent(second) > _indent(first) for first, second in pairwise(lines[:2])):
        lines = lines[1:]
    text = " ".join(" ".join(lines).split())
    return _EMPHASIS.sub(r"\1", _ASIDE.sub("", _LABEL.sub("", text)))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _is_prose(sentence: str) -> bool:
    """Plain words from a capital to a full stop; code, tables, grammar and headings are not."""
    words = sentence[:-1].split(" ")
    return (
        len(words) >= _SHORTEST
        and sentence[0].isupper()
        and sentence[-1] in ".!?"
        and all(_PLAIN.fullmatch(word) for word in words)
    )


def _fold(word: str) -> str:
    """A word in lower case, without the punctuation around it."""
    return word.strip(".,;:!?…()[]").casefold()
