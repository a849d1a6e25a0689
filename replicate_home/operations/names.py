"""Names in paths. A name that could lead to another path is refused before any request."""

from __future__ import annotations

import re

from ..exceptions import InvalidInput
from ..records.deployment import DeploymentFields
from ..records.model import ModelFields, VersionFields

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}"
_OWNER_AND_NAME = re.compile(rf"{_PART}/{_PART}")
_VERSION_OF = re.compile(rf"({_PART}/{_PART}):({_PART})")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_SLUG = re.compile(_PART)

ModelName = str | tuple[str, str] | ModelFields
"""``"owner/name"``, ``("owner", "name")`` or a model."""
DeploymentName = str | tuple[str, str] | DeploymentFields
"""``"owner/name"``, ``("owner", "name")`` or a deployment."""


def owner_and_name(of: ModelName | DeploymentName, name: str | None = None, *, what: str = "model") -> str:
    """``owner/name`` of a model or deployment, which may also be given in two parts, or as its record.

    Raises TypeError for another type, and :class:`InvalidInput` for an invalid name.
    """
    if isinstance(of, (ModelFields, DeploymentFields)):
        of = (of.owner, of.name)
    parts: tuple[object, ...] = of if isinstance(of, tuple) else (of,)
    parts = parts if name is None else (*parts, name)
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) != len(parts) or not texts:
        raise TypeError(f"a {what} must be named as 'owner/name', got {_types(parts)}")
    text = "/".join(texts)
    if not _OWNER_AND_NAME.fullmatch(text):
        raise InvalidInput(f"{text[:200]!r} is not the name of a {what}: expected 'owner/name'")
    return text


def model_and_version(model: ModelName, version: str | VersionFields | None) -> tuple[str, str]:
    """``owner/name`` and the id of a version, which may also be given as ``owner/name:version``.

    Raises TypeError for another type, and :class:`InvalidInput` for an invalid name.
    """
    if isinstance(version, VersionFields):
        version = version.id
    if version is not None:
        return owner_and_name(model), checked_id(version, "version")
    if not isinstance(model, str):
        raise TypeError("pass the version too: its id, or 'owner/name:version' as one string")
    found = _VERSION_OF.fullmatch(model)
    if found is None:
        raise InvalidInput(f"{model[:200]!r} is not the name of a version: expected 'owner/name:version'")
    return found[1], checked_id(found[2], "version")


def reference(text: str) -> str:
    """``owner/name``, ``owner/name:version`` or a version's id: the references to a model.

    Raises TypeError for another type, and :class:`InvalidInput` for anything else.
    """
    if not isinstance(text, str):
        raise TypeError(f"a model must be named by a string such as 'owner/name', got {type(text).__name__}")
    if not (_OWNER_AND_NAME.fullmatch(text) or _VERSION_OF.fullmatch(text) or _ID.fullmatch(text)):
        raise InvalidInput(
            f"{text[:200]!r} is not a model: expected 'owner/name', 'owner/name:version' or a version id"
        )
    return text


def checked_id(id: str, what: str) -> str:
    """The id, safe in a path. Raises TypeError for another type, and :class:`InvalidInput` for an invalid id."""
    if not isinstance(id, str):
        raise TypeError(f"the id of a {what} must be a string, got {type(id).__name__}")
    if not _ID.fullmatch(id):
        raise InvalidInput(f"the id of a {what} must be letters and digits, got {id[:100]!r}")
    return id


def checked_slug(text: str) -> str:
    """A collection's name in the URL. Raises TypeError for another type, :class:`InvalidInput` for an invalid one."""
    if not isinstance(text, str):
        raise TypeError(f"a collection must be named by its slug, got {type(text).__name__}")
    if not _SLUG.fullmatch(text):
        raise InvalidInput(f"a slug must be letters, digits and hyphens, such as 'text-to-image', got {text[:100]!r}")
    return text


def _types(parts: tuple[object, ...]) -> str:
    return ", ".join(type(part).__name__ for part in parts) or "nothing"
