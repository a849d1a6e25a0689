"""Every route of the emulator: one module a resource, each with its table of routes at its end."""

from __future__ import annotations

from ..routing import Route
from . import account, delivery, files, models, predictions

ROUTES: tuple[Route, ...] = (
    *predictions.ROUTES,
    *models.ROUTES,
    *account.ROUTES,
    *files.ROUTES,
    *delivery.ROUTES,
)
