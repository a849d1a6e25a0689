"""One transport for all concurrent calls of a provider, which has no client to hold one."""

from __future__ import annotations

import asyncio
import threading
import weakref
from importlib.util import find_spec
from typing import Any

import attrs

from ..client.engine.connections import stand_in
from ..transports.base import Transport
from ..transports.over_requests.transport import ProxiedTransport, RequestsTransport
from ..transports.threaded import ThreadedTransport

Key = tuple[asyncio.AbstractEventLoop | None, str | None, Transport | None]
"""Whose calls share it: those of one event loop or of all threads, over one proxy, or over what stands in for it."""


@attrs.define(eq=False, repr=False)
class SharedTransport:
    """The transport that concurrent calls in one event loop, or in all threads, share.

    It is referenced weakly: if an event loop ends in the middle of calls, the transport goes with them.
    """

    key: Key
    transport: Any
    calls: int = 0

    @classmethod
    def taken(cls, loop: asyncio.AbstractEventLoop | None, proxy: str | None) -> SharedTransport:
        """The transport for a call that begins now, over ``proxy`` if one is given."""
        instead = stand_in()
        key = (loop, proxy or None, instead)
        with _lock:
            shared = _shared.get(key)
            if shared is None:
                shared = _shared[key] = cls(key, instead or _blocking(proxy) if loop is None else _for_loops(key))
            shared.calls += 1
            return shared

    def left(self) -> bool:
        """A call has ended; returns whether it was the last, so that the transport must be closed."""
        with _lock:
            self.calls -= 1
            if self.calls == 0:
                _shared.pop(self.key, None)
            return self.calls == 0


_lock = threading.RLock()  # the garbage collector may close a dropped generator while it is held
_shared: weakref.WeakValueDictionary[Key, SharedTransport]
_shared = weakref.WeakValueDictionary()


def _blocking(proxy: str | None) -> RequestsTransport:
    return ProxiedTransport(proxy) if proxy else RequestsTransport()


def _for_loops(key: Key) -> Any:
    _, proxy, stands_in = key
    if stands_in is not None:
        return ThreadedTransport(stands_in)
    if find_spec("aiohttp") is None:
        return ThreadedTransport(_blocking(proxy))
    from ..transports.over_aiohttp.transport import AiohttpTransport

    return AiohttpTransport(proxy=proxy or None)
