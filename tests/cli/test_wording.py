"""No message of the command line speaks Python."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from replicate_home import Client, Disconnected, ReplicateHomeError, Snapshot
from replicate_home.cli.wording import in_our_words
from replicate_home.drivers.driving import MAY_EXIST
from replicate_home.lifecycle import endings

PYTHON = re.compile(r"\w=|\(\)|\w\(|client\.|\b(None|True|False)\b")
KNOWN = Snapshot({"id": "p1", "status": "processing"})
LOST = Disconnected("the connection was lost")


def refused(ask: Callable[[], object]) -> ReplicateHomeError:
    with pytest.raises(ReplicateHomeError) as caught:
        ask()
    return caught.value


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            lambda: endings.timed_out(KNOWN, 5, False),
            "prediction p1 was not finished within 5 s; it was not canceled and may still be running",
        ),
        (lambda: endings.outcome_unknown(LOST, in_time=True), None),
        (lambda: endings.torn(KNOWN, ["a"], LOST), None),
        (lambda: endings.interrupted(KNOWN, ["a"], LOST), None),
        (lambda: MAY_EXIST, None),
        (lambda: refused(lambda: Client().run("owner/name")), None),
        (lambda: refused(lambda: Client().run("google-deepmind/gemma-2b-it")), None),
        (lambda: refused(lambda: Client(backend="cog").run("owner/name")), None),
        (lambda: refused(lambda: Client(base_url="nonsense")), None),
        (
            lambda: refused(
                lambda: Client(backend="cog", base_url="http://127.0.0.1:1").run("owner/name", cancel_on_exit=False)
            ),
            (
                "a cog server ends a prediction with the connection that asked for it, so it cannot run on: leave out "
                "--no-cancel"
            ),
        ),
    ],
)
def test_what_the_package_says_is_said_in_words_of_the_command_line(
    error: Callable[[], object], said: str | None
) -> None:
    message = str(error())
    assert PYTHON.search(message) or "base_url" in message, "nothing to change any more: drop it here"
    assert PYTHON.findall(in_our_words(message)) == []
    assert said is None or in_our_words(message) == said


@pytest.mark.parametrize("message", ["the model failed: x=1", "set REPLICATE_API_TOKEN", ""])
def test_other_words_stay(message: str) -> None:
    assert in_our_words(message) == message
