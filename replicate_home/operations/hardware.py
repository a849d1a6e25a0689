"""``client.hardware``."""

from __future__ import annotations

from ..records.account import Hardware
from .base import Operation
from .readers import All


def list_hardware() -> Operation[list[Hardware]]:
    """The available hardware, with the SKUs for ``models.create`` and ``deployments.create``."""
    return Operation("hardware.list", "GET", "/hardware", All(Hardware))
