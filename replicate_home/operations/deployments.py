"""``client.deployments``, except for their predictions."""

from __future__ import annotations

from typing import Any

from ..records.deployment import DeploymentFields
from ..records.model import VersionFields
from ..records.page import PageFields
from .base import Cursor, Operation, given, page_at
from .names import DeploymentName, ModelName, checked_id, owner_and_name
from .readers import One, Page, accepted


def list_deployments(cursor: Cursor = ...) -> Operation[PageFields[DeploymentFields]]:
    """Your deployments."""
    return Operation("deployments.list", "GET", page_at(cursor, "/deployments"), Page(DeploymentFields))


def get_deployment(deployment: DeploymentName, name: str | None = None) -> Operation[DeploymentFields]:
    """The deployment ``owner/name``; also ``get("owner", "name")``."""
    return Operation("deployments.get", "GET", _path(deployment, name), One(DeploymentFields))


def create_deployment(
    name: str,
    model: ModelName,
    version: str | VersionFields,
    hardware: str,
    min_instances: int,
    max_instances: int,
) -> Operation[DeploymentFields]:
    """Deploy a version of a model on dedicated machines.

    ``name`` is the deployment's own, in the account of the token. ``hardware`` is a SKU from ``hardware.list``.
    ``min_instances`` machines are always up, and cost money even while they are idle; ``max_instances`` is how many may
    be up at once.
    """
    body = {
        "name": name,
        "model": owner_and_name(model),
        "version": _version(version),
        "hardware": hardware,
        "min_instances": min_instances,
        "max_instances": max_instances,
    }
    return Operation("deployments.create", "POST", "/deployments", One(DeploymentFields), json=body)


def update_deployment(
    deployment: DeploymentName,
    name: str | None = None,
    *,
    version: str | VersionFields | None = None,
    hardware: str | None = None,
    min_instances: int | None = None,
    max_instances: int | None = None,
) -> Operation[DeploymentFields]:
    """Change what a deployment runs (``version``), or its machines; arguments that are not given stay unchanged.

    ``hardware``, ``min_instances`` and ``max_instances`` are those of ``create``.
    """
    body: dict[str, Any] = given(
        version=None if version is None else _version(version),
        hardware=hardware,
        min_instances=min_instances,
        max_instances=max_instances,
    )
    return Operation("deployments.update", "PATCH", _path(deployment, name), One(DeploymentFields), json=body)


def delete_deployment(deployment: DeploymentName, name: str | None = None) -> Operation[bool]:
    """Delete a deployment, which must have been idle for a while. Returns True."""
    return Operation("deployments.delete", "DELETE", _path(deployment, name), accepted)


def _path(deployment: DeploymentName, name: str | None) -> str:
    return f"/deployments/{owner_and_name(deployment, name, what='deployment')}"


def _version(version: str | VersionFields) -> str:
    return checked_id(version.id if isinstance(version, VersionFields) else version, "version")
