"""The operations of the API, as they hang below a client: which method is which, found by walking the classes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from replicate_home import AsyncClient, Client
from replicate_home.client.resources.binding import AsyncResource, Nested, Resource

# The methods that are written by hand, for they take files, or reach servers with ways of their own.
BY_HAND = {
    "deployments.predictions.create",
    "files.create",
    "models.predictions.create",
    "predictions.cancel",
    "predictions.create",
    "predictions.get",
    "trainings.create",
}
NO_OPERATION = {"models.schema", "webhooks.sign", "webhooks.unwrap"}
"""The first reads what ``models.get`` says; the others make no request of their own."""
NAMES = {
    "accounts.current": "account.get",
    "models.readme": "models.readme.get",
    "webhooks.default.secret": "webhooks.default.secret.get",
}
"""What an operation is called by the API, where its method is called something else."""


def methods_of(client: type[Client | AsyncClient]) -> dict[str, Any]:
    """The methods of a client's resources by their dotted names, as the classes have them."""
    found: dict[str, Any] = {}
    made = client("t")
    for name, value in inspect.getmembers_static(client):
        if isinstance(value, property):
            resource = type(getattr(made, name))
            assert issubclass(resource, Resource | AsyncResource)
            found |= dict(_walk(name, resource))
    return found


def _walk(path: str, resource: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(resource).items():
        if name == "__call__":
            yield path, value
        elif isinstance(value, Nested):
            yield from _walk(f"{path}.{name}", value.kind)
        elif not name.startswith("_"):
            yield f"{path}.{name}", value


def operation_of(path: str) -> str:
    """The API's name for what a method asks."""
    return NAMES.get(path, path)
