"""What went wrong on the way, in our words: one table of the exceptions of others, most specific first.

An error is made here and raised elsewhere, outside of any ``except``: the frames and the context of a foreign exception
hold headers, so that nothing of it is kept but its message, scrubbed and clipped.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
from collections.abc import Iterator, Sequence

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

MESSAGE_LIMIT = 300


class Malformed(Exception):
    """The answer is not HTTP as this package accepts it; the message says why."""


class Cut(Exception):
    """The connection ended before the answer did."""


class UploadFailed(Exception):
    """The source of an upload failed or does not have the length it declared."""


class CertificatesUnusable(Exception):
    """The file or folder of trusted certificates, or the client's own certificate, cannot be read."""


class ProxyUnusable(Exception):
    """The address of a proxy is none."""


@attrs.define
class Progress:
    """How far a request has got.

    ``phase`` is the word for what it is at, as in :class:`~replicate_home.TransportError`; ``sent`` is whether a byte
    of the request may have left; ``fresh`` whether the connection was made for it; ``proxy`` the URL of the proxy, if
    one is used. Where nobody ``watches`` the connection, phase and ``sent`` are guesses, and the exception decides.
    """

    phase: str = "resolve"
    sent: bool = False
    fresh: bool = True
    proxy: str | None = None
    watches: bool = True


@attrs.frozen
class Failure:
    """One row of the table: what these exceptions mean before the first byte of the request left, and after.

    ``phase`` is where they happen, for connections that nobody watches; None where that may be anywhere.
    """

    kinds: type[BaseException] | tuple[type[BaseException], ...]
    before: type[ReplicateHomeError]
    after: type[ReplicateHomeError]
    phase: str | None
    what: str


_CUT = (
    Cut,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
    ConnectionResetError,  # http.client.RemoteDisconnected is one
    ConnectionAbortedError,
    BrokenPipeError,
    http.client.IncompleteRead,
)
_NO_SENSE = (
    http.client.HTTPException,
    pooled.InvalidHeader,
    pooled.HeaderParsingError,
    pooled.DecodeError,
    requested.ContentDecodingError,
)
_NO_URL = (
    pooled.LocationValueError,
    requested.InvalidURL,
    requested.InvalidSchema,
    requested.MissingSchema,
)

FAILURES: tuple[Failure, ...] = (
    Failure(UploadFailed, TransportError, TransportError, "send", "the upload was abandoned"),
    Failure(CertificatesUnusable, TLSFailed, TLSFailed, "tls", "the certificates cannot be used"),
    Failure(ProxyUnusable, ProxyFailed, ProxyFailed, "proxy", "the proxy's URL is not valid"),
    Failure(Malformed, ConnectFailed, ProtocolError, None, "the response is malformed"),
    Failure((ssl.SSLCertVerificationError, CertificateError), TLSFailed, TLSFailed, "tls",
            "the server's certificate was not accepted"),
    Failure((pooled.NameResolutionError, socket.gaierror, UnicodeError), ConnectFailed, TransportError, "resolve",
            "the host name could not be resolved"),
    Failure((pooled.NewConnectionError, pooled.ClosedPoolError, ConnectionRefusedError), ConnectFailed, Disconnected,
            "connect", "the connection could not be made"),
    Failure((pooled.ConnectTimeoutError, requested.ConnectTimeout, pooled.EmptyPoolError), RequestTimeout,
            RequestTimeout, "connect", "timed out"),
    Failure((pooled.ReadTimeoutError, requested.Timeout, TimeoutError), RequestTimeout, RequestTimeout, None,
            "timed out"),
    Failure((pooled.ProxyError, requested.ProxyError), ProxyFailed, Disconnected, "proxy",
            "the proxy refused or could not be reached"),
    Failure((ssl.SSLEOFError, ssl.SSLZeroReturnError), ConnectFailed, Disconnected, "tls", "the connection was cut"),
    Failure(_CUT, ConnectFailed, Disconnected, None, "the connection was cut"),
    Failure(ssl.SSLError, TLSFailed, Disconnected, "tls", "TLS failed"),
    Failure((pooled.SSLError, requested.SSLError), TLSFailed, Disconnected, "tls", "TLS failed"),
    Failure(_NO_SENSE, ConnectFailed, ProtocolError, None, "the response is malformed"),
    Failure(requested.InvalidHeader, TransportError, TransportError, "send", "a header cannot be sent"),
    Failure(_NO_URL, ConnectFailed, Disconnected, "resolve", "the URL cannot be requested"),
    Failure((pooled.HTTPError, requested.RequestException, OSError), ConnectFailed, Disconnected, None,
            "the connection broke"),
    Failure(Exception, ConnectFailed, TransportError, None, "it failed"),
)  # fmt: skip

_DOING = {
    "resolve": "looking up the server's name",
    "connect": "connecting",
    "tls": "setting up TLS",
    "proxy": "reaching the proxy",
    "send": "sending the request",
    "wait": "waiting for the response",
    "headers": "receiving the response headers",
    "body": "receiving the response body",
}
_BEFORE_SENDING = frozenset({"resolve", "connect", "tls", "proxy"})


def failure_of(
    error: BaseException, request: Request, progress: Progress, more: Sequence[Failure] = ()
) -> ReplicateHomeError:
    """The error for a request that failed with ``error``; a library's own rows in ``more`` go before the table's."""
    cause, row = _row_of(error, (*more, *FAILURES))
    phase, sent = progress.phase, progress.sent
    if not progress.watches and row.phase is not None and phase != "body":
        phase = row.phase
    if not progress.watches:
        sent = phase not in _BEFORE_SENDING
    if progress.fresh and phase in ("send", "wait") and _refuses_our_certificate(cause):
        return made(TLSFailed, request, "tls", "the server did not accept our certificate", str(cause), processed=False)
    kind = row.before if phase in _BEFORE_SENDING else row.after
    what, place = row.what, ""
    if progress.proxy is not None and phase in ("resolve", "connect", "proxy"):
        phase = "proxy"
        kind = ProxyFailed if kind is ConnectFailed else kind
        place = _named(progress.proxy)
    if "WRONG_VERSION_NUMBER" in str(cause) and phase == "tls":
        what = "TLS failed, for the server does not speak it (should the URL be http://?),"
    return made(kind, request, phase, what, str(cause), processed=sent, place=place)


def _named(proxy: str) -> str:
    """The proxy's URL, and the variable of the environment that sets it, if one does."""
    place = proxy.rstrip("/").rpartition("//")[2].rpartition("@")[2]
    for name, value in os.environ.items():
        if name.lower() in ("https_proxy", "http_proxy", "all_proxy") and value.rstrip("/").endswith(place):
            return f" {_shown(proxy)} of {name}"
    return f" {_shown(proxy)}"


def _row_of(error: BaseException, rows: Sequence[Failure]) -> tuple[BaseException, Failure]:
    """The first row that knows ``error``, or what it was wrapped around."""
    causes = list(_causes(error))
    return next((cause, row) for row in rows for cause in causes if isinstance(cause, row.kinds))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what libraries have wrapped it around, outermost first."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, Exception) and id(found) not in seen and len(seen) < 10:
            seen.add(id(found))
            yield found
            waiting += [getattr(found, "reason", None), *found.args, found.__cause__]


def _refuses_our_certificate(cause: BaseException) -> bool:
    """Whether it is the alert of a TLS 1.3 server that wants a certificate, which comes after our first request.

    It can read no request before that, so that none was processed.
    """
    reason = getattr(cause, "reason", None) if isinstance(cause, ssl.SSLError) else None
    return isinstance(reason, str) and "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason)


def made(
    kind: type[ReplicateHomeError],
    request: Request,
    phase: str,
    what: str,
    detail: str = "",
    *,
    processed: bool,
    place: str = "",
) -> ReplicateHomeError:
    """An error of ``kind`` whose message says what was done, where it broke and what the other side said."""
    message = f"{request.method} {_shown(request.url)}: {what} while {_DOING[phase]}{place}"
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
