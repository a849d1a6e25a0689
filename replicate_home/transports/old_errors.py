"""What went wrong on the way, in our words: tables from foreign exceptions, most specific first.

Each function returns an error, to be raised outside of any ``except``: the frames and the context of the foreign
exception hold headers, so nothing of it is kept but its message, scrubbed and clipped.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from typing import Protocol

import attrs
from requests import exceptions as requested
from urllib3 import exceptions as pooled
from urllib3.util.ssl_match_hostname import CertificateError

from ..exceptions import (
    ConnectFailed,
    Disconnected,
    ProtocolError,
    ProxyFailed,
    ReplicateHomeError,
    RequestTimeout,
    TLSFailed,
    TransportError,
)
from ..wire import Request
from .exchange import ProxyRefused, UploadFailed
from .http1 import Cut, Malformed
from .old_environment import CertificatesUnusable, ProxyUnusable

MESSAGE_LIMIT = 300

_DOING = {
    "resolve": "looking up the server's name",
    "connect": "connecting",
    "tls": "setting up TLS",
    "proxy": "reaching the proxy",
    "send": "sending the request",
    "wait": "waiting for the answer",
    "headers": "receiving the answer's headers",
    "body": "receiving the answer's body",
}
_BEFORE_SENDING = frozenset({"resolve", "connect", "tls", "proxy"})
_Kinds = type[Exception] | tuple[type[Exception], ...]
_Row = tuple[_Kinds, type[ReplicateHomeError], str]

_REACHING: tuple[_Row, ...] = (
    (ProxyRefused, ProxyFailed, "the proxy refused"),
    ((ssl.SSLCertVerificationError, CertificateError), TLSFailed, "the server's certificate was not accepted"),
    (TimeoutError, RequestTimeout, "the time allowed was over"),
    ((socket.gaierror, UnicodeError, pooled.LocationParseError), ConnectFailed, "there is no such host"),
    (
        (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError, Cut),
        ConnectFailed,
        "the connection was cut",
    ),
    (ssl.SSLError, TLSFailed, "no common terms for TLS were found"),
    (Malformed, ConnectFailed, "the answer was not HTTP"),
    (OSError, ConnectFailed, "the connection was not possible"),
    (Exception, ConnectFailed, "it failed"),
)
_EXCHANGING: tuple[_Row, ...] = (
    (Malformed, ProtocolError, "the answer makes no sense"),
    (UploadFailed, TransportError, "the upload was given up"),
    (TimeoutError, RequestTimeout, "the time allowed was over"),
    ((Cut, OSError), Disconnected, "the connection broke"),
    (Exception, TransportError, "it failed"),
)
# The phase is None where it is the one at hand; the other rows are about the time before the body.
_FOREIGN: tuple[tuple[_Kinds, type[ReplicateHomeError], str | None, str], ...] = (
    (UploadFailed, TransportError, "send", "the upload was given up"),
    (Malformed, ProtocolError, None, "the answer makes no sense"),
    (CertificatesUnusable, TLSFailed, "tls", "the certificates to trust cannot be used"),
    (ProxyUnusable, ProxyFailed, "proxy", "the proxy's address cannot be used"),
    ((pooled.ProxyError, requested.ProxyError), ProxyFailed, "proxy", "the proxy refused or was not reached"),
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), ConnectFailed, "tls", "the connection was cut"),
    ((pooled.SSLError, requested.SSLError, CertificateError), TLSFailed, "tls", "TLS failed"),
    ((pooled.NameResolutionError, socket.gaierror), ConnectFailed, "resolve", "there is no such host"),
    ((pooled.NewConnectionError, ConnectionRefusedError), ConnectFailed, "connect", "the connection was not possible"),
    ((pooled.ConnectTimeoutError, requested.ConnectTimeout), RequestTimeout, "connect", "the time allowed was over"),
    ((pooled.ReadTimeoutError, requested.Timeout, TimeoutError), RequestTimeout, None, "the time allowed was over"),
    ((pooled.DecodeError, requested.ContentDecodingError), ProtocolError, None, "the answer's encoding is broken"),
    ((pooled.InvalidHeader, pooled.HeaderParsingError), ProtocolError, None, "the answer makes no sense"),
    (requested.InvalidHeader, TransportError, "send", "a header cannot be sent"),
    (
        (requested.InvalidURL, requested.InvalidSchema, requested.MissingSchema, pooled.LocationValueError),
        ConnectFailed,
        "resolve",
        "the URL cannot be requested",
    ),
    ((pooled.HTTPError, requested.RequestException, OSError), Disconnected, None, "the connection broke"),
    (Exception, TransportError, None, "it failed"),
)


class Failed(Protocol):
    """An exchange of ours that failed: what it was at, and whether a byte of the request may have left."""

    error: Exception | None
    phase: str
    proxied: bool
    sent: bool


def of_exchange(exchange: Failed, request: Request) -> ReplicateHomeError:
    """The error of an exchange of ours that failed with ``exchange.error``."""
    error, phase = exchange.error or Cut(), exchange.phase
    reaching = phase in _BEFORE_SENDING
    kind, what = next((row[1], row[2]) for row in (_REACHING if reaching else _EXCHANGING) if isinstance(error, row[0]))
    if exchange.proxied and reaching:
        phase = "proxy" if phase in ("resolve", "connect") else phase
        kind = ProxyFailed if kind is ConnectFailed and phase == "proxy" else kind
    return made(kind, request, phase, what, str(error), processed=exchange.sent)


def of_foreign(error: Exception, request: Request, phase: str) -> ReplicateHomeError:
    """The error where connections that are not ours failed while at ``phase``."""
    causes = list(_causes(error))
    cause, kind, at, what = next(
        (cause, kind, at, what)
        for kinds, kind, at, what in _FOREIGN
        if at is None or phase != "body"
        for cause in causes
        if isinstance(cause, kinds)
    )
    phase = at or phase
    return made(kind, request, phase, what, str(cause), processed=phase not in _BEFORE_SENDING)


def _causes(error: Exception) -> Iterator[Exception]:
    """``error`` and what libraries have wrapped it around, outermost first."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, Exception) and id(found) not in seen and len(seen) < 10:
            seen.add(id(found))
            yield found
            waiting += [getattr(found, "reason", None), *found.args, found.__cause__]


def made(
    kind: type[ReplicateHomeError], request: Request, phase: str, what: str, detail: str, *, processed: bool
) -> ReplicateHomeError:
    """An error of ``kind`` whose message says what was done, where it broke and what the other side said."""
    message = f"{request.method} {_shown(request.url)}: {what} while {_DOING[phase]}"
    detail = scrubbed(detail, request)
    if detail and detail != what:
        message += f": {detail}"
    if not issubclass(kind, TransportError):
        return kind(message)
    return kind(message, request=_without_source(request), phase=phase, may_have_been_processed=processed)


def scrubbed(text: str, request: Request) -> str:
    """A foreign message without the token, credentials in URLs and control characters, and of bounded length."""
    if request.token is not None and request.token.reveal():
        text = text.replace(request.token.reveal(), "***")
    text = re.sub(r"//[^/@\s]*@", "//***@", text)
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", text).strip()
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1] + "…"


def _shown(url: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//***@", re.split("[?#]", url, maxsplit=1)[0])[:MESSAGE_LIMIT]


def _without_source(request: Request) -> Request:
    """An upload's source may hold an open file, which an error should not keep, and cannot pickle."""
    return request if request.body is None or isinstance(request.body, bytes) else attrs.evolve(request, body=None)
