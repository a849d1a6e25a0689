"""The default transport, over the ``requests`` library, which is imported when one is made.

It sends each request once, within its deadline, keeps nothing between requests but connections, and lets no exception
of another library out.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...clock import SYSTEM_CLOCK, Clock
from ...wire import Body, Request, Response

if TYPE_CHECKING:
    import requests


class RequestsTransport:
    """Sends requests with the ``requests`` library; the default transport.

    Each request goes through the session's ``send``, its adapter, urllib3 and http.client, so that mocks, recorders and
    tracing see it. Of a ``session`` that is given, its proxies, verify, cert, adapters and hooks count, not its auth,
    cookies, params or headers, and it is not closed; it is also the way to a proxy or a client certificate. Its
    adapters get connections that obey deadlines, unless they make their own kind of pool: then a deadline holds for
    each wait for the server, not for a server that drips. An adapter that would itself repeat a POST is a ValueError.

    ``Request.connect`` bounds connecting over all addresses of a host together with proxies and TLS. The name look-up
    is the system's and obeys no deadline. An answer's chunk sizes are read as http.client reads them, which takes
    ``0x5`` and ``+5`` for 5. Safe to share between threads, and to use after a fork.
    """

    clock: Clock = SYSTEM_CLOCK

    def __init__(self, session: requests.Session | None = None) -> None:
        self._session = session
        self._start()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self._session is None else 'session=...'})"

    def __reduce__(self) -> tuple[type[RequestsTransport], tuple[requests.Session | None]]:
        return type(self), (self._session,)

    def send(self, request: Request, deadline: float | None) -> tuple[Response, Body | None]:
        """Send ``request`` once and return the answer, whatever its status.

        See :class:`~replicate_home.transports.base.Transport` for what it promises and raises.
        """
        if self._process != os.getpid():
            self._start()
        return self._sender.send(request, deadline)

    def close(self) -> None:
        """Give up pooled connections; the transport may be used again afterwards."""
        self._sender.close()

    def _start(self) -> None:
        """Begin anew, in this process: connections and locks of one that forked stay its own."""
        from .sender import SessionSender

        self._process = os.getpid()
        self._sender = SessionSender(self._session)


class ProxiedTransport(RequestsTransport):
    """Goes through one proxy, over a session of its own that it closes."""

    def __init__(self, proxy: str) -> None:
        import requests

        self._proxied = requests.Session()
        self._proxied.proxies = {"http": proxy, "https": proxy}
        super().__init__(self._proxied)

    def close(self) -> None:
        """Give up the connections."""
        super().close()
        self._proxied.close()
