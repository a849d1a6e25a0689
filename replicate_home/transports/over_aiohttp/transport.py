"""The native transport for event loops, over connections of ``aiohttp``, which is imported when one is made.

The connections of each running event loop are kept apart. It keeps the contract of every transport: sent once, within
the deadline, the truth about what happened, no exception of another library.
"""

from __future__ import annotations

import threading
import weakref
from asyncio import AbstractEventLoop, get_running_loop, run_coroutine_threadsafe
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ...clock import SYSTEM_CLOCK, Clock
from ...exceptions import MissingExtra
from ...wire import Request, Response
from ..async_base import AsyncBody

if TYPE_CHECKING:
    from ..over_requests.transport import RequestsTransport
    from .sender import Contexts, Sender


class AiohttpTransport:
    """Sends requests over the connections of ``aiohttp``: thousands at a time, without threads.

    ``proxy`` is the URL of an http or https proxy for everything; without it, and for the certificates to trust, the
    environment counts as it does for :class:`RequestsTransport`. ``Request.connect`` includes the name look-up; it
    begins when a connection is being opened, of which there are at most 64 to a host at the same time.
    It may be used in several event loops, and needs no closing where these end as ``asyncio.run`` ends them.
    """

    clock: Clock = SYSTEM_CLOCK

    def __init__(self, *, proxy: str | None = None) -> None:
        if find_spec("aiohttp") is None:
            message = 'AiohttpTransport needs aiohttp: python -m pip install "replicate_home[async]"'
            raise MissingExtra(message, name="aiohttp")
        self._proxy = proxy
        self._lock = threading.Lock()
        self._contexts: Contexts = {}
        self._senders: weakref.WeakKeyDictionary[AbstractEventLoop, Sender] = weakref.WeakKeyDictionary()

    async def send(self, request: Request, deadline: float | None) -> tuple[Response, AsyncBody | None]:
        """Send ``request`` once and return the answer, whatever its status.

        See :class:`~replicate_home.AsyncTransport` for what it promises and raises.
        """
        loop = get_running_loop()
        sender = self._senders.get(loop) or self._made(loop)
        return await sender.send(request, deadline)

    async def close(self) -> None:
        """Give up pooled connections, those of other event loops too; the transport may be used again afterwards."""
        with self._lock:
            senders = dict(self._senders)
            self._senders.clear()
        here = get_running_loop()
        for loop, sender in senders.items():
            if loop is here:
                await sender.close()
            elif loop.is_running():
                run_coroutine_threadsafe(sender.close(), loop)

    def blocking(self) -> RequestsTransport:
        """The same for threads."""
        import requests

        from ..over_requests.transport import RequestsTransport

        if self._proxy is None:
            return RequestsTransport()
        session = requests.Session()
        session.proxies = {"http": self._proxy, "https": self._proxy}
        return RequestsTransport(session)

    def _made(self, loop: AbstractEventLoop) -> Sender:
        from .sender import Sender

        with self._lock:
            for other in [other for other in self._senders if other.is_closed()]:
                del self._senders[other]
            sender = self._senders[loop] = Sender(self._proxy, self._contexts)
            return sender

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._proxy,)

    def __repr__(self) -> str:
        return f"AiohttpTransport({'' if self._proxy is None else 'proxy=...'})"


def _restored(proxy: str | None) -> AiohttpTransport:
    return AiohttpTransport(proxy=proxy)
