"""What aiohttp's exceptions mean: rows for the table in :mod:`..errors`."""

from __future__ import annotations

import asyncio

import aiohttp

from ...exceptions import ConnectFailed, Disconnected, ProtocolError, ProxyFailed, ReplicateHomeError, TLSFailed
from ...wire import Request
from ..errors import Cut, Failure, failure_of
from .exchange import Exchange, SentAgain

_FAILURES = (
    Failure(aiohttp.ClientHttpProxyError, ProxyFailed, ProxyFailed, "proxy", "the proxy refused"),
    Failure(aiohttp.ServerFingerprintMismatch, TLSFailed, TLSFailed, "tls", "the certificate is not the expected one"),
    Failure(aiohttp.InvalidURL, ConnectFailed, Disconnected, "resolve", "the URL cannot be requested"),
    Failure(aiohttp.ClientResponseError, ConnectFailed, ProtocolError, None, "the response is malformed"),
    Failure((SentAgain, aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError), ConnectFailed, Disconnected, None,
            "the connection was cut"),
)  # fmt: skip
_PHASES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "resolve"),  # the look-up may have been made for another request
    ((aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch), "tls"),
)


def failure_over_aiohttp(error: BaseException, request: Request, exchange: Exchange) -> BaseException:
    """What to raise when an exchange ended with ``error``: one of our errors, or a cancellation or interrupt as it is.

    Frames and causes of ``error`` hold the headers, so none of them are kept.
    """
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and not task.cancelling():
        error = Cut("the transport was closed")  # closing a session cancels its name look-ups
    if type(error) is aiohttp.ClientConnectionError:  # the base class alone says nothing
        error = Cut(str(error))
    if isinstance(error, ReplicateHomeError) or not isinstance(error, Exception):
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    error = exchange.failure or error
    exchange.phase = next((phase for kinds, phase in _PHASES if isinstance(error, kinds)), exchange.phase)
    return failure_of(error, request, exchange, _FAILURES)
