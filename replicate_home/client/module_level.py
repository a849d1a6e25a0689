"""``replicate_home.run`` and the others: methods of a default client, which is created on first use.

It is created without options, and reads REPLICATE_API_TOKEN and the other variables at each call.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from .client import Client

if TYPE_CHECKING:
    from .resources.accounts import Accounts
    from .resources.collections import Collections
    from .resources.deployments import Deployments
    from .resources.files import Files
    from .resources.hardware import HardwareKinds
    from .resources.models import Models
    from .resources.predictions import Predictions
    from .resources.search import Search
    from .resources.trainings import Trainings
    from .resources.webhooks import Webhooks

    default_client: Client
    accounts: Accounts
    collections: Collections
    deployments: Deployments
    files: Files
    hardware: HardwareKinds
    models: Models
    predictions: Predictions
    search: Search
    trainings: Trainings
    webhooks: Webhooks

P = ParamSpec("P")
R = TypeVar("R")

RESOURCES = frozenset(
    {"accounts", "collections", "deployments", "files", "hardware", "models", "predictions", "search", "trainings",
     "webhooks"}
)  # fmt: skip
"""The properties of the default client that are also names in this module."""

_lock = threading.Lock()
_made: Client | None = None


def _client() -> Client:
    global _made
    with _lock:
        if _made is None:
            _made = Client()
        return _made


def put_aside() -> Client | None:
    """Set the default client aside, so that the next use creates a new one; returns the old."""
    global _made
    with _lock:
        aside, _made = _made, None
        return aside


def put_back(aside: Client | None) -> Client | None:
    """Restore a default client; returns the one that was used in the meantime."""
    global _made
    with _lock:
        meanwhile, _made = _made, aside
        return meanwhile


def _of_default_client(method: Callable[Concatenate[Client, P], R]) -> Callable[P, R]:
    """The method as a function, with its signature except for ``self``."""

    @functools.wraps(method, assigned=("__name__", "__doc__"))
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return method(_client(), *args, **kwargs)

    signature = inspect.signature(method)
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values()][1:])  # type: ignore[attr-defined]
    return call


map = _of_default_client(Client.map)
run = _of_default_client(Client.run)
stream = _of_default_client(Client.stream)
use = _of_default_client(Client.use)


def __getattr__(name: str) -> Any:
    if name == "default_client":
        return _client()
    if name in RESOURCES:
        return getattr(_client(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
