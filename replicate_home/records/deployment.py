"""Deployments: a model on machines of one's own."""

from __future__ import annotations

from .account import Account
from .base import Record, field


class Configuration(Record, noun="a configuration"):
    """What a deployment runs on."""

    __slots__ = ()

    hardware = field(str, "The SKU of the hardware; ``hardware.list`` has them all.")
    min_instances = field(int, "How many machines are always up.")
    max_instances = field(int, "How many machines there are at most.")


class Release(Record, noun="a release"):
    """One state of a deployment; each change makes a new one."""

    __slots__ = ()

    number = field(int, "1 for the first.")
    model = field(str, "``owner/name`` of the model.")
    version = field(str, "The id of the model's version.")
    created_at = field(str, "When it was made, as the server wrote it (ISO 8601).")
    created_by = field(Account, "Who made it.")
    configuration = field(Configuration, "What it runs on.")


class DeploymentFields(Record, noun="a deployment"):
    """What is known of a deployment."""

    __slots__ = ()

    owner = field(str, "The user or organization that it belongs to.", required=True)
    name = field(str, "Its name, which is unique for its owner.", required=True)
    current_release = field(Release, "What is running now.")

    @property
    def id(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"

    @property
    def ref(self) -> str:
        """What ``run`` and its like know it by: ``deployments/owner/name``."""
        return f"deployments/{self.id}"
