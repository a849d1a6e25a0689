"""A response as the bytes of HTTP/1.1, chunk by chunk, for the server to write and for faults to change."""

from __future__ import annotations

import re
from collections import deque

from ..wire import Body, Response

_EVENT = re.compile(rb".*?\n\n", re.DOTALL)


class Rendering:
    """The chunks of one response: head and body together, or for an event stream the head and then each event."""

    def __init__(
        self, response: Response, body: Body | None, method: str, *, chunked: bool = True, closes: bool = False
    ) -> None:
        self._body = body
        self._chunked = chunked
        framing = _framing(response, body, chunked)
        if closes or (body is not None and not chunked):
            framing["connection"] = "close"
        head = _head(response, framing)
        self._has_body = method != "HEAD" and response.status != 204
        whole = response.body if body is None and self._has_body else b""
        self._chunks = deque([head + whole])
        self._over = body is None

    def read(self, deadline: float | None) -> bytes:
        """The next chunk, waiting for it until ``deadline``; ``b""`` at the end. Raises what the body raises."""
        while not self._chunks:
            if self._over or self._body is None or not self._has_body:
                return b""
            piece = self._body.read(deadline)
            self._over = not piece
            self._chunks.extend(self._framed(event) for event in _events(piece))
            if self._over and self._chunked:
                self._chunks.append(b"0\r\n\r\n")
        return self._chunks.popleft()

    def close(self) -> None:
        """Discard the rest."""
        if self._body is not None:
            self._body.close()

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data


def _framing(response: Response, body: Body | None, chunked: bool) -> dict[str, str]:
    """The headers that say where the body ends."""
    if body is not None:
        return {"transfer-encoding": "chunked"} if chunked else {}
    return {} if response.status == 204 else {"content-length": str(len(response.body))}


def _head(response: Response, more: dict[str, str]) -> bytes:
    from http import HTTPStatus  # in-process models do without it

    known = response.status in {status.value for status in HTTPStatus}
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase if known else ''}"]
    lines += [f"{name}: {value}" for name, value in {**response.headers, **more}.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _events(piece: bytes) -> list[bytes]:
    """The events in what was read at once; an unfinished one is a piece of its own."""
    found = _EVENT.findall(piece)
    rest = piece[sum(map(len, found)) :]
    return [*found, rest] if rest else found
