"""What a request of ours is on the wire, and which answers come in pieces: the same for every transport.

The token is opened here only, and goes into the one header that a library needs it in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from requests.utils import requote_uri

from ..exceptions import ConnectFailed, TransportError
from ..version import USER_AGENT
from ..wire import Request, Response, Upload
from .errors import UploadFailed, made

ORIGINS = 64
"""To how many origins a transport remembers the way."""
REUSE_SECONDS = 20.0
CREATE_REUSE_SECONDS = 5.0
"""How long a connection may have been idle to be used again, by any request and by one that is not idempotent."""

_URL = re.compile(r"(https?)://([^/?#@\s\\%]+)((?:[/?][^#\s]*)?)(?:#.*)?", re.IGNORECASE).fullmatch
_IS_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_IS_VALUE = re.compile(r"[\x01-\x09\x0b\x0c\x0e-\xff]*").fullmatch


class Place(NamedTuple):
    """Where a request goes: its scheme in lower case, host and port as they stand in the URL, path and query."""

    scheme: str
    authority: str
    target: str

    @property
    def origin(self) -> str:
        """Scheme and authority."""
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        """All of it, encoded."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def host(self) -> str:
        """What the Host header says."""
        return self.authority.removesuffix(":443" if self.scheme == "https" else ":80")


def place_of(request: Request) -> Place:
    """Where ``request`` goes; raises ConnectFailed where its URL is no plain one."""
    found = _URL(request.url)
    if found is None or not found[2].isascii():
        raise made(ConnectFailed, request, "resolve", "that is not a plain http or https URL", processed=False)
    scheme, authority, target = found.groups()
    if not target.startswith("/"):
        target = "/" + target
    return Place(scheme.lower(), authority, target if target.isascii() else requote_uri(target))


def headers_of(request: Request, host: str) -> dict[str, str]:
    """All headers, with those of the request itself before our own defaults; the caller must not let them out.

    Raises TransportError where one of them could break out of its line.
    """
    headers = {
        "Host": host,
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity" if request.streams else "gzip",
        **request.headers,
    }
    if request.method == "GET":
        headers.setdefault("Cache-Control", "no-store")  # a poll that a cache answers is never over
    body = request.body
    if body is not None:
        headers["Content-Length"] = str(len(body) if isinstance(body, bytes) else body.length)
    elif request.method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = "0"
    _refuse_unsendable(request, headers)
    if request.token is not None:
        headers["Authorization"] = "Bearer " + request.token.reveal()
    return headers


def _refuse_unsendable(request: Request, headers: Mapping[str, str]) -> None:
    names = [name for name, value in headers.items() if not _IS_TOKEN(name) or not _IS_VALUE(value)]
    if request.token is not None and not _IS_VALUE(request.token.reveal()):
        names.append("Authorization")
    if names or not _IS_TOKEN(request.method):
        what = "the method or a header cannot be sent"
        raise made(TransportError, request, "send", what, ", ".join(names), processed=False)


def comes_in_pieces(request: Request, status: int, headers: Mapping[str, str]) -> bool:
    """Whether the body of this answer is handed out as it arrives: it is an event stream, or a download."""
    if not request.streams:
        return False
    accepted = next((value for name, value in request.headers.items() if name.lower() == "accept"), "")
    if "text/event-stream" in accepted:
        return Response(status, headers).is_event_stream
    return status in (200, 206)


def forget_encoding(headers: dict[str, str]) -> None:
    """Take from an answer's headers what is not true of its body any more, which is given decoded."""
    if headers.pop("content-encoding", "identity") != "identity":
        headers.pop("content-length", None)


def upload_pieces(upload: Upload) -> Iterator[bytes]:
    """The pieces of an upload, which must be as long together as it says; raises :class:`UploadFailed`."""
    left = upload.length
    try:
        for piece in upload.open():
            left -= len(piece)
            if left < 0:
                break
            yield piece
    except Exception as error:
        failure = f"its source failed: {type(error).__name__}: {error}"
    else:
        if left == 0:
            return
        failure = f"its source is {'shorter' if left > 0 else 'longer'} than the {upload.length} bytes it said it has"
    raise UploadFailed(failure)
