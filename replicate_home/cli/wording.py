"""What the package says to those who write Python, in the words of the command line."""

from __future__ import annotations

import re

# What each message says on, where it says it in Python.
_WORDS = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"set REPLICATE_API_TOKEN or pass api_token=", "set REPLICATE_API_TOKEN"),
        (r"pass base_url= or set REPLICATE_BASE_URL", "use --base-url or set REPLICATE_BASE_URL"),
        (r": client\.predictions\.get\('\w+'\)\.wait\(\) resumes it", ""),
        (r"so cancel_on_exit=False cannot hold: .*", "so it cannot run on: --no-cancel has no place here"),
        (r"backend='(\w+)'", r"--backend \1"),
        (r"\bbase_url (is|must)", r"--base-url \1"),
        (r"\bwait is how long", "--wait is how long"),
    )
)


def in_our_words(message: str) -> str:
    """The message, without names of arguments and methods that the command line does not have."""
    for pattern, words in _WORDS:
        message = pattern.sub(words, message)
    return message
