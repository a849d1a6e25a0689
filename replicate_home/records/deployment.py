"""Deployments: models on dedicated machines."""

from __future__ import annotations

from .account import Account
from .base import Record, field


class Configuration(Record, noun="a configuration"):
    """What a deployment runs on."""

    __slots__ = ()

    hardware = field(str, "The SKU of the hardware, from ``hardware.list``.")
    min_instances = field(int, "The minimum number of machines, which are always up.")
    max_instances = field(int, "The maximum number of machines.")


class Release(Record, noun="a release"):
    """One configuration of a deployment; each change creates a new release."""

    __slots__ = ()

    number = field(int, "1 for the first.")
    model = field(str, "``owner/name`` of the model.")
    version = field(str, "The id of the model's version.")
    created_at = field(str, "When it was created, as sent by the server (ISO 8601).")
    created_by = field(Account, "The account that created it.")
    configuration = field(Configuration, "What it runs on.")


class DeploymentFields(Record, noun="a deployment"):
    """The fields of a deployment."""

    __slots__ = ()

    owner = field(str, "The user or organization that owns it.", required=True)
    name = field(str, "Its name, unique for the owner.", required=True)
    current_release = field(Release, "What is running now.")

    @property
    def id(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"

    @property
    def ref(self) -> str:
        """What ``run`` and its like know it by: ``deployments/owner/name``."""
        return f"deployments/{self.id}"
