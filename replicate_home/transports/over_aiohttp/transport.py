"""The native transport for event loops, over ``aiohttp``, which is imported when one is made.

Each event loop has its own session. The contract of every transport holds: a request is sent once, within its deadline,
errors tell the truth about what happened, and no exception of another library is raised.
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
    import aiohttp

    from ..over_requests.transport import RequestsTransport
    from .session import Contexts, LoopSession


class AiohttpTransport:
    """Sends requests with the ``aiohttp`` library: thousands at a time, without threads.

    ``proxy`` is the URL of an http or https proxy for all requests. Without it, and for the certificates to trust, the
    environment is used as in :class:`RequestsTransport`. ``Request.connect`` includes the name look-up and begins when
    a connection is opened; at most 64 connections to a host are opened at the same time. The transport may be used in
    several event loops, and need not be closed if they end as ``asyncio.run`` ends them.

    Your own ``session`` is used and left open. Its connector, proxy, trace configurations and middlewares are used; its
    auth, cookies, headers and ``raise_for_status`` are not, nor is the environment. It works only in the event loop in
    which the transport was made; in another, ``send`` raises RuntimeError, so close streams there. An idle connection
    of its connector is not checked for unsolicited responses before it is reused. Raises ValueError if the session has
    ``trust_env=True``, because it would read ``.netrc``.
    """

    clock: Clock = SYSTEM_CLOCK

    def __init__(self, *, proxy: str | None = None, session: aiohttp.ClientSession | None = None) -> None:
        if find_spec("aiohttp") is None:
            message = "AiohttpTransport needs aiohttp: python -m pip install aiohttp"
            raise MissingExtra(message, name="aiohttp")
        self._proxy = proxy
        self._given = session
        self._lock = threading.Lock()
        self._contexts: Contexts = {}
        self._sessions: weakref.WeakKeyDictionary[AbstractEventLoop, LoopSession] = weakref.WeakKeyDictionary()
        if session is not None:
            self._adopt(session)

    async def send(self, request: Request, deadline: float | None) -> tuple[Response, AsyncBody | None]:
        """Send ``request`` once and return the response, whatever its status.

        See :class:`~replicate_home.AsyncTransport` for what it promises and raises.
        """
        loop = get_running_loop()
        session = self._sessions.get(loop) or self._made(loop)
        return await session.send(request, deadline)

    async def close(self) -> None:
        """Close pooled connections, also those of other event loops; the transport may be used again afterwards."""
        if self._given is not None:
            return
        with self._lock:
            sessions = dict(self._sessions)
            self._sessions.clear()
        here = get_running_loop()
        for loop, session in sessions.items():
            if loop is here:
                await session.close()
            elif loop.is_running():
                run_coroutine_threadsafe(session.close(), loop)

    def blocking(self) -> RequestsTransport:
        """The blocking transport with the same settings."""
        from ..over_requests.transport import ProxiedTransport, RequestsTransport

        return RequestsTransport() if self._proxy is None else ProxiedTransport(self._proxy)

    def _adopt(self, session: aiohttp.ClientSession) -> None:
        from .session import LoopSession, adopted

        self._sessions[get_running_loop()] = LoopSession(self._proxy, self._contexts, adopted(session))

    def _made(self, loop: AbstractEventLoop) -> LoopSession:
        from .session import LoopSession

        if self._given is not None:
            raise RuntimeError("the session that was given belongs to another event loop")
        with self._lock:
            for other in [other for other in self._sessions if other.is_closed()]:
                del self._sessions[other]
            session = self._sessions[loop] = LoopSession(self._proxy, self._contexts)
            return session

    def __reduce__(self) -> tuple[Any, ...]:
        if self._given is not None:
            raise TypeError("a session that was given cannot be pickled")
        return _restored, (self._proxy,)

    def __repr__(self) -> str:
        given = {"proxy": self._proxy, "session": self._given}
        return f"AiohttpTransport({', '.join(f'{name}=...' for name, value in given.items() if value is not None)})"


def _restored(proxy: str | None) -> AiohttpTransport:
    return AiohttpTransport(proxy=proxy)
