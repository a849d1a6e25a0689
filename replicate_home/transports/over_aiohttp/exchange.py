"""How far a request has come, as reported by aiohttp's trace callbacks, and the limits that apply on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any

import aiohttp
import attrs
from multidict import CIMultiDict

from ..errors import Progress

OPENING = 64
"""How many connections to one origin are opened at once."""


class SentAgain(Exception):
    """aiohttp was about to send a request a second time, as it does when a reused connection breaks."""


@attrs.define(kw_only=True, eq=False)
class Exchange(Progress):
    """One request and its response.

    ``until`` is a time on the event loop's clock, enforced by ``timeout``. ``connect`` is how many seconds connecting
    may take, counted from this request's ``turn``: when a thousand requests begin together, most wait to open a
    connection. ``headers`` are all that may be sent, including the token. ``in_pieces`` is whether the body itself
    reports that all of it was sent, and ``failure`` is what went wrong with it.
    """

    watches: bool = False
    connect: float | None
    until: float | None
    timeout: asyncio.Timeout = attrs.field(repr=False)
    turn: asyncio.Semaphore | None = attrs.field(default=None, repr=False)
    headers: CIMultiDict[str] = attrs.field(factory=CIMultiDict, repr=False)
    in_pieces: bool = False
    failure: Exception | None = None
    _has_turn: bool = False

    def handed_over(self) -> CIMultiDict[str]:
        """The headers for a session. Until the session reports more, they may have been sent."""
        self.phase, self.sent = "wait", True
        return self.headers.copy()

    def refuse_again(self) -> None:
        """Raise :class:`SentAgain` if the request was already sent."""
        if self.sent:
            raise SentAgain

    async def take_turn(self) -> None:
        """Wait until a connection may be opened; the limit for connecting begins then."""
        if self.turn is not None:
            await self.turn.acquire()
            self._has_turn = True
        if self.connect is not None:
            limit = asyncio.get_running_loop().time() + self.connect
            self.timeout.reschedule(limit if self.until is None else min(limit, self.until))

    def end_turn(self) -> None:
        """Let another request open its connection."""
        if self._has_turn and self.turn is not None:
            self._has_turn = False
            self.turn.release()

    def remove_added(self, sent: CIMultiDict[str], of_session: Iterable[str]) -> None:
        """Remove what a caller's session added to the headers: its own headers, auth and cookies."""
        for name in {"Authorization", "Cookie", *of_session}:
            if name in self.headers:
                sent[name] = self.headers[name]
            else:
                sent.pop(name, None)


_EVENTS = (
    "request_start", "connection_create_start", "dns_resolvehost_start", "dns_resolvehost_end",
    "connection_create_end", "connection_reuseconn", "request_headers_sent",
)  # fmt: skip


async def _listen(event: str, session: aiohttp.ClientSession, context: Any, parameters: Any) -> None:
    exchange = context.trace_request_ctx
    if not isinstance(exchange, Exchange):  # the session is used by others too
        return
    match event:
        case "request_start":
            exchange.watches, exchange.sent = True, False
            exchange.phase = "proxy" if exchange.proxy else "connect"
        case "connection_create_start":
            exchange.refuse_again()
            await exchange.take_turn()
        case "dns_resolvehost_start":
            exchange.phase = "resolve"
        case "dns_resolvehost_end":
            exchange.phase = "connect"
        case "connection_create_end":
            exchange.end_turn()
            exchange.timeout.reschedule(exchange.until)
            exchange.phase = "send"
        case "connection_reuseconn":
            exchange.refuse_again()
            exchange.fresh, exchange.phase = False, "send"
        case "request_headers_sent":  # the first byte is about to leave
            exchange.refuse_again()
            exchange.sent = True
            exchange.phase = "send" if exchange.in_pieces else "wait"
            exchange.remove_added(parameters.headers, session.headers)


def _tracing() -> aiohttp.TraceConfig:
    config = aiohttp.TraceConfig()
    for event in _EVENTS:
        getattr(config, f"on_{event}").append(partial(_listen, event))
    config.freeze()
    return config


TRACING = _tracing()
"""The trace configuration of every session that sends our requests; one object, so that no session has it twice."""
