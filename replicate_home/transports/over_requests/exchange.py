"""One request and its answer, as the connection that carries them sees it: until when, how far, over which socket.

It travels in the place of a urllib3 ``Timeout``, which libraries hand down unread, and reaches the connection as the
number of seconds that such a timeout gives.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any

import attrs
from urllib3.util import Timeout

from ..errors import Progress

A_WEEK = 7 * 24 * 3600.0
"""The limit where there is none, in seconds, for connections that are not ours."""


class Seconds(float):
    """Seconds that are left, and the exchange that they are left to."""

    exchange: Exchange


@attrs.define(eq=False)
class Exchange(Progress):
    """``deadline`` is a time on the monotonic clock; ``connect`` how many seconds reaching the server may take.

    ``response`` is what the session answered, ``answer`` http.client's part of it, ``socket`` what that comes over; the
    latter two are None where the connection is not ours.
    """

    method: str = "GET"
    deadline: float | None = None
    connect: float | None = None
    watches: bool = False
    connection: Any = attrs.field(default=None, repr=False)
    response: Any = attrs.field(default=None, repr=False)
    answer: Any = attrs.field(default=None, repr=False)
    socket: Any = attrs.field(default=None, repr=False)
    arrived: int = 0
    """How many bytes the last receive gave."""
    early: bytes = attrs.field(default=b"", repr=False)
    """What of the answer came while the request was still being sent."""
    head: bytes | None = attrs.field(default=None, repr=False)
    """The head of the request, which waits for its body, to be sent together with it; None where it does not."""
    _by: float | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._by = self.deadline

    def left(self) -> float | None:
        """The seconds that the step at hand may still take, None for no limit; raises TimeoutError at their end."""
        if self._by is None:
            return None
        seconds = self._by - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        return seconds

    def allow(self, deadline: float | None) -> None:
        """Set the end of what follows; None for no limit."""
        self._by = self.deadline = deadline

    def allow_connecting(self) -> None:
        """Set the end of what follows until a byte is sent: the deadline, or sooner."""
        limits = [self.deadline, None if self.connect is None else time.monotonic() + self.connect]
        self._by = min((limit for limit in limits if limit is not None), default=None)

    def sends(self) -> None:
        """A byte of the request may leave now."""
        self.phase, self.sent = "send", True
        self._by = self.deadline

    def interrupt(self) -> None:
        """Wake up the thread that waits on this connection; only that thread may close it."""
        sock = self.socket
        while hasattr(sock, "socket"):  # TLS within the TLS of a proxy comes in layers
            sock = sock.socket
        if isinstance(sock, socket.socket):
            with suppress(OSError):  # the peer may have been quicker
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not SSLSocket's own, which would take TLS away from it

    def finish(self, *, may_keep: bool) -> None:
        """The answer is all there: give the connection back for the next request, if it may carry one."""
        connection, response = self.connection, self.response
        if not may_keep or connection.is_spoiled:
            self.drop()
            return
        connection.idle_since = time.monotonic()
        self.detach()
        response.raw.release_conn()

    def drop(self) -> None:
        """Close the connection, however far the exchange got."""
        connection, response = self.connection, self.response
        if self.detach():
            connection.close()
        if response is not None:
            response.close()

    def detach(self) -> bool:
        """Forget the connection; True where it was still this exchange's."""
        connection, self.connection, self.response = self.connection, None, None
        if connection is None or connection.exchange is not self:
            return False
        connection.timeout = None
        return True


class Deadline(Timeout):
    """A timeout that is reckoned anew each time it is asked for, and names its exchange."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self.exchange = exchange

    def clone(self) -> Deadline:
        """Itself: it is not started."""
        return self

    def start_connect(self) -> float:
        """Nothing to start."""
        return time.monotonic()

    @property
    def connect_timeout(self) -> float:
        """What is left for connecting; None is not an answer that could name the exchange."""
        left = self.exchange.left()
        limits = [left, self.exchange.connect]
        return self._seconds(min((limit for limit in limits if limit is not None), default=A_WEEK))

    @property
    def read_timeout(self) -> float:
        """What is left for all that follows."""
        left = self.exchange.left()
        return self._seconds(A_WEEK if left is None else left)

    def _seconds(self, value: float) -> Seconds:
        seconds = Seconds(value)
        seconds.exchange = self.exchange
        return seconds
