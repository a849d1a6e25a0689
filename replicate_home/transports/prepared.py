"""What a request of ours is on the wire, and which answers come in pieces: the same over any connections.

The token is opened here only, into a value that no repr shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from requests.utils import requote_uri

from ..exceptions import ConnectFailed
from ..version import USER_AGENT
from ..wire import Request, Response
from .errors import made
from .http1 import Concealed

ORIGINS = 64
"""To how many origins a transport remembers the way."""

_URL = re.compile(r"(https?)://([^/?#@\s\\]+)((?:[/?][^#\s]*)?)(?:#.*)?", re.IGNORECASE).fullmatch


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
    def host(self) -> str:
        """What the Host header says."""
        return self.authority.removesuffix(":443" if self.scheme == "https" else ":80")


def place_of(request: Request) -> Place:
    """Where ``request`` goes; raises ConnectFailed where its URL is no plain one."""
    found = _URL(request.url)
    if found is None or not found[2].isascii():
        raise made(ConnectFailed, request, "resolve", "that is not a plain http or https URL", "", processed=False)
    scheme, authority, target = found.groups()
    if not target.startswith("/"):
        target = "/" + target
    return Place(scheme.lower(), authority, target if target.isascii() else requote_uri(target))


def headers_of(request: Request, host: str) -> dict[str, str]:
    """All headers, with those of the request itself before our own defaults."""
    headers = {
        "Host": host,
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity" if request.streams else "gzip",
        **request.headers,
    }
    body = request.body
    if body is not None:
        headers["Content-Length"] = str(len(body) if isinstance(body, bytes) else body.length)
    elif request.method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = "0"
    if request.token is not None:
        headers["Authorization"] = Concealed("Bearer " + request.token.reveal())
    return headers


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
