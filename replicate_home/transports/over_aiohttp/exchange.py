"""How far a request has got, as aiohttp's trace callbacks tell it, and what has to be seen to on the way."""

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
    """aiohttp was about to send a request a second time, as it does where a kept connection breaks."""


@attrs.define(kw_only=True, eq=False)
class Exchange(Progress):
    """One request and its answer.

    ``until`` is a time on the event loop's clock, which ``timeout`` sees to; ``connect`` how many seconds reaching the
    server may take. They run from the moment it is this request's ``turn`` to open a connection: of a thousand that
    begin together, most wait for it. ``headers`` are all that may leave, the token among them; ``in_pieces`` is whether
    the body says itself when all of it was sent, and ``failure`` what went wrong with it.
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

    def hand_over(self) -> CIMultiDict[str]:
        """A session gets the headers, and sends them when it likes: unless it tells us more, they may be anywhere."""
        self.phase, self.sent = "wait", True
        return self.headers.copy()

    def refuse_again(self) -> None:
        """Raise :class:`SentAgain` where this request was sent already."""
        if self.sent:
            raise SentAgain

    async def take_turn(self) -> None:
        """Wait for leave to open a connection, from when on the time for that runs."""
        if self.turn is not None:
            await self.turn.acquire()
            self._has_turn = True
        if self.connect is not None:
            limit = asyncio.get_running_loop().time() + self.connect
            self.timeout.reschedule(limit if self.until is None else min(limit, self.until))

    def end_turn(self) -> None:
        """Let another open its connection."""
        if self._has_turn and self.turn is not None:
            self._has_turn = False
            self.turn.release()

    def correct(self, leaving: CIMultiDict[str], of_session: Iterable[str]) -> None:
        """Take from the headers that leave what a caller's session has added: its own, its auth, its cookies."""
        for name in {"Authorization", "Cookie", *of_session}:
            if name in self.headers:
                leaving[name] = self.headers[name]
            else:
                leaving.pop(name, None)


_EVENTS = (
    "request_start", "connection_create_start", "dns_resolvehost_start", "dns_resolvehost_end",
    "connection_create_end", "connection_reuseconn", "request_headers_sent",
)  # fmt: skip


async def _listen(event: str, session: aiohttp.ClientSession, context: Any, parameters: Any) -> None:
    exchange = context.trace_request_ctx
    if not isinstance(exchange, Exchange):  # it is no request of ours
        return
    match event:
        case "request_start":
            exchange.watches, exchange.sent = True, False
            exchange.phase = "proxy" if exchange.proxied else "connect"
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
            exchange.correct(parameters.headers, session.headers)


def _tracing() -> aiohttp.TraceConfig:
    config = aiohttp.TraceConfig()
    for event in _EVENTS:
        getattr(config, f"on_{event}").append(partial(_listen, event))
    config.freeze()
    return config


TRACING = _tracing()
"""What every session that carries our requests is told to tell us; one object, so that none has it twice."""
