"""Bodies of answers over aiohttp: as they arrive, or whole within a bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

import aiohttp

from ...exceptions import Disconnected, ReplicateHomeError
from ...wire import Request
from ..decoding import Whole, decoder
from ..errors import Cut, made
from .connector import Reached, abort
from .exchange import Exchange
from .failures import failure_over_aiohttp

_NAMES = frozenset({"content-length", "transfer-encoding"})


class Reader:
    """Gives the decoded bytes of one network read after another; ``b""`` only where the body was complete."""

    __slots__ = ("_came", "_decoder", "_reached", "_response")

    def __init__(
        self, response: aiohttp.ClientResponse, headers: Mapping[str, str], reached: Reached | None = None
    ) -> None:
        self._response = response
        self._decoder = decoder(headers)
        has_an_end = response.method == "HEAD" or response.status in (204, 304) or not _NAMES.isdisjoint(headers)
        self._reached = None if has_an_end else reached
        self._came = False

    async def read(self) -> bytes:
        """The next bytes, waiting for the first of them."""
        decoder = self._decoder
        while True:
            if decoder is not None and decoder.pending:
                data = decoder.feed(b"")
            else:
                raw = await self._received()
                if not raw:
                    return self._end()
                data = raw if decoder is None else decoder.feed(raw)
            if data:
                return data

    async def whole(self) -> bytes:
        """All of it, within a bound."""
        whole = Whole()
        while data := await self.read():
            whole.add(data)
        return whole.joined()

    def close(self) -> None:
        """Close the connection, unless all has come."""
        abort(self._response.connection)
        self._response.close()

    async def _received(self) -> bytes:
        content = self._response.content
        raw = _arrived_before_failure(content) or await content.readany()
        if not raw and not self._came:
            raw = await self._response.read()  # mocks may have a body here only
        self._came = True
        return raw

    def _end(self) -> bytes:
        if self._decoder is not None:
            self._decoder.end()
        if self._reached is not None and self._reached.was_cut():
            raise Cut("it may have ended before all of it had come")
        return b""


def _arrived_before_failure(content: aiohttp.StreamReader) -> bytes:
    """What came before the connection broke, which aiohttp does not give any more."""
    failure = content.exception()
    if failure is None:
        return b""
    content.set_exception(None)  # type: ignore[arg-type]
    arrived = content.read_nowait()
    content.set_exception(failure)
    return arrived


class AiohttpBody:
    """The body of an answer that is still arriving: what :class:`~replicate_home.AsyncBody` promises."""

    __slots__ = ("__weakref__", "_closed", "_exchange", "_loop", "_reader", "_request")

    def __init__(self, reader: Reader, exchange: Exchange, request: Request) -> None:
        self._reader = reader
        self._exchange = exchange
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._closed = False

    async def read(self, deadline: float | None) -> bytes:
        """The bytes that have arrived, waiting for the first of them until ``deadline``; ``b""`` at the end."""
        failure: ReplicateHomeError | None = None
        try:
            data = b"" if self._closed else await self._read(deadline)
            if not self._closed:
                return data
        except TimeoutError as error:  # the rest may still come: the caller decides
            failure = failure_over_aiohttp(error, self._request, self._exchange)
        except Exception as error:
            failure = failure_over_aiohttp(error, self._request, self._exchange)
            self._reader.close()
        if failure is None or self._closed:
            what = "the connection was closed on this side"
            failure = made(Disconnected, self._request, "body", what, processed=True)
        raise failure

    async def _read(self, deadline: float | None) -> bytes:
        if deadline is None:
            return await self._reader.read()
        left = deadline - time.monotonic()
        if left <= 0:  # a server that never pauses would outlast a timer
            raise TimeoutError
        async with asyncio.timeout(left):
            return await self._reader.read()

    def close(self) -> None:
        """Give up the rest; may be called from any thread, also when the event loop has ended."""
        self._closed = True
        with suppress(RuntimeError):  # no loop runs in this thread
            if asyncio.get_running_loop() is self._loop:
                self._reader.close()
                return
        try:
            self._loop.call_soon_threadsafe(self._reader.close)
        except RuntimeError:  # the loop has ended, and its connections with it
            self._reader.close()

    def __del__(self) -> None:
        if not self._closed:
            self.close()
