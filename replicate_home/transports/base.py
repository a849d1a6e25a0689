"""The one seam to the network: what a transport must do, and what it may raise.

Anything with these two methods is a transport: the one over requests, the fake, the one in this process,
your own. ``replicate_home.testing.check_transport`` holds any of them to this contract.
"""

from __future__ import annotations

from typing import Protocol

from ..clock import Clock
from ..wire import Body, Request, Response


class Transport(Protocol):
    """Sends one request, once, and tells the truth about what happened to it."""

    @property
    def clock(self) -> Clock:
        """The clock that deadlines are read on."""
        ...

    def send(self, request: Request, deadline: float | None) -> tuple[Response, Body | None]:
        """Send ``request`` once and return the answer, whatever its status.

        ``deadline`` is a time on ``self.clock``, None for no limit. It bounds the whole exchange: connecting,
        TLS, sending, waiting, headers and, where no ``Body`` is returned, the body too.

        A ``Body`` is returned, and must be closed by the caller, only where ``request.streams`` is set and
        the status is 200 (or 206 for a download); otherwise the response holds the whole body.

        No redirect is followed, nothing is sent twice, no cookie is kept, and credentials come from the
        request alone. An answer that ends before its declared length is no answer.

        Raises a :class:`~replicate_home.TransportError` whose ``phase`` and ``may_have_been_processed`` are
        true, or :class:`~replicate_home.ProtocolError` for an answer that is not HTTP or too large, and
        nothing else (``KeyboardInterrupt`` and its like pass).
        """
        ...

    def close(self) -> None:
        """Give up pooled connections; the transport may be used again afterwards."""
        ...
