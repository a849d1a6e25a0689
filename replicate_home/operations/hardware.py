"""``client.hardware``."""

from __future__ import annotations

from ..records.account import Hardware
from .base import Operation
from .readers import All


def list_hardware() -> Operation[list[Hardware]]:
    """What models can run on: the SKUs that ``models.create`` and ``deployments.create`` take."""
    return Operation("hardware.list", "GET", "/hardware", All(Hardware))
