"""How far a request has got, as aiohttp's trace callbacks tell it, and what has to be seen to on the way.

Everything here hangs on one ``TraceConfig``, which passes over requests that are not ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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

    ``until`` is a time on the event loop's clock, ``connect`` how many seconds reaching the server may take. They run
    from the moment it is this request's ``turn``: of a thousand that begin together, most wait to open a connection.
    """

    connect: float | None
    until: float | None
    timeout: asyncio.Timeout = attrs.field(repr=False)
    turn: asyncio.Semaphore | None = attrs.field(default=None, repr=False)
    headers: CIMultiDict[str] = attrs.field(factory=CIMultiDict, repr=False)
    """All headers that may leave, the token among them."""
    in_pieces: bool = False
    """Whether its body tells itself when it was sent."""
    failure: Exception | None = None
    """What went wrong with its body."""
    _has_turn: bool = False

    def is_handed_over(self) -> None:
        """A session has it now. Where it tells us nothing, it may be anywhere."""
        self.phase, self.sent, self.watches = "wait", True, False

    def start(self) -> None:
        """The session does tell us."""
        self.phase = "proxy" if self.proxied else "connect"
        self.sent, self.watches = False, True

    async def open_connection(self) -> None:
        """None in the pool is free."""
        self._refuse_again()
        if self.turn is not None:
            await self.turn.acquire()
            self._has_turn = True
        if self.connect is not None:
            limit = asyncio.get_running_loop().time() + self.connect
            self.timeout.reschedule(limit if self.until is None else min(limit, self.until))

    def resolve(self) -> None:
        """The name look-up begins."""
        self.phase = "resolve"

    def resolved(self) -> None:
        """The addresses are there."""
        self.phase = "connect"

    def opened(self) -> None:
        """The connection is there."""
        self.end_turn()
        self.timeout.reschedule(self.until)
        self.phase = "send"

    def reuse(self) -> None:
        """One of the pool is taken."""
        self._refuse_again()
        self.fresh = False
        self.phase = "send"

    def send(self, session: aiohttp.ClientSession, headers: CIMultiDict[str]) -> None:
        """The first byte is about to leave; ``headers`` can still be changed."""
        self._refuse_again()
        self.sent = True
        self.phase = "send" if self.in_pieces else "wait"
        for name in {"Authorization", "Cookie", *session.headers}:
            if name in self.headers:
                headers[name] = self.headers[name]
            else:
                headers.pop(name, None)

    def end_turn(self) -> None:
        """Let another open its connection."""
        if self._has_turn and self.turn is not None:
            self._has_turn = False
            self.turn.release()

    def _refuse_again(self) -> None:
        if self.sent:
            raise SentAgain


_STEPS: dict[str, Callable[[Exchange, aiohttp.ClientSession, Any], Awaitable[None] | None]] = {
    "on_request_start": lambda exchange, *_: exchange.start(),
    "on_connection_create_start": lambda exchange, *_: exchange.open_connection(),
    "on_dns_resolvehost_start": lambda exchange, *_: exchange.resolve(),
    "on_dns_resolvehost_end": lambda exchange, *_: exchange.resolved(),
    "on_connection_create_end": lambda exchange, *_: exchange.opened(),
    "on_connection_reuseconn": lambda exchange, *_: exchange.reuse(),
    "on_request_headers_sent": lambda exchange, session, parameters: exchange.send(session, parameters.headers),
}


def _tracing() -> aiohttp.TraceConfig:
    config = aiohttp.TraceConfig()
    for name, step in _STEPS.items():
        getattr(config, name).append(_listener(step))
    config.freeze()
    return config


def _listener(step: Callable[..., Awaitable[None] | None]) -> Callable[..., Awaitable[None]]:
    async def listen(session: aiohttp.ClientSession, context: Any, parameters: Any) -> None:
        exchange = context.trace_request_ctx
        if isinstance(exchange, Exchange):
            waiting = step(exchange, session, parameters)
            if waiting is not None:
                await waiting

    return listen


TRACING = _tracing()
"""Our trace configuration; one object, so that a session has it once."""
