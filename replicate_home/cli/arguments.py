"""``name=value`` on a command line as an input.

The value alone does not show its type: ``prompt=42`` means text and ``steps=42`` a number. So a value that could be
JSON is left undecided here, for the model's schema to decide; everything else is certain.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

import attrs

from ..exceptions import ProtocolError
from ..protocol.strict_json import parse_json
from ..records.schema import Schema
from .describing import kinds
from .templates import Piped, as_text, has_template

_SCALAR = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false", re.ASCII)
_TEXTS = frozenset({"prompt", "text", "system"})


@attrs.frozen
class Inputs:
    """Inputs by name: those that are ``certain``, and those ``in_doubt``, as their text and the JSON it could be."""

    certain: Mapping[str, Any]
    in_doubt: Mapping[str, tuple[str, Any]]

    def typed(self, schema: Schema) -> dict[str, Any]:
        """The input for a model with this schema, which may be empty.

        If the schema does not decide, numbers, true and false are sent as such, unless the name suggests text
        (``prompt``, ``system_prompt``, ...); lists, objects and null stay text.
        """
        decided = {
            name: text if _is_text(name, text, kinds(schema, name)) else value
            for name, (text, value) in self.in_doubt.items()
        }
        return {**self.certain, **decided}


class Stdin:
    """Standard input, which can be read once, and is waited for only if something was piped into it."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._is_read = False

    def read(self) -> bytes:
        """All of it."""
        self._is_read = True
        return b"" if self._stream is None else self._stream.buffer.read()

    def has_more(self) -> bool:
        """Whether there is a pipe or a file that was not read yet; a terminal, or nothing at all, has none to give."""
        if self._stream is None or self._is_read:
            return False
        try:
            mode = os.fstat(self._stream.fileno()).st_mode
        except (OSError, ValueError):  # no file at all, such as a test's buffer
            return not self._stream.isatty()
        return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)

    def prompt(self) -> dict[str, str]:
        """The text as a prompt, without its last line break; nothing if it is empty."""
        content = _text_or_bytes(self.read())
        if isinstance(content, bytes):
            raise ValueError("stdin is not text: say which input it is, such as image=@-")
        text = content.removesuffix("\n").removesuffix("\r")
        return {"prompt": text} if text else {}


def read_inputs(arguments: Iterable[str], stdin: Callable[[], bytes]) -> Inputs:
    """Read ``name=value``, ``name=@path``, ``name=@-`` (stdin) and ``name:=json``; raises ValueError for others.

    ``stdin`` is called at most once: its content is text, or a file if it is not UTF-8; or the JSON that the
    ``{{...}}`` in values refer to.
    """
    certain: dict[str, Any] = {}
    in_doubt: dict[str, tuple[str, Any]] = {}
    piped = Piped(stdin)
    for argument in arguments:
        name, text, is_json = _parts(argument)
        if name in certain or name in in_doubt:
            raise ValueError(f"{name} is given twice; to pass a list, write {name}:='[...]'")
        if is_json:
            certain[name] = _json(name, text)
        elif text == "@-":
            certain[name], stdin = _text_or_bytes(stdin()), _read_already
        elif text.startswith("@"):  # of what was typed: what another model has put out names no file here
            certain[name] = _path(name, text[1:])
        elif has_template(text):
            value = piped.value(text)
            if isinstance(value, (str, Path)):
                certain[name] = value
            else:
                in_doubt[name] = as_text(value), value
        elif (value := _maybe_json(text)) is not _NO_JSON:
            in_doubt[name] = text, value
        else:
            certain[name] = text
    return Inputs(certain, in_doubt)


def in_text(values: Mapping[str, str]) -> Inputs:
    """Inputs that are all text, as the cells of a table: each that could be JSON is left to the schema."""
    found = {name: _maybe_json(text) for name, text in values.items()}
    in_doubt = {name: (values[name], value) for name, value in found.items() if value is not _NO_JSON}
    return Inputs({name: text for name, text in values.items() if name not in in_doubt}, in_doubt)


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


def _is_text(name: str, text: str, allowed: set[str]) -> bool:
    if allowed:
        return "string" in allowed
    return name.rpartition("_")[2] in _TEXTS or not _SCALAR.fullmatch(text)
