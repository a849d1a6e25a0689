"""``{{.output[0]}}`` in an input: what the JSON on stdin has there, as ``run --json`` of another model printed it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..exceptions import ProtocolError
from ..protocol.strict_json import parse_json

_TEMPLATE = re.compile(r"\{\{\s*((?:\.[A-Za-z_]\w*|\[-?\d+\])+)\s*\}\}")
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(-?\d+)\]")


class Piped:
    """The JSON on stdin, which is read when a template first asks for it."""

    def __init__(self, stdin: Callable[[], bytes]) -> None:
        self._stdin = stdin
        self._document: Any = None

    def value(self, text: str) -> Any:
        """What ``text`` stands for: a value if it is one template, else text with its templates filled in.

        Files that the other command has saved are those files, as paths. Raises ValueError for JSON that is not there.
        """
        whole = _TEMPLATE.fullmatch(text)
        if whole is None:
            return _TEMPLATE.sub(lambda match: as_text(self._at(match[1])), text)
        found = self._at(whole[1])
        return [self._file(item) for item in found] if isinstance(found, list) else self._file(found)

    def _file(self, value: Any) -> Any:
        return Path(value) if isinstance(value, str) and value in self._saved() else value

    def _at(self, path: str) -> Any:
        found = self._read()
        for name, index in _STEP.findall(path):
            try:
                found = found[name or int(index)]
            except (KeyError, IndexError, TypeError):
                raise ValueError(f"the JSON on stdin has no {path}{_why(self._document)}") from None
        return found

    def _read(self) -> Any:
        if self._document is None:
            try:
                self._document = parse_json(self._stdin())
            except ProtocolError:
                raise ValueError("{{...}} takes its value from JSON on stdin: pipe the output of run --json") from None
        return self._document

    def _saved(self) -> list[Any]:
        saved = self._document.get("saved") if isinstance(self._document, dict) else None
        return saved if isinstance(saved, list) else []


def has_template(text: str) -> bool:
    """Whether there is a template in ``text``."""
    return _TEMPLATE.search(text) is not None


def as_text(value: Any) -> str:
    """A JSON value as text: a list of texts joined, as ``run`` prints it."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _why(document: Any) -> str:
    """What the other command says of itself, if it has failed."""
    error = document.get("error") if isinstance(document, dict) else None
    return f": it has the error {json.dumps(error, ensure_ascii=False)[:300]}" if error else ""
