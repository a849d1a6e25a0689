"""Redacts what a server sent before it is shown: no tokens, one line, a limited length.

A server may echo the token, in an error or in garbage. So text from a server goes into a message only through here, and
frames that hold it are removed from tracebacks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..exceptions import ProtocolError

if TYPE_CHECKING:
    from ..wire import Secret

T = TypeVar("T")
_TOKEN = re.compile(r"(?i:\bbearer\s+)\S+|\br8_\w+|\bwhsec_[\w+/=]+")
_HTML = re.compile(r"\s*<(!doctype html|html|head|body)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title[^<>]*>([^<]*[^<\s][^<]*)", re.IGNORECASE)
_MARKUP = re.compile(r"<(script|style)\b.*?(</\1>|$)|<[^>]*>?", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def excerpt(data: bytes | str, length: int = 200) -> str:
    """The beginning of a text, on one line, without anything that looks like a token."""
    data = data[: 4 * length]
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    text = _TOKEN.sub("***", _CONTROL.sub(" ", text).strip())
    return text if len(text) <= length else text[: length - 1] + "…"


def readable(text: str) -> str:
    """What a body says: the title or the words of an HTML page, other text as it is."""
    if not _HTML.match(text):
        return text
    title = _TITLE.search(text)
    words = title[1] if title else _MARKUP.sub(" ", text)
    return "HTML page: " + (" ".join(words.split()) or "without any text")


def redact(text: str, token: Secret | None) -> str:
    """The text without this token. Redact before shortening, or a part of the token may remain."""
    secret = token.reveal() if token is not None else ""
    return text.replace(secret, "***") if secret else text


def without_query(url: str) -> str:
    """The URL without its query, which may contain a signature."""
    return url.partition("?")[0]


def without_frames(read: Callable[[], T]) -> T:
    """What ``read`` returns. Its error loses the frames whose locals hold what the server sent.

    A traceback may be printed with its locals, and a server may echo the token.
    """
    try:
        return read()
    except ProtocolError as error:
        failure = error.with_traceback(None)
    raise failure
