"""Bodies of answers that come over aiohttp: as they arrive, or whole within a bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

import aiohttp

from ..words.errors import Disconnected, ReplicateHomeError
from ..words.wire import Request
from .aiohttp_errors import failure_of
from .aiohttp_lines import Exchange
from .http1 import Malformed, decoder
from .response_body import WHOLE_LIMIT
from .transport_errors import made


class AiohttpBody:
    """The body of an answer that is still arriving: what :class:`~replicate_home.AsyncBody` promises."""

    def __init__(
        self, answer: aiohttp.ClientResponse, headers: Mapping[str, str], request: Request, exchange: Exchange
    ) -> None:
        self._answer = answer
        self._gunzip = decoder(headers)
        self._length = _length(answer, headers)
        self._request = request
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self._salvaged = b""
        self._waits = False
        self._closed = False
        self._over = False
        exchange.salvage = self._salvage

    async def read(self, deadline: float | None) -> bytes:
        """The bytes that have arrived, waiting for the first of them until ``deadline``; ``b""`` at the end."""
        failure: BaseException
        try:
            if self._closed:
                raise self._was_closed()
            async with asyncio.timeout(None if deadline is None else deadline - time.monotonic()):
                return await self.read_on()
        except asyncio.CancelledError as error:
            failure = asyncio.CancelledError(*error.args)
        except ReplicateHomeError as error:
            failure = error
        except TimeoutError as error:  # the rest may still come: the caller decides
            failure = failure_of(error, self._exchange, self._request)
        except Exception as error:
            failure = self._was_closed() if self._closed else failure_of(error, self._exchange, self._request)
            self._drop()
        raise failure

    async def read_on(self) -> bytes:
        """Turn one piece of what arrives after another into body until there is some; raises what aiohttp raises."""
        gunzip = self._gunzip
        while not self._over:
            if gunzip is not None and gunzip.pending:
                data = gunzip.feed(b"")
            else:
                data = await self._arrived()
                if not data:
                    self._finish()
                    break
                if gunzip is not None:
                    data = gunzip.feed(data)
            if data:
                return data
        return b""

    async def _arrived(self) -> bytes:
        if self._salvaged:
            data, self._salvaged = self._salvaged, b""
            return data
        self._waits = True
        try:
            return await self._answer.content.readany()
        finally:
            self._waits = False

    def _salvage(self) -> None:
        """The connection is lost: take what it brought, for whoever reads next."""
        if not self._waits and not self._over:
            with suppress(aiohttp.ClientError):
                self._salvaged += self._answer.content.read_nowait()

    def _finish(self) -> None:
        self._over = True
        if self._exchange.watcher is not None:
            self._exchange.watcher.finish(self._exchange, self._length)
        if self._gunzip is not None and not self._gunzip.complete:
            raise Malformed("its gzip ended early")

    def close(self) -> None:
        """Give up the rest; may be called from any thread, also when the event loop has ended."""
        closed, self._closed = self._closed, True
        if closed or self._over:
            return
        with suppress(RuntimeError):  # no loop runs in this thread
            if asyncio.get_running_loop() is self._loop:
                self._drop()
                return
        with suppress(RuntimeError):  # the loop has ended, and its connections with it
            self._loop.call_soon_threadsafe(self._drop)

    def _drop(self) -> None:
        """Close the connection, which ends a read that waits on it."""
        content = self._answer.content
        if not self._over and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("closed on this side"))
        self._over = True
        self._answer.close()

    def _was_closed(self) -> ReplicateHomeError:
        what = "the connection was closed on this side"
        return made(Disconnected, self._request, "body", what, "", processed=True)


def _length(answer: aiohttp.ClientResponse, headers: Mapping[str, str]) -> int | None:
    """How long the body is on the wire; None where its chunks tell."""
    if answer.method == "HEAD" or answer.status in (204, 304):
        return 0
    return None if "transfer-encoding" in headers else int(headers.get("content-length", "0").partition(",")[0])


async def read_whole(body: AiohttpBody) -> bytes:
    """All of a body; raises Malformed where it is longer than any answer of an API should be."""
    pieces: list[bytes] = []
    size = 0
    while data := await body.read_on():
        pieces.append(data)
        size += len(data)
        if size > WHOLE_LIMIT:
            pieces.clear()
            raise Malformed(f"its body is longer than {WHOLE_LIMIT} bytes")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
