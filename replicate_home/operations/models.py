"""``client.models``, except for their predictions."""

from __future__ import annotations

from typing import Any, Literal

from ..exceptions import ModelNotFound
from ..records.model import ModelFields, VersionFields
from ..records.page import PageFields
from ..records.prediction import Snapshot
from .base import Cursor, Operation, given, page_at
from .names import ModelName, model_and_version, owner_and_name
from .readers import One, Page, accepted, text


def list_models(
    cursor: Cursor = ...,
    *,
    sort_by: Literal["model_created_at", "latest_version_created_at"] | None = None,
    sort_direction: Literal["asc", "desc"] | None = None,
) -> Operation[PageFields[ModelFields]]:
    """Public models, most recently updated first by default.

    ``sort_by`` is what they are sorted by, and ``sort_direction`` whether the greatest comes first (``desc``).
    """
    order = {} if isinstance(cursor, str) else given(sort_by=sort_by, sort_direction=sort_direction)
    return Operation("models.list", "GET", page_at(cursor, "/models"), Page(ModelFields), query=order)


def search_models(query: str, cursor: Cursor = ...) -> Operation[PageFields[ModelFields]]:
    """Public models that match the words of ``query``."""
    if not isinstance(query, str):
        raise TypeError(f"query must be a string, got {type(query).__name__}")
    return Operation(
        "models.search",
        "QUERY",
        page_at(cursor, "/models"),
        Page(ModelFields),
        body=query.encode("utf-8", "replace"),
        headers={"Content-Type": "text/plain"},
    )


def get_model(model: ModelName, name: str | None = None) -> Operation[ModelFields]:
    """The model ``owner/name``; also ``get("owner", "name")``."""
    return Operation("models.get", "GET", _path(model, name), One(ModelFields), missing=ModelNotFound)


def create_model(
    owner: str,
    name: str,
    *,
    visibility: Literal["public", "private"],
    hardware: str,
    description: str | None = None,
    github_url: str | None = None,
    paper_url: str | None = None,
    license_url: str | None = None,
    cover_image_url: str | None = None,
) -> Operation[ModelFields]:
    """Create a model without versions, for example as the destination of a training.

    ``owner`` is the account of the token, ``name`` lowercase letters, digits and dashes, ``hardware`` a SKU from
    ``hardware.list``. ``visibility`` is who can see and run it. ``description``, ``github_url``, ``paper_url``,
    ``license_url`` and ``cover_image_url`` are shown on its page.
    """
    owner_and_name(owner, name)
    body: dict[str, Any] = {
        "owner": owner,
        "name": name,
        "visibility": visibility,
        "hardware": hardware,
        **given(
            description=description,
            github_url=github_url,
            paper_url=paper_url,
            license_url=license_url,
            cover_image_url=cover_image_url,
        ),
    }
    return Operation("models.create", "POST", "/models", One(ModelFields), json=body)


def update_model(
    model: ModelName,
    name: str | None = None,
    *,
    description: str | None = None,
    readme: str | None = None,
    github_url: str | None = None,
    paper_url: str | None = None,
    weights_url: str | None = None,
    license_url: str | None = None,
) -> Operation[ModelFields]:
    """Change a model's page: arguments that are not given stay unchanged.

    ``description`` is one line, ``readme`` Markdown. ``github_url``, ``paper_url``, ``weights_url`` and ``license_url``
    are links.
    """
    body: dict[str, Any] = given(
        description=description,
        readme=readme,
        github_url=github_url,
        paper_url=paper_url,
        weights_url=weights_url,
        license_url=license_url,
    )
    return Operation("models.update", "PATCH", _path(model, name), One(ModelFields), json=body, missing=ModelNotFound)


def delete_model(model: ModelName, name: str | None = None) -> Operation[bool]:
    """Delete a private model that has no versions left. Returns True."""
    return Operation("models.delete", "DELETE", _path(model, name), accepted, missing=ModelNotFound)


def get_readme(model: ModelName, name: str | None = None) -> Operation[str]:
    """A model's README, in Markdown; raises :class:`NotFound` if it has none."""
    headers = {"Accept": "text/plain"}
    path = f"{_path(model, name)}/readme"
    return Operation("models.readme.get", "GET", path, text, headers=headers)


def list_examples(
    model: ModelName, name: str | None = None, *, cursor: Cursor = ...
) -> Operation[PageFields[Snapshot]]:
    """Example predictions, chosen by the model's owner."""
    path = page_at(cursor, f"{_path(model, name)}/examples")
    return Operation("models.examples.list", "GET", path, Page(Snapshot), missing=ModelNotFound)


def list_versions(
    model: ModelName, name: str | None = None, *, cursor: Cursor = ...
) -> Operation[PageFields[VersionFields]]:
    """The versions of a model, newest first; raises :class:`NotFound` for an official model, which hides them."""
    path = page_at(cursor, f"{_path(model, name)}/versions")
    return Operation("models.versions.list", "GET", path, Page(VersionFields))


def get_version(model: ModelName, version: str | VersionFields | None = None) -> Operation[VersionFields]:
    """One version of a model; also ``get("owner/name:version")``."""
    path = _version_path(model, version)
    return Operation("models.versions.get", "GET", path, One(VersionFields), missing=ModelNotFound)


def delete_version(model: ModelName, version: str | VersionFields | None = None) -> Operation[bool]:
    """Delete a version of a private model, and all predictions made with it. Returns True.

    Deletion may take a few minutes.
    """
    path = _version_path(model, version)
    return Operation("models.versions.delete", "DELETE", path, accepted, missing=ModelNotFound)


def _path(model: ModelName, name: str | None) -> str:
    return f"/models/{owner_and_name(model, name)}"


def _version_path(model: ModelName, version: str | VersionFields | None) -> str:
    owner_name, version_id = model_and_version(model, version)
    return f"/models/{owner_name}/versions/{version_id}"
