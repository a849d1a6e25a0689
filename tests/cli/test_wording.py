"""No message of the command line speaks Python."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from replicate_home import Client, Disconnected, ReplicateHomeError, Snapshot
from replicate_home.cli.wording import in_our_words
from replicate_home.drivers.driving import MAY_EXIST
from replicate_home.lifecycle import endings

NOWHERE = "http://127.0.0.1:1"
PYTHON = re.compile(r"\w=|\bbase_url\b|\(\)|\w\(|client\.|\b(None|True|False)\b")
KNOWN = Snapshot({"id": "p1", "status": "processing"})
LOST = Disconnected("the connection was lost")


def refused(ask: Callable[[], object]) -> ReplicateHomeError:
    with pytest.raises(ReplicateHomeError) as caught:
        ask()
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        lambda: endings.timed_out(KNOWN, 5, False),
        lambda: endings.outcome_unknown(LOST, in_time=True),
        lambda: endings.torn(KNOWN, ["a"], LOST),
        lambda: endings.interrupted(KNOWN, ["a"], LOST),
        lambda: MAY_EXIST,
        lambda: refused(lambda: Client().run("owner/name")),
        lambda: refused(lambda: Client().run("google-deepmind/gemma-2b-it")),
        lambda: refused(lambda: Client(backend="cog").run("owner/name")),
        lambda: refused(lambda: Client(base_url="nonsense")),
        lambda: refused(lambda: Client(backend="cog", base_url=NOWHERE).run("owner/name", cancel_on_exit=False)),
    ],
)
def test_what_the_package_says_is_said_in_words_of_the_command_line(error: Callable[[], object]) -> None:
    message = str(error())
    assert PYTHON.search(message), "it says nothing in Python any more: drop the case"
    assert PYTHON.findall(in_our_words(message)) == []


@pytest.mark.parametrize("message", ["the model failed: x=1", "set REPLICATE_API_TOKEN", ""])
def test_other_words_stay(message: str) -> None:
    assert in_our_words(message) == message
