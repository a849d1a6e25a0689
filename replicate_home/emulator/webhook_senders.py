"""Sends signed webhooks to their receivers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from urllib.parse import urlsplit

from ..clock import Clock, FakeClock
from ..protocol.urls import is_loopback
from ..threads import ThreadPool
from ..wire import Request

Send = Callable[[Request], int | None]
"""Sends a webhook and returns the status of the response, or None without waiting for one. May raise OSError."""

_TIMEOUT = 5.0  # seconds for each step of a request


class HttpSender:
    """Sends webhooks over HTTP, to receivers on this machine only unless ``anywhere``; follows no redirect."""

    def __init__(self, *, anywhere: bool = False) -> None:
        self._anywhere = anywhere

    def __call__(self, request: Request) -> int | None:
        """Send it, and return the status; None if the receiver is elsewhere and may not be reached."""
        if self._anywhere or is_loopback(request.url):
            return _posted(request)
        import logging  # slow to import, and rarely needed

        logging.getLogger(__name__).warning("a webhook was not sent, as its receiver is elsewhere: %s", request.url)
        return None


def _posted(request: Request) -> int:
    import http.client

    try:
        parts = urlsplit(request.url)
        secure = parts.scheme == "https"
        make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = make(parts.hostname or "", parts.port or (443 if secure else 80), timeout=_TIMEOUT)
        with closing(connection):
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, request.body, dict(request.headers))  # type: ignore[arg-type]
            return connection.getresponse().status
    except (http.client.HTTPException, ValueError) as error:
        raise ConnectionError(str(error)) from error


class BackgroundSender:
    """Sends webhooks one after another in a thread of its own, so that nothing waits for a receiver."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._threads = ThreadPool(1, "webhook", idle=0.0)

    def __call__(self, request: Request) -> int | None:
        """Queue it; the response is not waited for."""
        self._threads.submit(lambda: self._quietly(request))
        return None

    def close(self) -> None:
        """Wait briefly for what is being sent."""
        self._threads.join(2.0)

    def _quietly(self, request: Request) -> None:
        with suppress(OSError):
            self._send(request)


def default_sender(clock: Clock) -> Send:
    """Sends to receivers on this machine; in virtual time, requests to the emulator do not wait for them."""
    return BackgroundSender(HttpSender()) if isinstance(clock, FakeClock) else HttpSender()
