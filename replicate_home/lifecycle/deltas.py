"""What is new in an output that grows, and whether it still agrees with what was delivered.

Text is compared by its characters, however it was cut into pieces, with CR, CRLF and LF alike (an event
stream cannot tell them apart); other JSON item by item. A file is the same file whatever it is named by: a
``data:`` URI in the answer to a held create, a URL later, with a new signature each time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..exceptions import ProtocolError
from ..protocol.strict_json import parse_json

_SIGNED = re.compile(r"https://(\w[\w.-]*\.)?replicate\.delivery/\S*")
_DATA_URI = re.compile(r"data:[^,\s]*,")
_URL = re.compile(r"https?://\S+")


def new_items(delivered: Sequence[Any], output: Any, *, final: bool) -> list[Any] | None:
    """The items of ``output`` that come after ``delivered``; None if the two contradict each other.

    An output that is not ``final`` may lag behind what was delivered: then nothing is new. One that is
    neither text nor a list is an item of its own, once it is final.
    """
    if output is None:
        return [] if not (final and delivered) else None
    if isinstance(output, str):
        is_known = len(delivered) == 1 and _names_same_file(delivered[0], output)
        return [] if is_known else _after_text(delivered, [output], final)
    if isinstance(output, list):
        return _after_items(delivered, output, final)
    if not delivered:
        return [output] if final else []
    return [] if len(delivered) == 1 and _same(delivered[0], output) else None


def _after_items(delivered: Sequence[Any], output: list[Any], final: bool) -> list[Any] | None:
    agreeing = all(map(_same, delivered, output))
    if agreeing and len(output) >= len(delivered):
        return output[len(delivered) :]
    if agreeing and not final:
        return []
    return _after_text(delivered, output, final)


def _after_text(delivered: Sequence[Any], output: list[Any], final: bool) -> list[Any] | None:
    if not all(isinstance(item, str) for item in delivered) or not all(isinstance(item, str) for item in output):
        return None
    for form in _FORMS:
        pieces = form(output)
        have, seen = "".join(form(delivered)), "".join(pieces)
        if seen.startswith(have):
            return _rest(pieces, len(have))
        if have.startswith(seen) and not final:
            return []
    return None


def _rest(pieces: Sequence[str], length: int) -> list[str]:
    """``pieces`` without their first ``length`` characters, and without empty ones."""
    rest: list[str] = []
    position = 0
    for piece in pieces:
        rest.append(piece[max(0, length - position) :])
        position += len(piece)
    return [piece for piece in rest if piece]


def _as_sent(items: Sequence[str]) -> Sequence[str]:
    return items


def _with_plain_lines(items: Sequence[str]) -> list[str]:
    """A CR and an LF in neighboring pieces are one line break."""
    pieces: list[str] = []
    after_cr = False
    for item in items:
        pieces.append(_plain_lines(item[1:] if after_cr and item.startswith("\n") else item))
        after_cr = item.endswith("\r") if item else after_cr
    return pieces


def _with_plain_lines_each(items: Sequence[str]) -> list[str]:
    """Or two: an event stream sends each piece by itself."""
    return [_plain_lines(item) for item in items]


def _plain_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


_FORMS = (_as_sent, _with_plain_lines, _with_plain_lines_each)


def _same(delivered: Any, item: Any) -> bool:
    """Whether a delivered item is this one: a stream writes JSON as text, and a file gets a new URL."""
    if delivered == item:
        return True
    if isinstance(delivered, str) and not isinstance(item, str):
        try:
            delivered = parse_json(delivered.encode())
        except (ProtocolError, UnicodeEncodeError):
            return False
    return _same_json(delivered, item)


def _same_json(delivered: Any, item: Any) -> bool:
    """Whether two JSON values are equal, apart from the URLs of their files."""
    if isinstance(delivered, dict) and isinstance(item, dict):
        return delivered.keys() == item.keys() and all(_same_json(delivered[key], item[key]) for key in item)
    if isinstance(delivered, list) and isinstance(item, list):
        return len(delivered) == len(item) and all(map(_same_json, delivered, item))
    return bool(delivered == item) or _names_same_file(delivered, item)


def _names_same_file(delivered: Any, item: Any) -> bool:
    if not isinstance(delivered, str) or not isinstance(item, str):
        return False
    if _SIGNED.match(item) and delivered.partition("?")[0] == item.partition("?")[0]:
        return True
    return bool(_DATA_URI.match(delivered) and _URL.fullmatch(item))
