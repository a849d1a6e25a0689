"""What went wrong on the way over aiohttp's connections, in our words.

An error is made here and raised elsewhere, outside of any ``except``.
"""

from __future__ import annotations

import aiohttp

from ...exceptions import ReplicateHomeError
from ...wire import Request
from ..exchange import ProxyRefused
from ..http1 import Cut, Malformed
from ..old_environment import CertificatesUnusable, ProxyUnusable
from ..old_errors import of_exchange, of_foreign
from .exchange import AsyncExchange


def failure_of(error: Exception, exchange: AsyncExchange, request: Request) -> ReplicateHomeError:
    """The error of an exchange that ended with an exception of aiohttp, of asyncio, or of ours."""
    if isinstance(error, (CertificatesUnusable, ProxyUnusable)):
        return of_foreign(error, request, exchange.phase)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        exchange.phase = "resolve"  # another exchange may have asked for the same name
    exchange.error = _reason(error).with_traceback(None)
    return of_exchange(exchange, request)


def _reason(error: Exception) -> Exception:
    """What aiohttp has wrapped, or the like of it among our own."""
    match error:
        case aiohttp.ClientHttpProxyError():
            return ProxyRefused(f"{error.status} {error.message}".strip())
        case aiohttp.ClientResponseError():  # the proxy's, whose message may quote its headers
            return Malformed("the proxy's answer makes no sense")
        case aiohttp.ClientConnectorCertificateError():
            return error.certificate_error
        case aiohttp.ClientConnectorError():
            return error.os_error
        case aiohttp.ClientConnectionError() if not isinstance(error, OSError):
            return Cut()
    return error
