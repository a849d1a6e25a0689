"""Bodies of answers that come over aiohttp's connections: as they arrive, or whole within a bound."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ...exceptions import Disconnected, ReplicateHomeError
from ...wire import Request
from ..http1 import Malformed, Payload
from ..old_errors import made
from ..response_body import WHOLE_LIMIT
from .errors import failure_of
from .exchange import AsyncExchange


class AiohttpBody:
    """The body of an answer that is still arriving: what :class:`~replicate_home.AsyncBody` promises."""

    __slots__ = ("_closed", "_exchange", "_loop", "_payload", "_request")

    def __init__(self, payload: Payload, exchange: AsyncExchange, request: Request) -> None:
        self._payload = payload
        self._exchange = exchange
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._closed = False

    async def read(self, deadline: float | None) -> bytes:
        """The bytes that have arrived, waiting for the first of them until ``deadline``; ``b""`` at the end."""
        failure: ReplicateHomeError | None = None
        try:
            data = b"" if self._closed else await self.read_on(deadline)
            if not self._closed:
                return data
        except TimeoutError as error:  # the rest may still come: the caller decides
            failure = failure_of(error, self._exchange, self._request)
        except Exception as error:
            failure = failure_of(error, self._exchange, self._request)
            self._exchange.drop()
        if failure is None or self._closed:
            what = "the connection was closed on this side"
            failure = made(Disconnected, self._request, "body", what, "", processed=True)
        raise failure

    async def read_on(self, until: float | None) -> bytes:
        """Turn one piece of what arrives after another into body until there is some; raises what went wrong."""
        exchange, payload = self._exchange, self._payload
        data = payload.unpacked()
        while not data and not payload.has_arrived:
            data = payload.feed(await exchange.receive(until)) or payload.unpacked()
        if payload.has_arrived:
            self._give_back()
        if not data:
            payload.end()
        return data

    def close(self) -> None:
        """Give up the rest; may be called from any thread, also when the event loop has ended."""
        self._closed = True
        with suppress(RuntimeError):  # no loop runs in this thread
            if asyncio.get_running_loop() is self._loop:
                self._exchange.drop()
                return
        try:
            self._loop.call_soon_threadsafe(self._exchange.drop)
        except RuntimeError:  # the loop has ended, and its connections with it: aiohttp is told that they were meant to
            with suppress(RuntimeError):
                self._exchange.drop()

    def __del__(self) -> None:
        if not self._closed:
            self.close()

    def _give_back(self) -> None:
        """Let go of the connection as soon as the last byte is there: to serve again, if it can."""
        if self._payload.frees_connection:
            self._exchange.release()
        else:
            self._exchange.drop()


async def read_whole(body: AiohttpBody, until: float | None) -> bytes:
    """All of a body; raises Malformed where it is longer than any answer of an API should be."""
    pieces: list[bytes] = []
    size = 0
    while data := await body.read_on(until):
        pieces.append(data)
        size += len(data)
        if size > WHOLE_LIMIT:
            pieces.clear()
            raise Malformed(f"its body is longer than {WHOLE_LIMIT} bytes")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
