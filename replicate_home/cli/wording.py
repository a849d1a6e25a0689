"""What the package says to those who write Python, in the words of the command line."""

from __future__ import annotations

import re

# What each message says on, where it says it in Python.
_WORDS = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r" or pass api_token=", ""),
        (r"pass base_url= or set", "use --base-url or set"),
        (r"backend='(\w+)'", r"--backend \1"),
        (r"\bbase_url (is|must)", r"--base-url \1"),
        (r": client\.predictions\.get\('\w+'\)\.wait\(\) resumes it", ""),
        (r"client\.predictions\.get\('(\w+)'\) has it", r"'replicate-home predictions get \1' has it"),
        (r"client\.predictions\.list\(\) \(newest first\)", "'replicate-home predictions list' (newest first)"),
        (r"so cancel_on_exit=False cannot hold: .*", "so it cannot run on: leave out --no-cancel"),
        (r"\brate_limit must", "--rate must"),
        (r"\bon_unknown='(\w+)'", r"--on-unknown \1"),
        (r"run it again, or have predictions\.create\(.*", "run it again"),
    )
)


def in_our_words(message: str) -> str:
    """The message, without names of arguments and methods that the command line does not have."""
    for pattern, words in _WORDS:
        message = pattern.sub(words, message)
    return message
