"""How a model is named: ``owner/name``, ``owner/name:version``, a bare version id, or an alias."""

from __future__ import annotations

import re

import attrs

from ..exceptions import InvalidInput
from .catalogue import resolve_alias

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_REF = re.compile(rf"(?P<owner>{_PART})/(?P<name>{_PART})(?::(?P<version>{_PART}))?")
_VERSION = re.compile(r"[0-9a-f]{64}|dp?-[0-9a-f]{32}")


@attrs.frozen
class ModelRef:
    """A model and, where given, its version; a bare version id has neither owner nor name."""

    owner: str | None
    name: str | None
    version: str | None = None

    @property
    def model(self) -> str | None:
        """``owner/name``, or None for a bare version id."""
        return f"{self.owner}/{self.name}" if self.owner else None

    def __str__(self) -> str:
        return ":".join(part for part in (self.model, self.version) if part)

    @classmethod
    def parse(cls, text: str, *, aliases: bool = False) -> ModelRef:
        """Read a reference; ``aliases`` allows the homepage's short names.

        Raises TypeError for anything but a string, :class:`InvalidInput` for a string that is no reference.
        """
        if not isinstance(text, str):
            raise TypeError(f"model must be a string such as 'owner/name', got {type(text).__name__}")
        match = _REF.fullmatch(text)
        if match:
            return cls(match["owner"], match["name"], match["version"])
        if _VERSION.fullmatch(text):
            return cls(None, None, text)
        full_name = resolve_alias(text)
        if full_name and aliases:
            return cls.parse(full_name)
        raise InvalidInput(_explain(text, full_name))


def _explain(text: str, full_name: str | None) -> str:
    if full_name:
        return f"{text!r} is a short name that only the homepage endpoint knows; write {full_name!r}"
    return f"{text[:200]!r} is not a model: expected 'owner/name', 'owner/name:version' or a version id"
