"""A fault played in this process: the bytes of a response as a client over sockets would get them."""

from __future__ import annotations

import math

from ..clock import Clock, FakeClock, wait_until
from ..exceptions import Disconnected, ProtocolError, RequestTimeout
from ..wire import Request, Response
from .faults import Ending, Playback, Wait

_DOING = {"wait": "waiting for the response", "headers": "receiving its headers", "body": "receiving its body"}


class PlayedAnswer:
    """A response that is read from its bytes; also its body. Errors have the phase they occurred in.

    A read that would block an event loop may be repeated: nothing that has arrived is lost.
    """

    def __init__(self, playback: Playback, request: Request, clock: Clock) -> None:
        self._playback, self._request, self._clock = playback, request, clock
        self._phase = "wait"
        self._arrived = bytearray()
        self._wakes: float | None = None
        self._response: Response | None = None
        self._left: int | None = None  # bytes of the body, or of the chunk; None before a chunk's size
        self._chunked = False
        self._closed = self._complete = False

    def head(self, deadline: float | None) -> Response:
        """The status and headers."""
        while self._response is None:
            head, end, rest = bytes(self._arrived).partition(b"\r\n\r\n")
            if end:
                self._response = self._parsed(head + end)
                self._arrived = bytearray(rest)
                self._phase = "body"
            elif not self._receive(deadline):
                raise self._broken("the connection was closed")
        return self._response

    def read(self, deadline: float | None) -> bytes:
        """What has arrived of the body; ``b""`` at its end."""
        if self._closed:
            raise self._broken("the body was closed")
        while not (data := self._unframed()) and not self._complete:
            if not self._receive(deadline):
                raise self._broken("the connection was closed")
        return data

    def close(self) -> None:
        """Discard the rest."""
        self._closed = True
        self._playback.rendering.close()

    def _parsed(self, head: bytes) -> Response:
        first, *lines = head.decode("latin-1").split("\r\n")
        try:
            status = int(first.split(" ", 2)[1])
        except (ValueError, IndexError):
            raise ProtocolError(f"{self._shown()}: the response is malformed") from None
        fields = [line.partition(":") for line in lines if line]
        response = Response(status, {name: value.strip() for name, _, value in fields})
        self._chunked = response.headers.get("transfer-encoding") == "chunked"
        self._left = None if self._chunked else int(response.headers.get("content-length", 0))
        if self._request.method == "HEAD" or self._left == 0:
            self._complete = True
        return response

    def _receive(self, deadline: float | None) -> bool:
        """Take in the next bytes; False at the end of the connection."""
        self._sleep(deadline)
        step = self._playback.next(deadline)
        if isinstance(step, Wait):
            self._wakes = self._clock.now() + step.seconds
        elif isinstance(step, Ending):
            if step.is_reset:
                raise self._broken("the connection was reset")
            return False
        else:
            self._arrived += step
            self._phase = "headers" if self._phase == "wait" else self._phase
        return True

    def _sleep(self, deadline: float | None) -> None:
        """Let the time of a wait pass, up to ``deadline``."""
        if self._wakes is None:
            return
        until = min(self._wakes, math.inf if deadline is None else deadline)
        if isinstance(self._clock, FakeClock):
            wait_until(self._clock, until)
        else:
            self._clock.sleep(until - self._clock.now())
        if self._clock.now() < self._wakes:
            message = f"{self._shown()}: timed out while {_DOING[self._phase]}"
            raise RequestTimeout(message, request=self._request, phase=self._phase, may_have_been_processed=True)
        self._wakes = None

    def _unframed(self) -> bytes:
        """The part of the body among what has arrived."""
        data = b""
        while self._arrived and not self._complete:
            if self._left is None and not self._begin_chunk():
                break
            piece = bytes(self._arrived[: self._left])
            del self._arrived[: len(piece)]
            data += piece
            self._left = (self._left or 0) - len(piece)
            if self._left == 0:
                self._complete = not self._chunked
                self._left = None if self._chunked else 0
        return data

    def _begin_chunk(self) -> bool:
        """Read a chunk's size; False until all of it has arrived."""
        line, end, rest = bytes(self._arrived.removeprefix(b"\r\n")).partition(b"\r\n")
        if not end:
            return False
        self._left = int(line, 16)
        self._complete = self._left == 0
        self._arrived = bytearray(rest)
        return not self._complete

    def _broken(self, why: str) -> Disconnected:
        message = f"{self._shown()}: {why} while {_DOING[self._phase]}"
        return Disconnected(message, request=self._request, phase=self._phase, may_have_been_processed=True)

    def _shown(self) -> str:
        return f"{self._request.method} {self._request.url.partition('?')[0]}"
