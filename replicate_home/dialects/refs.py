"""References to what runs: ``owner/name``, ``owner/name:version``, a version id, a deployment or an alias."""

from __future__ import annotations

import re

import attrs

from ..exceptions import InvalidInput

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_REF = re.compile(rf"(?P<owner>{_PART})/(?P<name>{_PART})(?::(?P<version>{_PART}))?")
_DEPLOYMENT = re.compile(rf"deployments/({_PART}/{_PART})")
_VERSION = re.compile(r"[0-9a-f]{64}|dp?-[0-9a-f]{32}")


@attrs.frozen
class ModelRef:
    """A model with an optional version, or a deployment.

    Owner and name are None for a bare version id, and for a ``deployment``, which is ``owner/name`` itself. An
    ``official`` model has its own endpoint.
    """

    owner: str | None
    name: str | None
    version: str | None = None
    deployment: str | None = None
    official: bool = False

    @property
    def model(self) -> str | None:
        """``owner/name``, or None for a bare version id and for a deployment."""
        return f"{self.owner}/{self.name}" if self.owner else None

    def __str__(self) -> str:
        if self.deployment:
            return f"deployments/{self.deployment}"
        model = self.model
        if model and self.version:
            return f"{model}:{self.version}"
        return model or self.version or ""

    @classmethod
    def parse(cls, text: str | ModelRef, *, aliases: bool = False) -> ModelRef:
        """Parse a reference, unless it is parsed already; ``aliases`` allows the homepage's short names.

        Raises TypeError for anything but a string, :class:`InvalidInput` for a string that is not a reference.
        """
        if isinstance(text, ModelRef):
            return text
        if not isinstance(text, str):
            raise TypeError(f"model must be a string such as 'owner/name', got {type(text).__name__}")
        match = _REF.fullmatch(text)
        if match:
            return cls(match["owner"], match["name"], match["version"])
        if _VERSION.fullmatch(text):
            return cls(None, None, text)
        deployment = _DEPLOYMENT.fullmatch(text)
        if deployment:
            return cls(None, None, deployment=deployment[1])
        from .catalogue import resolve_alias  # few refs are short names

        full_name = resolve_alias(text)
        if full_name and aliases:
            return cls.parse(full_name)
        raise InvalidInput(_explain(text, full_name))


def _explain(text: str, full_name: str | None) -> str:
    if full_name:
        return f"{text!r} is a short name that only the homepage endpoint knows; write {full_name!r}"
    return (
        f"{text[:200]!r} is not a model: expected 'owner/name', 'owner/name:version', a version id or "
        "'deployments/owner/name'"
    )
