"""urllib3's connections and pools, as far as they do differently while an :class:`Exchange` is at them.

urllib3 opens, tunnels, secures and pools the connections; the exchange that the thread is at opens their sockets, asks
for tunnels and runs over them. Without one they are plain urllib3.
"""

from __future__ import annotations

import os
import queue
import socket
import time
from collections import deque
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ...wire import IDEMPOTENT
from ..exchange import at_hand

REUSE_SECONDS = 20.0
CREATE_REUSE_SECONDS = 5.0
"""How long a connection may have been idle to be used again, by any request and by one that is not idempotent."""


class _ObeysExchange:
    """What a connection does differently while an exchange is at it."""

    idle_since = float("-inf")
    owner = 0

    def _new_conn(self) -> socket.socket:
        self.owner = os.getpid()
        exchange = at_hand()
        return exchange.open_socket(self) if exchange else super()._new_conn()  # type: ignore[misc]

    def _tunnel(self) -> None:
        exchange = at_hand()
        if exchange:
            exchange.tunnel(self)
        else:
            super()._tunnel()  # type: ignore[misc]

    def is_fit_for(self, method: str) -> bool:
        """Whether this idle connection may carry such a request.

        A connection that another process opened before it forked is closed here and stays open there.
        """
        idle = time.monotonic() - self.idle_since
        allowed = REUSE_SECONDS if method in IDEMPOTENT else CREATE_REUSE_SECONDS
        return idle <= allowed and self.owner == os.getpid() and self.is_connected  # type: ignore[attr-defined]


class DeadlineConnection(_ObeysExchange, HTTPConnection):
    """A connection in the clear."""


class DeadlineTLSConnection(_ObeysExchange, HTTPSConnection):
    """A connection under TLS."""


class IdleStack:
    """The idle connections of a pool, the latest on top. It takes no lock, which a fork might leave locked."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[Any] = deque()

    def get(self, block: bool = False, timeout: float | None = None) -> Any:  # noqa: ARG002  # as queue.Queue has it
        """The connection used last; raises ``queue.Empty``."""
        try:
            return self._items.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, item: Any, block: bool = False) -> None:  # noqa: ARG002
        """Keep a connection; raises ``queue.Full``."""
        if item is None:  # stands for a connection still to be made
            return
        if len(self._items) >= self._size:
            raise queue.Full
        self._items.append(item)

    def qsize(self) -> int:
        """How many there are."""
        return len(self._items)


class _ServesExchange:
    """What a pool does differently while an exchange is at it."""

    def __init__(self, host: str, port: int | None = None, **options: Any) -> None:
        if not options.get("block"):
            self.QueueCls = IdleStack
        super().__init__(host, port, **options)  # type: ignore[call-arg]

    def urlopen(self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> Any:
        """Run the exchange at hand: once, without redirects, whatever ``retries`` says."""
        exchange = at_hand()
        if exchange:
            return exchange.run(self, url, headers)
        return super().urlopen(method, url, body, headers, **options)  # type: ignore[misc]

    def _get_conn(self, timeout: float | None = None) -> Any:
        exchange = at_hand()
        if not exchange:
            return super()._get_conn(timeout)  # type: ignore[misc]
        try:
            connection = self.pool.get(block=self.block, timeout=exchange.left())  # type: ignore[attr-defined]
        except queue.Empty:
            if self.block:  # type: ignore[attr-defined]
                raise TimeoutError("no connection of the pool became free") from None
            connection = None
        if connection is not None and connection.sock is not None and not connection.is_fit_for(exchange.method):
            connection.close()
        return connection or self._new_conn()  # type: ignore[attr-defined]

    def reach(self, connection: Any, *, tunnel: bool) -> None:
        """Connect, through a tunnel of the proxy or directly, and under TLS where the URL says so."""
        if tunnel:
            self._prepare_proxy(connection)  # type: ignore[attr-defined]
        self._validate_conn(connection)  # type: ignore[attr-defined]
        if connection.sock is None:
            connection.connect()

    def close_idle(self) -> None:
        """Close the connections that nobody uses."""
        while self.pool.qsize():  # type: ignore[attr-defined]
            try:
                connection = self.pool.get(block=False)  # type: ignore[attr-defined]
            except queue.Empty:
                return
            if connection is not None:
                connection.close()


class DeadlinePool(_ServesExchange, HTTPConnectionPool):  # type: ignore[misc]
    """Connections in the clear to one host."""

    ConnectionCls = DeadlineConnection


class DeadlineTLSPool(_ServesExchange, HTTPSConnectionPool):  # type: ignore[misc]
    """Connections under TLS to one host."""

    ConnectionCls = DeadlineTLSConnection


POOLS = {"http": DeadlinePool, "https": DeadlineTLSPool}
KEEPALIVE: list[tuple[int, int, int]] = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *((socket.IPPROTO_TCP, getattr(socket, name), value)
      for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5)) if hasattr(socket, name)),
]  # fmt: skip
"""A silent stream is probed every minute, so that no router on the way forgets it."""


def adopt(manager: Any) -> bool:
    """Have a urllib3 ``PoolManager`` make pools that obey exchanges; False where it makes its own kind."""
    classes = manager.pool_classes_by_scheme
    if classes is POOLS:
        return True
    if list(classes.values()) != [HTTPConnectionPool, HTTPSConnectionPool]:
        return False
    manager.pool_classes_by_scheme = POOLS
    manager.clear()
    return True
