"""``replicate_home.run`` and the others: methods of a default client, which is created on first use.

It is created without options, and reads REPLICATE_API_TOKEN and the other variables at each call. Event loops have one
of their own, see :mod:`replicate_home.client.async_module_level`.
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
C = TypeVar("C")

RESOURCES = frozenset(
    {"accounts", "collections", "deployments", "files", "hardware", "models", "predictions", "search", "trainings",
     "webhooks"}
)  # fmt: skip
"""The properties of the default client that are also names in this module."""

_lock = threading.Lock()
_made: dict[type[Any], Any] = {}


def default(kind: type[C]) -> C:
    """The default client of this kind."""
    with _lock:
        if kind not in _made:
            _made[kind] = kind()
        return _made[kind]  # type: ignore[no-any-return]  # each is an instance of its key


def put_aside() -> dict[type[Any], Any]:
    """Set the default clients aside, so that the next use creates new ones; returns the old."""
    return put_back({})


def put_back(aside: dict[type[Any], Any]) -> dict[type[Any], Any]:
    """Restore default clients; returns those that were used in the meantime."""
    global _made
    with _lock:
        meanwhile, _made = _made, aside
        return meanwhile


def of_default(kind: type[C], method: Callable[Concatenate[C, P], R]) -> Callable[P, R]:
    """A method of the default client of this kind as a function, with its signature except for ``self``."""

    @functools.wraps(method, assigned=("__name__", "__doc__"))
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return method(default(kind), *args, **kwargs)

    signature = inspect.signature(method)
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values()][1:])  # type: ignore[attr-defined]
    return call


map = of_default(Client, Client.map)
run = of_default(Client, Client.run)
stream = of_default(Client, Client.stream)
use = of_default(Client, Client.use)


def __getattr__(name: str) -> Any:
    if name == "default_client":
        return default(Client)
    if name in RESOURCES:
        return getattr(default(Client), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
