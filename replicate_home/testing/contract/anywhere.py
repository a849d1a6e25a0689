"""Cases without sockets, for an address that the transport can reach."""

from __future__ import annotations

from collections.abc import Callable

from ...wire import Request, Response, Secret
from ..scripted_server import ScriptedServer, Serve, answer
from .answers import JSON
from .case import ENOUGH, TOKEN, Bench, Cases

CASES = Cases()


def _address(bench: Bench) -> tuple[ScriptedServer | None, str]:
    if bench.url is not None:
        return None, bench.url
    server = ScriptedServer([Serve(lambda _: answer(200, JSON, {"X-A": "b"}))], repeat=True)
    return server.__enter__(), server.url + "/"


def _anywhere(check: Callable[[Bench, str], None]) -> Callable[[Bench], None]:
    def run(bench: Bench) -> None:
        server, url = _address(bench)
        try:
            check(bench, url)
        finally:
            if server is not None:
                server.__exit__(None, None, None)

    CASES.add("any", name=(check.__doc__ or "").rstrip("."))(run)
    return run


@_anywhere
def _value(bench: Bench, url: str) -> None:
    """An answer is a Response with lower-case header names and a body of bytes, and no Body."""
    response, body = bench.transport.send(Request("GET", url, token=Secret(TOKEN)), bench.until(ENOUGH))
    assert isinstance(response, Response)
    assert isinstance(response.status, int)
    assert isinstance(response.body, bytes)
    assert body is None
    assert all(name == name.lower() for name in response.headers), repr(response.headers)


@_anywhere
def _repeatable(bench: Bench, url: str) -> None:
    """The same request may be sent again, also after the transport was closed."""
    request = Request("GET", url, token=Secret(TOKEN))
    first, _ = bench.transport.send(request, bench.until(ENOUGH))
    bench.transport.close()
    again, _ = bench.transport.send(request, None)
    assert first.status == again.status


@_anywhere
def _clock(bench: Bench, url: str) -> None:
    """Its clock does not go back, and sending moves it no further than the deadline allows."""
    before = bench.transport.clock.now()
    bench.transport.send(Request("GET", url, token=Secret(TOKEN)), before + ENOUGH)
    assert before <= bench.transport.clock.now() <= before + ENOUGH


@_anywhere
def _repr(bench: Bench, url: str) -> None:
    """Its repr does not show a token that it has sent."""
    bench.transport.send(Request("GET", url, token=Secret(TOKEN)), None)
    assert TOKEN not in repr(bench.transport)
