"""Failures: connections that cannot be reused, server faults, deadlines."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Sequence

from ...exceptions import ConnectFailed, Disconnected, ProtocolError, ReplicateHomeError, RequestTimeout, TLSFailed
from ...wire import Request, Upload
from ..scripted_server import (
    Cut,
    Drip,
    Flood,
    Freeze,
    Receive,
    Received,
    Reset,
    ScriptedServer,
    Send,
    Serve,
    Stall,
    Step,
    Take,
    answer,
    chunk,
    chunked,
)
from .answers import CHUNKED, EVENTS, GZIP, JSON, UNPACKING, Pieces, stream_head
from .case import ENOUGH, SOON, Bench, Cases

CASES = Cases()

IDLE = "a look at a connection before it is used again"
EARLY = "hearing an answer before all of the request is sent"
ENDLESS = "drips and floods within the deadline"
GRACE = 2.0
"""How many seconds after its deadline a call must have ended, even on a busy machine."""

# Connections: which ones are reused.


@CASES.add("connections")
def _kept(bench: Bench) -> None:
    """A connection is used again, after bodies in pieces too."""
    with ScriptedServer([Serve(lambda _: chunked(JSON))], repeat=True) as server:
        bench.ask(server.url)
        bench.read_all(bench.body(server.url)[1])
        bench.ask(server.url, method="POST", body=b"{}")
        assert server.connections == 1, f"{server.connections} connections"


@CASES.add("connections", IDLE)
def _stale(bench: Bench) -> None:
    """A create is not sent over a connection that the server has closed meanwhile."""
    with ScriptedServer([Receive(), Send(answer()), Cut()], [Receive(), Send(answer(201))]) as server:
        bench.ask(server.url)
        threading.Event().wait(0.05)  # for the FIN to arrive
        response, _ = bench.ask(server.url, method="POST", body=b"{}")
        assert (response.status, server.creates, server.connections) == (201, 1, 2)


def _add_unpooled(name: str, raw: bytes, optional: str = "") -> None:
    def run(bench: Bench) -> None:
        with ScriptedServer([Receive(), Send(raw), Stall()], [Receive(), Send(answer(201))]) as server:
            bench.ask(server.url)
            response, _ = bench.ask(server.url, method="POST", body=b"{}", seconds=GRACE)
            assert (response.status, server.creates, server.connections) == (201, 1, 2)

    CASES.add("connections", optional, name=name)(run)


_add_unpooled("A connection that the server wants closed is not used again", answer(headers={"Connection": "close"}))
_add_unpooled(
    "A connection on which more came than the answer is not used again", answer(200, JSON) + b"HTTP/1.1 200", IDLE
)


@CASES.add("connections")
def _threads(bench: Bench) -> None:
    """Many threads may use one transport, and each gets its own answers."""

    def echo(received: Received) -> bytes:
        return answer(200, received.body)

    wrong: list[object] = []

    def work(number: int) -> None:
        for turn in range(5):
            mine = b"%d-%d" % (number, turn)
            response, _ = bench.ask(server.url, method="POST", body=mine)
            if response.body != mine:
                wrong.append((mine, response))

    with ScriptedServer([Serve(echo)], repeat=True) as server:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (wrong, server.creates) == ([], 80)


@CASES.add("connections")
def _used_after_close(bench: Bench) -> None:
    """A transport may be used again after it was closed."""
    with ScriptedServer([Serve(lambda _: answer(200, JSON))], repeat=True) as server:
        for _ in range(2):
            assert bench.ask(server.url)[0].body == JSON
            bench.transport.close()
            bench.transport.close()


# Faults of a server or of the network. Each is tried with a create, which must be sent only once.


def _add_fault(
    name: str,
    script: Sequence[Step],
    kinds: Sequence[type[ReplicateHomeError]],
    phases: Sequence[str],
    optional: str = "",
) -> None:
    def run(bench: Bench) -> None:
        with ScriptedServer(script, repeat=True) as server:
            bench.fails(lambda: bench.ask(server.url, method="POST", body=b"{}"), *kinds, phases=phases, processed=True)
            assert server.connections == 1, "the create was sent again"

    CASES.add("faults", optional, name=name)(run)


_HALF = answer(200, JSON)[:-10]
_CUT_CHUNK = stream_head(CHUNKED) + b"20\r\n{"
_BROKEN = (ProtocolError, Disconnected)
_ENDLESS = b"X-Header: " + b"a" * 1000 + b"\r\n"

_FAULTS: tuple[tuple[str, Sequence[Step], Sequence[type[ReplicateHomeError]], Sequence[str]], ...] = (
    ("A connection closed before the answer", [Receive(), Cut()], [Disconnected], ["wait"]),
    ("A connection reset before the answer", [Receive(), Reset()], [Disconnected], ["wait"]),
    ("A status line that is cut", [Receive(), Send(b"HTTP/1.1 2"), Cut()], [Disconnected], ["headers"]),
    ("Headers that are cut", [Receive(), Send(b"HTTP/1.1 200 OK\r\nA: b"), Cut()], [Disconnected], ["headers"]),
    ("A connection reset within the headers", [Receive(), Send(b"HTTP/1.1 200"), Drip(b" O"), Reset()], [Disconnected],
     ["headers"]),
    ("A body shorter than its Content-Length", [Receive(), Send(_HALF), Cut()], [Disconnected], ["body"]),
    ("A body cut within a chunk", [Receive(), Send(_CUT_CHUNK), Cut()], [Disconnected], ["body"]),
    ("A body cut between chunks", [Receive(), Send(stream_head(CHUNKED) + chunk(b"{")), Cut()], [Disconnected],
     ["body"]),
    ("A body without its last empty line", [Receive(), Send(chunked(JSON)[:-2]), Cut()], [Disconnected], ["body"]),
    ("A connection reset within the body", [Receive(), Send(_HALF), Drip(b"  "), Reset()], [Disconnected], ["body"]),
    ("A gzipped body whose gzip is cut", [Receive(), Send(answer(200, gzip.compress(JSON)[:-9], GZIP))], _BROKEN,
     ["body"]),
    ("A gzipped body that is not gzip", [Receive(), Send(answer(200, b"plain text", GZIP))], [ProtocolError], []),
    ("A body under several encodings", [Receive(), Send(answer(200, b"x", {"Content-Encoding": "gzip, gzip"}))],
     [ProtocolError], []),
    ("An answer that is not HTTP", [Receive(), Send(b"220 mail ready\r\n\r\n"), Cut()], [ProtocolError], []),
    ("A malformed status", [Receive(), Send(b"HTTP/1.1 what OK\r\n\r\n"), Cut()], [ProtocolError], []),
    ("Two different lengths", [Receive(), Send(answer(200, JSON, {"Content-Length": "3"}))], [ProtocolError], []),
    ("A length that is not a number", [Receive(), Send(answer(200, b"", {"Content-Length": "-5"}, framed=False))],
     [ProtocolError], []),
    ("A malformed chunk size", [Receive(), Send(stream_head(CHUNKED) + b"zz\r\n{}\r\n0\r\n\r\n"), Cut()],
     _BROKEN, ["body"]),
)  # fmt: skip
for _name, _script, _kinds, _phases in _FAULTS:
    _add_fault(_name, _script, _kinds, _phases, UNPACKING if "several encodings" in _name else "")
_add_fault(
    "Headers without end", [Receive(), Send(b"HTTP/1.1 200 OK\r\n"), Flood(_ENDLESS)], [ProtocolError], [], ENDLESS
)
_add_fault(
    "Interim answers without end", [Receive(), Flood(b"HTTP/1.1 100 Continue\r\n\r\n", 1.0)], [ProtocolError], [],
    ENDLESS,
)  # fmt: skip


@CASES.add("faults", UNPACKING)
def _bomb(bench: Bench) -> None:
    """A gzipped body that unpacks without limit is a ProtocolError."""
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(70)) + packer.flush()
    with ScriptedServer([Receive(), Send(answer(200, bomb, GZIP))]) as server:
        bench.fails(lambda: bench.ask(server.url), ProtocolError)


@CASES.add("faults")
def _refused(bench: Bench) -> None:
    """A closed port is ConnectFailed, and nothing was processed."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    bench.fails(lambda: bench.ask(url, method="POST"), ConnectFailed, phases=["connect"], processed=False)


@CASES.add("faults")
def _not_tls(bench: Bench) -> None:
    """A server that does not speak TLS is TLSFailed, and nothing was processed."""
    with ScriptedServer([Take(5), Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Cut()]) as server:
        url = server.url.replace("http", "https")
        bench.fails(lambda: bench.ask(url, method="POST"), TLSFailed, phases=["tls"], processed=False)


@CASES.add("faults")
def _tls_cut(bench: Bench) -> None:
    """A TLS handshake that is cut is ConnectFailed, and nothing was processed."""
    with ScriptedServer([Take(5), Reset()]) as server:
        url = server.url.replace("http", "https")
        bench.fails(lambda: bench.ask(url, method="POST"), ConnectFailed, phases=["tls"], processed=False)


@CASES.add("faults")
def _stream_cut(bench: Bench) -> None:
    """A stream that is cut gives what had arrived, and then Disconnected instead of an end."""
    with ScriptedServer([Receive(), Send(stream_head(CHUNKED) + chunk(b"a") + b"5\r\nbc"), Cut()]) as server:
        _, body = bench.body(server.url, headers={"Accept": EVENTS})
        came = b""
        while len(came) < 3:
            came += body.read(bench.until(ENOUGH)) or b"(the end)"
        assert came == b"abc", repr(came)
        bench.fails(lambda: body.read(bench.until(ENOUGH)), Disconnected, phases=["body"], processed=True)
        body.close()


@CASES.add("faults", EARLY)
def _unread_body(bench: Bench) -> None:
    """A server that answers before it has read the body and hangs up is heard."""
    with ScriptedServer([Take(10), Send(answer(413, b"{}", {"Connection": "close"})), Cut()]) as server:
        response, _ = bench.ask(server.url, method="POST", body=bytes(2_000_000))
        assert response.status == 413


# Deadlines: a server that takes its time.


def _add_late(
    name: str, script: Sequence[Step], phases: Sequence[str], optional: str = "", *, body: bytes | Upload = b"{}"
) -> None:
    def run(bench: Bench) -> None:
        with ScriptedServer(script, repeat=True) as server:
            begun = time.monotonic()
            bench.fails(
                lambda: bench.ask(server.url, method="POST", body=body, seconds=SOON),
                RequestTimeout, phases=phases, processed=True,
            )  # fmt: skip
            late = time.monotonic() - begun - SOON
            assert late < GRACE, f"it ended {late:.1f} s after its deadline"
            assert server.connections == 1, "the create was sent again"

    CASES.add("deadlines", optional, name=name)(run)


_add_late("Silence", [Receive(), Stall()], ["wait"])
_add_late("Headers that stop", [Receive(), Send(b"HTTP/1.1 200 OK\r\n"), Stall()], ["headers"])
_add_late("Headers that drip", [Receive(), Drip(answer(200, JSON)), Stall()], ["headers"], ENDLESS)
_add_late("A body that stops", [Receive(), Send(_HALF), Stall()], ["body"])
_add_late("A body that drips", [Receive(), Send(answer(200, b"", {"Content-Length": "150"}, framed=False)),
                                Drip(b"a" * 150)], ["body"], ENDLESS)  # fmt: skip
_add_late("Chunks that drip", [Receive(), Send(stream_head(CHUNKED)), Drip(chunk(b"a") * 30)], ["body"], ENDLESS)
_add_late(
    "A server that stops reading", [Take(10), Freeze()], ["send"], body=Pieces(40_000_000, [bytes(1000)] * 40_000)
)


@CASES.add("deadlines")
def _tls_silence(bench: Bench) -> None:
    """A TLS handshake that stops is RequestTimeout, and nothing was processed."""
    with ScriptedServer([Stall()]) as server:
        url = server.url.replace("http", "https")
        bench.fails(
            lambda: bench.ask(url, method="POST", seconds=SOON), RequestTimeout, phases=["tls"], processed=False
        )


@CASES.add("deadlines")
def _past(bench: Bench) -> None:
    """A deadline that has passed sends nothing."""
    with ScriptedServer([Serve(lambda _: answer())], repeat=True) as server:
        bench.fails(
            lambda: bench.ask(server.url, method="POST", seconds=-1),
            RequestTimeout, phases=["resolve", "connect"], processed=False,
        )  # fmt: skip
        assert server.requests == []


@CASES.add("deadlines")
def _stream_silence(bench: Bench) -> None:
    """A stream in which nothing comes in time is RequestTimeout."""
    with ScriptedServer([Receive(), Send(stream_head(CHUNKED) + chunk(b"a")), Stall()]) as server:
        _, body = bench.body(server.url, headers={"Accept": EVENTS})
        assert body.read(bench.until(ENOUGH)) == b"a"
        bench.fails(lambda: body.read(bench.until(SOON)), RequestTimeout, phases=["body"], processed=True)
        body.close()


@CASES.add("deadlines")
def _no_deadline(bench: Bench) -> None:
    """None is no deadline."""
    with ScriptedServer([Receive(), Drip(answer(200, JSON)[:9]), Send(answer(200, JSON)[9:])]) as server:
        response, _ = bench.transport.send(Request("GET", server.url + "/"), None)
        assert response.body == JSON
