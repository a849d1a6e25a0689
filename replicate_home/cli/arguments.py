"""``name=value`` on a command line as an input.

The value alone does not show its type: ``prompt=42`` means text and ``steps=42`` a number. So a value that could be
JSON is left undecided here, for the model's schema to decide; everything else is certain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from ..exceptions import ProtocolError
from ..protocol.strict_json import parse_json

_SCALAR = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false", re.ASCII)
_TEXTS = frozenset({"prompt", "text", "system"})


@attrs.frozen
class Inputs:
    """Inputs by name: those that are ``certain``, and those ``in_doubt``, as their text and the JSON it could be."""

    certain: Mapping[str, Any]
    in_doubt: Mapping[str, tuple[str, Any]]

    def typed(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The input for a model whose inputs have this schema, which may be empty.

        If the schema does not decide, numbers, true and false are sent as such, unless the name suggests text
        (``prompt``, ``system_prompt``, ...); lists, objects and null stay text.
        """
        decided = {
            name: text if _is_text(name, text, _kinds(schema.get(name))) else value
            for name, (text, value) in self.in_doubt.items()
        }
        return {**self.certain, **decided}


def read_inputs(arguments: Iterable[str], stdin: Callable[[], bytes]) -> Inputs:
    """Read ``name=value``, ``name=@path``, ``name=@-`` (stdin) and ``name:=json``; raises ValueError for others.

    ``stdin`` is called at most once: its content is text, or a file if it is not UTF-8.
    """
    certain: dict[str, Any] = {}
    in_doubt: dict[str, tuple[str, Any]] = {}
    for argument in arguments:
        name, text, is_json = _parts(argument)
        if name in certain or name in in_doubt:
            raise ValueError(f"{name} is given twice; to pass a list, write {name}:='[...]'")
        if is_json:
            certain[name] = _json(name, text)
        elif text == "@-":
            certain[name], stdin = _text_or_bytes(stdin()), _read_already
        elif text.startswith("@"):
            certain[name] = _path(name, text[1:])
        elif (value := _maybe_json(text)) is not _NO_JSON:
            in_doubt[name] = text, value
        else:
            certain[name] = text
    return Inputs(certain, in_doubt)


def _parts(argument: str) -> tuple[str, str, bool]:
    """Name, value, and whether the value is marked as JSON."""
    name, equals, text = argument.partition("=")
    bare = name.removesuffix(":")
    if not (equals and bare):
        raise ValueError(f'{argument!r} is not an input: write name=value, such as prompt="Hello"')
    return bare, text, bare != name


def _json(name: str, text: str) -> Any:
    try:
        return parse_json(text.encode("utf-8", "surrogatepass"))
    except ProtocolError as error:
        raise ValueError(f"{name}:= {error}") from None


def _path(name: str, path: str) -> Path:
    found = Path(path).expanduser()
    if not found.is_file():
        raise ValueError(f"{name}: there is no file {path!r} (for text that begins with @, write {name}:='\"@...\"')")
    return found


def _text_or_bytes(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _read_already() -> bytes:
    raise ValueError("stdin can be used for one input only: @- is given twice")


_NO_JSON = object()


def _maybe_json(text: str) -> Any:
    """The JSON value that ``text`` could be, other than a string."""
    if not (_SCALAR.fullmatch(text) or text == "null" or text[:1] in ("[", "{")):
        return _NO_JSON
    try:
        return parse_json(text.encode("utf-8", "surrogatepass"))
    except ProtocolError:
        return _NO_JSON


def _is_text(name: str, text: str, kinds: set[str]) -> bool:
    if kinds:
        return "string" in kinds
    return name.rpartition("_")[2] in _TEXTS or not _SCALAR.fullmatch(text)


def _kinds(described: Any) -> set[str]:
    """The JSON types that a schema allows, also judging by its default; none if it does not say."""
    if not isinstance(described, Mapping):
        return set()
    unions = [described.get(word) for word in ("anyOf", "oneOf", "allOf")]
    parts = [described, *(part for union in unions if isinstance(union, list) for part in union)]
    named = [part.get("type") for part in parts if isinstance(part, Mapping)]
    flat = [kind for name in named for kind in (name if isinstance(name, list) else [name])]
    kinds = {kind for kind in flat if isinstance(kind, str)}
    return kinds | ({"string"} if isinstance(described.get("default"), str) else set())
