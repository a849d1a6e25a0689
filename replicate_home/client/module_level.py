"""``replicate_home.run`` and its like: the same as the client's, on one that is made when first used.

That client has no options of its own: it reads REPLICATE_API_TOKEN and its like at each call.
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
"""The properties of the default client that are names of this module, too."""

_lock = threading.Lock()
_made: Client | None = None


def _client() -> Client:
    global _made
    with _lock:
        if _made is None:
            _made = Client()
        return _made


def put_aside() -> Client | None:
    """Have the default client made anew when it is next used; returns the one that was in use."""
    global _made
    with _lock:
        aside, _made = _made, None
        return aside


def put_back(aside: Client | None) -> Client | None:
    """Use again what was put aside; returns what was in use meanwhile."""
    global _made
    with _lock:
        meanwhile, _made = _made, aside
        return meanwhile


def _of_default_client(method: Callable[Concatenate[Client, P], R]) -> Callable[P, R]:
    """The method as a function, with its signature but for the client."""

    @functools.wraps(method, assigned=("__name__", "__doc__"))
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return method(_client(), *args, **kwargs)

    signature = inspect.signature(method)
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values()][1:])  # type: ignore[attr-defined]
    return call


run = _of_default_client(Client.run)
stream = _of_default_client(Client.stream)
use = _of_default_client(Client.use)


def __getattr__(name: str) -> Any:
    if name == "default_client":
        return _client()
    if name in RESOURCES:
        return getattr(_client(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
