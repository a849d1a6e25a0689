"""Response bodies over aiohttp: as they arrive, or whole within a limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

import aiohttp

from ...exceptions import Disconnected, RequestTimeout
from ...wire import Request
from ..decoding import Decoder, Whole, decoder
from ..errors import Cut, made
from .connector import WatchedConnection, abort
from .exchange import Exchange
from .failures import failure_over_aiohttp


class AiohttpBody:
    """The body of a response that is still arriving; see :class:`~replicate_home.AsyncBody`."""

    def __init__(self, response: aiohttp.ClientResponse, request: Request, exchange: Exchange) -> None:
        self._response = response
        self._request = request
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self._decoder: Decoder | None = None
        self._connection: WatchedConnection | None = None
        self._came = self._closed = False

    def expect(self, headers: Mapping[str, str], connection: WatchedConnection | None) -> None:
        """Prepare for a body with these headers. Without a length, the end of the connection is the end of the body."""
        self._decoder = decoder(headers)
        has_none = self._response.method == "HEAD" or self._response.status in (204, 304)
        if not has_none and "content-length" not in headers and "transfer-encoding" not in headers:
            self._connection = connection

    async def read(self, deadline: float | None) -> bytes:
        """The bytes that have arrived, waiting for the first of them until ``deadline``; ``b""`` at the end."""
        failure: BaseException | None = None
        try:
            data = b"" if self._closed else await self._read(deadline)
            if not self._closed:
                return data
        except Exception as error:
            failure = failure_over_aiohttp(error, self._request, self._exchange)
        if self._closed or failure is None:
            what = "the connection was closed on this side"
            failure = made(Disconnected, self._request, "body", what, processed=True)
        elif not isinstance(failure, RequestTimeout):  # after a timeout the rest may still arrive
            self._drop()
        raise failure

    async def whole(self) -> bytes:
        """The whole body, within a limit. Errors are raised as they come from aiohttp."""
        whole = Whole()
        while data := await self._piece():
            whole.add(data)
        return whole.joined()

    def close(self) -> None:
        """Discard the rest. May be called from any thread, also after the event loop has ended."""
        self._closed = True
        with suppress(RuntimeError):  # no loop runs in this thread
            if asyncio.get_running_loop() is self._loop:
                self._drop()
                return
        try:
            self._loop.call_soon_threadsafe(self._drop)
        except RuntimeError:  # the event loop has ended
            self._drop()

    def __del__(self) -> None:
        if not self._closed:
            self.close()

    def _drop(self) -> None:
        abort(self._response.connection)
        self._response.close()

    async def _read(self, deadline: float | None) -> bytes:
        if deadline is None:
            return await self._piece()
        left = deadline - time.monotonic()
        if left <= 0:  # a server that sends without pause would outlast a timer
            raise TimeoutError
        async with asyncio.timeout(left):
            return await self._piece()

    async def _piece(self) -> bytes:
        """The next decoded bytes; empty only at the end of a complete body."""
        while True:
            raw = b"" if self._decoder is not None and self._decoder.pending else await self._received()
            if not raw and (self._decoder is None or not self._decoder.pending):
                self._end()
                return b""
            data = raw if self._decoder is None else self._decoder.feed(raw)
            if data:
                return data

    async def _received(self) -> bytes:
        content = self._response.content
        failure = content.exception()
        if failure is not None:  # aiohttp would not return what arrived before the failure
            content.set_exception(None)  # type: ignore[arg-type]
            arrived = content.read_nowait()
            content.set_exception(failure)
            if arrived:
                return arrived
        raw = await content.readany()
        if not raw and not self._came:  # some mocks have a body here only
            raw = await self._response.read()
        self._came = True
        return raw

    def _end(self) -> None:
        if self._decoder is not None:
            self._decoder.end()
        if self._connection is not None and self._connection.was_cut():
            raise Cut("the connection ended without saying that the body was complete")
