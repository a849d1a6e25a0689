"""What the transport's own tests need beyond ``replicate_home.testing.scripted_server``: TLS, proxies, black holes."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from replicate_home.testing.scripted_server import Line, Over

CERTIFICATES = Path(__file__).parent / "certificates"
AUTHORITY = str(CERTIFICATES / "authority.pem")
"""Signed two certificates: ``loopback`` is for 127.0.0.1 and localhost, ``elsewhere`` for elsewhere.example.

``client`` is one for clients, and its own authority.
"""


def speaks_tls(name: str = "loopback") -> ssl.SSLContext:
    """A server's TLS context with the certificate of that name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{name}.pem")
    return context


@attrs.frozen
class Call:
    """Do what the test wants at this point of the script."""

    function: Callable[[], None]

    def play(self, line: Line) -> None:
        self.function()


@attrs.frozen
class Relay:
    """Grant the tunnel that was just asked for and pass bytes between the client and ``port`` on this machine."""

    port: int

    def play(self, line: Line) -> None:
        line.sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self.port)) as upstream:
            ways = {line.sock: upstream, upstream: line.sock}
            while not line.server.stopping.is_set():
                for source in select.select(list(ways), [], [], 0.05)[0]:
                    data = source.recv(65536)
                    if not data:
                        raise Over
                    ways[source].sendall(data)


@contextmanager
def black_hole() -> Iterator[int]:
    """A port that takes no more connections and does not refuse them either: its queue is full."""
    with ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = open_sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
