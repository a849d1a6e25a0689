"""``replicate_home.run`` and its like: the same as the client's, on one that is made when first used.

That client has no options of its own: it reads REPLICATE_API_TOKEN and its like at each call.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

from .client import Client, Function
from .outputs.results import Result
from .outputs.streams import Stream

if TYPE_CHECKING:
    from .resources.predictions import Predictions

    default_client: Client
    predictions: Predictions

_lock = threading.Lock()
_made: Client | None = None


def _client() -> Client:
    global _made
    with _lock:
        if _made is None:
            _made = Client()
        return _made


@functools.wraps(Client.run)
def run(*args: Any, **kwargs: Any) -> Result:
    """As :meth:`Client.run`."""
    return _client().run(*args, **kwargs)


@functools.wraps(Client.stream)
def stream(*args: Any, **kwargs: Any) -> Stream:
    """As :meth:`Client.stream`."""
    return _client().stream(*args, **kwargs)


@functools.wraps(Client.use)
def use(*args: Any, **kwargs: Any) -> Function:
    """As :meth:`Client.use`."""
    return _client().use(*args, **kwargs)


def __getattr__(name: str) -> Any:
    if name == "default_client":
        return _client()
    if name == "predictions":
        return _client().predictions
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
