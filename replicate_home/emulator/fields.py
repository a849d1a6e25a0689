"""The fields of a JSON body, each checked as it is read; a wrong one raises a Problem that names it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from .problems import Problem, invalid

_WEB_ADDRESS = re.compile(r"https?://[!-~]+", re.ASCII)


class Fields:
    """Reads a JSON object field by field; null is a wrong value."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body

    def only(self, names: Collection[str]) -> None:
        """Refuse every field that is not among ``names``."""
        if unknown := sorted(set(self._body) - set(names)):
            raise invalid(f"there is no field {unknown[0][:40]!r}; there are {', '.join(sorted(names))}")

    def has(self, name: str) -> bool:
        """Whether the field is there."""
        return name in self._body

    def text(self, name: str, default: str | None = None) -> str:
        """A string; required without a ``default``."""
        value = self._given(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, "a string")
        return value

    def address(self, name: str) -> str | None:
        """An http or https URL, or None."""
        if not self.has(name):
            return None
        if not _WEB_ADDRESS.fullmatch(value := self.text(name)):
            raise self._wrong(name, "a URL that begins with http:// or https://")
        return value

    def boolean(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self._given(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def integer(self, name: str, lowest: int, highest: int, default: int | None = None) -> int:
        """A whole number within bounds; required without a ``default``."""
        value = self._given(name, default)
        is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not is_whole or not lowest <= value <= highest:
            raise self._wrong(name, f"an integer from {lowest} to {highest}")
        return int(value)

    def choice(self, name: str, choices: Collection[str], default: str | None = None) -> str:
        """One of a few strings; required without a ``default``."""
        value = self.text(name, default)
        if value not in choices:
            raise self._wrong(name, "one of " + ", ".join(sorted(choices)))
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        """A JSON object; required."""
        value = self._given(name, None)
        if not isinstance(value, dict):
            raise self._wrong(name, "a JSON object")
        return value

    def _given(self, name: str, default: Any) -> Any:
        if name not in self._body and default is None:
            raise invalid(f"'{name}' is required")
        return self._body.get(name, default)

    def _wrong(self, name: str, wanted: str) -> Problem:
        return invalid(f"'{name}' is {wanted}")
