"""Answers kept in a file, to be given again without a network: with their chunks and delays, and without secrets.

A recording is JSON lines, made to be edited by hand: the first says what it is, each other is one request with its
answer. Only named headers are written, no cookies; what looks like a token becomes asterisks.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import json
import math
import re
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from .. import exceptions
from ..clock import Clock, FakeClock, NotYet, wait_until
from ..exceptions import (
    Disconnected,
    ProtocolError,
    ReplicateHomeError,
    RequestTimeout,
    TransportError,
    UnexpectedRequest,
)
from ..version import USER_AGENT
from ..wire import Body, Request, Response
from .base import Transport

_ASKED = frozenset({"accept", "cancel-after", "content-type", "last-event-id", "prefer", "range"})
_ANSWERED = frozenset(
    {
        "content-encoding", "content-range", "content-type", "etag", "location", "preference-applied",
        "ratelimit-remaining", "ratelimit-reset", "retry-after",
    }
)  # fmt: skip
_SECRET = re.compile(rb"r8_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=_-]{8,}")
Key = tuple[str, str, str]
"""Method, path with query, and the body as canonical JSON."""


class RecordingTransport:
    """Sends over ``inner``, and writes what was asked and answered to the file ``path``, which it makes anew.

    Blocking; an ``AsyncClient`` uses it through threads. An answer is written when its body was read to its end or
    closed.
    """

    def __init__(self, inner: Transport, path: str | Path) -> None:
        self.inner, self.path = inner, Path(path)
        self._lock = threading.Lock()
        self._began = False

    @property
    def clock(self) -> Clock:
        """The clock of the transport that does the work."""
        return self.inner.clock

    @property
    def backend(self) -> str | None:
        """What the transport that does the work declares, if anything."""
        return getattr(self.inner, "backend", None)

    @property
    def base_url(self) -> str | None:
        """What the transport that does the work declares, if anything."""
        return getattr(self.inner, "base_url", None)

    def send(self, request: Request, deadline: float | None) -> tuple[Response, Body | None]:
        """Send ``request`` once, and write down what came of it."""
        began = self.clock.now()
        entry = _asked(request)
        try:
            response, body = self.inner.send(request, deadline)
        except (TransportError, ProtocolError) as error:
            self._write(request, {**entry, "after": self._since(began), "error": _described(error)}, [])
            raise
        entry |= {"status": response.status, "answer": _kept(response.headers, _ANSWERED)}
        entry["after"] = self._since(began)
        if body is not None:
            return response, _RecordedBody(body, self.clock, partial(self._write, request, entry))
        self._write(request, entry, [(0.0, response.body)] if response.body else [])
        return response, None

    def close(self) -> None:
        """Give up pooled connections."""
        self.inner.close()

    def _since(self, began: float) -> float:
        return round(self.clock.now() - began, 4)

    def _write(self, request: Request, entry: dict[str, Any], chunks: list[tuple[float, bytes]], **end: Any) -> None:
        token = request.token.reveal().encode() if request.token is not None else b""
        masked = _masked([chunk for _, chunk in chunks], token)
        told = [[seconds, _text(chunk)] for (seconds, _), chunk in zip(chunks, masked, strict=True)]
        line = json.dumps({**entry, "chunks": told, **end}, ensure_ascii=False)
        (line_masked,) = _masked([line.encode()], token)
        with self._lock:
            mode = "ab" if self._began else "wb"
            with self.path.open(mode) as file:
                if not self._began:
                    file.write(self._first_line(request.url))
                file.write(line_masked + b"\n")
            self._began = True

    def _first_line(self, url: str) -> bytes:
        parts = urlsplit(url)
        prefix = "/v1" if parts.path.startswith("/v1/") else ""
        base_url = self.base_url or f"{parts.scheme}://{parts.netloc}{prefix}"
        first = {"recording": 1, "base_url": base_url, "backend": self.backend, "by": USER_AGENT}
        return json.dumps(first).encode() + b"\n"


class _RecordedBody:
    """A body that is written down when it is over."""

    def __init__(self, body: Body, clock: Clock, write: Callable[..., None]) -> None:
        self._body, self._clock, self._write = body, clock, write
        self._chunks: list[tuple[float, bytes]] = []
        self._last = clock.now()
        self._lock = threading.Lock()

    def read(self, deadline: float | None) -> bytes:
        """As the body does."""
        try:
            chunk = self._body.read(deadline)
        except (TransportError, ProtocolError) as error:
            self._finish(error=_described(error), silent=self._passed())
            raise
        self._chunks.append((self._passed(), chunk))
        if not chunk:
            self._finish()
        return chunk

    def close(self) -> None:
        """As the body does; what was not read is not in the recording."""
        self._finish(cut=True)
        self._body.close()

    def _passed(self) -> float:
        before, self._last = self._last, self._clock.now()
        return round(self._last - before, 4)

    def _finish(self, **end: Any) -> None:
        with self._lock:
            write, self._write = self._write, lambda *_, **__: None
        write([(seconds, chunk) for seconds, chunk in self._chunks if chunk], **end)


@attrs.define(eq=False)
class _Recorded:
    """One request of a recording, and what came of it."""

    asked: dict[str, Any]
    error: Mapping[str, Any] | None
    response: Response | None
    after: float
    chunks: list[tuple[float, bytes]]
    is_cut: bool
    silent: float

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> _Recorded:
        """Read a line."""
        asked = {name: entry.get(name) for name in ("method", "url", "body")}
        response = Response(entry["status"], entry.get("answer", {})) if "status" in entry else None
        chunks = [(float(seconds), _bytes(data)) for seconds, data in entry.get("chunks", ())]
        error, cut = entry.get("error"), entry.get("cut", False)
        return cls(asked, error, response, entry.get("after", 0.0), chunks, cut, entry.get("silent", 0.0))

    @property
    def key(self) -> Key:
        """What a request has to have in common with it."""
        return _key(self.asked["method"], self.asked["url"], self.asked["body"])


class ReplayTransport:
    """Gives the answers of a recording again, in virtual time, or on a ``clock`` that is given.

    A request is known by its method, its path and query, and its body; the same request gets the recorded answers in
    order, and a GET the last of them again and again. Any other raises :class:`~replicate_home.UnexpectedRequest`, with
    the difference to the nearest that was recorded. Raises ``ValueError`` for a file that is not a recording.
    """

    def __init__(self, path: str | Path, *, clock: Clock | None = None) -> None:
        self.path = Path(path)
        self._clock = FakeClock() if clock is None else clock
        first, *lines = self._lines()
        self.base_url: str | None = first.get("base_url")
        self.backend: str | None = first.get("backend")
        self._recorded: dict[Key, list[_Recorded]] = {}
        for line in lines:
            recorded = _Recorded.of(line)
            self._recorded.setdefault(recorded.key, []).append(recorded)
        self._given: dict[Key, int] = {}
        self._lock = threading.Lock()

    @property
    def clock(self) -> Clock:
        """The clock that the recorded delays pass on."""
        return self._clock

    def send(self, request: Request, deadline: float | None) -> tuple[Response, Body | None]:
        """The recorded answer to ``request``, after the recorded time."""
        recorded = self._next(request)
        return self._answer(recorded, request, deadline, self._clock.now() + recorded.after)

    def close(self) -> None:
        """Nothing is pooled."""

    def _answer(
        self, recorded: _Recorded, request: Request, deadline: float | None, moment: float
    ) -> tuple[Response, Body | None]:
        try:
            _sleep(self._clock, moment, deadline, request, "wait")
            if recorded.response is None:
                raise _restored(recorded.error or {}, request)
            body = _ReplayedBody(recorded, request, self._clock)
            if request.streams and recorded.response.status in (200, 206):
                return recorded.response, body
        except NotYet as later:
            later.again = partial(self._answer, recorded, request, deadline, moment)
            raise
        content = b"".join(chunk for _, chunk in recorded.chunks)
        return attrs.evolve(recorded.response, body=content), None

    def _next(self, request: Request) -> _Recorded:
        asked = _asked(request)
        key = _key(asked["method"], asked["url"], asked["body"])
        with self._lock:
            known, number = self._recorded.get(key, []), self._given.get(key, 0)
            self._given[key] = number + 1
        if number < len(known):
            return known[number]
        if known and request.method == "GET":
            return known[-1]
        raise UnexpectedRequest(self._complaint(key, bool(known)))

    def _complaint(self, key: Key, is_known: bool) -> str:
        asked = f"{self.path} has no answer to {key[0]} {key[1]}"
        if is_known:
            return f"{asked}: it was asked more often than it was recorded"
        shown = {"\n".join(other): other for other in self._recorded}
        nearest = difflib.get_close_matches("\n".join(key), shown, 1, 0.0)
        if not nearest:
            return f"{asked}: nothing is recorded in it"
        before, after = (_shown(one).splitlines() for one in (shown[nearest[0]], key))
        difference = "\n".join(difflib.unified_diff(before, after, "recorded", "asked", lineterm=""))
        return f"{asked}; the nearest that was recorded differs so:\n{difference}"

    def _lines(self) -> list[dict[str, Any]]:
        try:
            lines = [json.loads(line) for line in self.path.read_text("utf-8").splitlines() if line.strip()]
        except ValueError as error:
            raise ValueError(f"{self.path} is not a recording: {error}") from None
        if not lines or not isinstance(lines[0], dict) or lines[0].get("recording") != 1:
            raise ValueError(f"{self.path} is not a recording: its first line does not say so")
        return lines


class _ReplayedBody:
    """The chunks of a recorded body, each after its time."""

    def __init__(self, recorded: _Recorded, request: Request, clock: Clock) -> None:
        self._recorded, self._request, self._clock = recorded, request, clock
        self._number = 0
        self._since = clock.now()
        self._closed = False

    def read(self, deadline: float | None) -> bytes:
        """The next chunk; ``b""`` at the end."""
        if self._closed:
            raise _lost(self._request, "the body was closed")
        recorded = self._recorded
        if self._number < len(recorded.chunks):
            seconds, chunk = recorded.chunks[self._number]
            _sleep(self._clock, self._since + seconds, deadline, self._request, "body")
            self._number, self._since = self._number + 1, self._clock.now()
            return chunk
        if recorded.error is not None:
            _sleep(self._clock, self._since + recorded.silent, deadline, self._request, "body")
            raise _restored(recorded.error, self._request)
        if recorded.is_cut:
            raise _lost(self._request, "the recording ends here, where its reader had left")
        return b""

    def close(self) -> None:
        """Give up the rest."""
        self._closed = True


def recorded(
    path: str | Path, mode: str = "once", *, inner: Transport | None = None, clock: Clock | None = None
) -> RecordingTransport | ReplayTransport:
    """A transport for ``Client(transport=...)`` that records to ``path``, or gives again what is there.

    ``once`` records where there is no such file; ``all`` records anew; ``none`` never touches the network. ``inner`` is
    what is recorded, by default the network; ``clock`` is what a replay goes by, by default a virtual one.
    """
    if mode not in ("once", "all", "none"):
        raise ValueError(f"mode is once, all or none, not {mode!r}")
    if mode == "none" or (mode == "once" and Path(path).exists()):
        return ReplayTransport(path, clock=clock)
    if inner is None:
        from .over_requests.transport import RequestsTransport  # requests: only when it is needed

        inner = RequestsTransport()
    return RecordingTransport(inner, path)


def _sleep(clock: Clock, moment: float, deadline: float | None, request: Request, phase: str) -> None:
    """Let time pass until ``moment``, but not beyond ``deadline``."""
    until = min(moment, math.inf if deadline is None else deadline)
    if isinstance(clock, FakeClock):
        wait_until(clock, until)
    else:
        clock.sleep(until - clock.now())
    if until < moment:
        message = f"{request.method} {request.url.partition('?')[0]}: the recorded answer comes later than allowed"
        raise RequestTimeout(message, request=request, phase=phase, may_have_been_processed=True)


def _lost(request: Request, why: str) -> Disconnected:
    message = f"{request.method} {request.url.partition('?')[0]}: {why}"
    return Disconnected(message, request=request, phase="body", may_have_been_processed=True)


def _asked(request: Request) -> dict[str, Any]:
    """What is written of a request; the token is no header of it."""
    headers = _kept(request.headers, _ASKED)
    return {"method": request.method, "url": request.url, "headers": headers, "body": _body_of(request)}


def _body_of(request: Request) -> Any:
    """JSON as it is, other bytes as base64; of an upload its length, for what separates its parts is random."""
    body = request.body
    if body is None:
        return None
    if not isinstance(body, bytes):
        return {"upload": body.length}
    try:
        return json.loads(_masked([body], b"")[0])
    except ValueError:
        return _text(body)


def _key(method: str, url: str, body: Any) -> Key:
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return method, path, json.dumps(body, sort_keys=True, ensure_ascii=False)


def _shown(key: Key) -> str:
    return f"{key[0]} {key[1]}\n" + json.dumps(json.loads(key[2]), indent=2, sort_keys=True, ensure_ascii=False)


def _kept(headers: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() in names}


def _masked(chunks: list[bytes], token: bytes) -> list[bytes]:
    """The chunks with asterisks for tokens, also for one that begins in one chunk and ends in another."""
    whole = b"".join(chunks)
    masked = _SECRET.sub(lambda found: b"*" * len(found[0]), whole)
    if len(token) >= 8:
        masked = masked.replace(token, b"*" * len(token))
    pieces, place = [], 0
    for chunk in chunks:
        pieces.append(masked[place : place + len(chunk)])
        place += len(chunk)
    return pieces


def _text(data: bytes) -> Any:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(data).decode()}


def _bytes(told: Any) -> bytes:
    try:
        return told.encode() if isinstance(told, str) else base64.b64decode(told["b64"], validate=True)
    except (TypeError, KeyError, binascii.Error):
        raise ValueError(f"a chunk is a text, or base64 as {{'b64': ...}}, not {str(told)[:40]!r}") from None


def _described(error: ReplicateHomeError) -> dict[str, Any]:
    told: dict[str, Any] = {"class": type(error).__name__, "message": str(error)}
    if isinstance(error, TransportError):
        told |= {"phase": error.phase, "may_have_been_processed": error.may_have_been_processed}
    return told


def _restored(told: Mapping[str, Any], request: Request) -> ReplicateHomeError:
    kind: type[ReplicateHomeError] = getattr(exceptions, told.get("class", "Disconnected"))
    if not issubclass(kind, TransportError):
        return kind(told.get("message", ""))
    more = {name: told[name] for name in ("phase", "may_have_been_processed") if name in told}
    return kind(told.get("message", ""), request=request, **more)
