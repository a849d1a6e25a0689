"""Every route of the emulator: one module per resource, with its table of routes at the end."""

from __future__ import annotations

from ..routing import Route
from . import (
    account,
    collections,
    delivery,
    deployments,
    files,
    hardware,
    models,
    predictions,
    search,
    trainings,
    versions,
    webhooks,
)

ROUTES: tuple[Route, ...] = (
    *predictions.ROUTES,
    *models.ROUTES,
    *versions.ROUTES,
    *trainings.ROUTES,
    *deployments.ROUTES,
    *collections.ROUTES,
    *search.ROUTES,
    *hardware.ROUTES,
    *account.ROUTES,
    *webhooks.ROUTES,
    *files.ROUTES,
    *delivery.ROUTES,
)
