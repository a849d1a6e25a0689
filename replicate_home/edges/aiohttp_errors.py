"""What went wrong on the way over aiohttp, in our words: a table from its exceptions, most specific first.

An error is made here and raised elsewhere, outside of any ``except``.
"""

from __future__ import annotations

import ssl

import aiohttp

from ..words.errors import (
    ConnectFailed,
    Disconnected,
    ProtocolError,
    ProxyFailed,
    ReplicateHomeError,
    RequestTimeout,
    TLSFailed,
    TransportError,
)
from ..words.wire import Request
from .aiohttp_lines import Exchange, SentOnce
from .deadline_connection import UploadFailed
from .environment import CertificatesUnusable, ProxyUnusable
from .http1 import Malformed
from .transport_errors import made

_BEFORE_SENDING = frozenset({"resolve", "connect", "tls", "proxy"})
_Kinds = type[BaseException] | tuple[type[BaseException], ...]

# The phase is None where it is the one at hand.
_REACHING: tuple[tuple[_Kinds, type[ReplicateHomeError], str | None, str], ...] = (
    (CertificatesUnusable, TLSFailed, "tls", "the certificates to trust cannot be used"),
    (ProxyUnusable, ProxyFailed, "proxy", "the address of the proxy is none"),
    (aiohttp.ClientHttpProxyError, ProxyFailed, "proxy", "the proxy refused"),
    (aiohttp.ClientProxyConnectionError, ProxyFailed, "proxy", "the proxy was not reached"),
    (
        (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError),
        TLSFailed,
        "tls",
        "the server's certificate was not accepted",
    ),
    (TimeoutError, RequestTimeout, None, "the time allowed was over"),
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), ConnectFailed, "tls", "the connection was cut"),
    ((aiohttp.ClientSSLError, ssl.SSLError), TLSFailed, "tls", "no common terms for TLS were found"),
    (aiohttp.ClientConnectorDNSError, ConnectFailed, "resolve", "there is no such host"),
    (aiohttp.InvalidURL, ConnectFailed, "resolve", "the URL cannot be requested"),
    ((aiohttp.ClientError, OSError), ConnectFailed, None, "the connection was not possible"),
    (Exception, ConnectFailed, None, "it failed"),
)
_EXCHANGING: tuple[tuple[_Kinds, type[ReplicateHomeError], str | None, str], ...] = (
    (Malformed, ProtocolError, None, "the answer makes no sense"),
    (UploadFailed, TransportError, "send", "the upload was given up"),
    (aiohttp.ClientHttpProxyError, ProxyFailed, "proxy", "the proxy wants other credentials"),
    (TimeoutError, RequestTimeout, None, "the time allowed was over"),
    (aiohttp.ClientResponseError, ProtocolError, None, "the answer makes no sense"),
    ((SentOnce, aiohttp.ClientError, OSError), Disconnected, None, "the connection broke"),
    (Exception, TransportError, None, "it failed"),
)


def failure_of(error: Exception, exchange: Exchange, request: Request) -> ReplicateHomeError:
    """The error of an exchange that ended with an exception of aiohttp, or of ours."""
    error, phase = exchange.error or error, exchange.phase
    reached = exchange.watcher is not None
    causes = [cause for cause in (_cause_of(error), error) if cause is not None]
    kind, at, what, cause = next(
        (kind, at, what, cause)
        for kinds, kind, at, what in (_EXCHANGING if reached else _REACHING)
        for cause in causes
        if isinstance(cause, kinds)
    )
    phase = at or phase
    if kind is ConnectFailed and phase == "proxy":
        kind = ProxyFailed
    return made(kind, request, phase, what, _said(cause), processed=phase not in _BEFORE_SENDING)


def _cause_of(error: BaseException) -> BaseException | None:
    """What aiohttp has wrapped."""
    return getattr(error, "os_error", None) or getattr(error, "certificate_error", None)


def _said(error: BaseException) -> str:
    """Its message, without the request that aiohttp's own show."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{error.status} {error.message}".strip()
    return str(error)
