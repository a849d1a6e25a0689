"""What every transport must do, as cases that are run against yours.

Each case is a sentence, a script for a loopback server and what must come of it. The groups are: ``answers``,
``requests``, ``bodies``, ``connections``, ``faults`` and ``deadlines``, which need a transport that reaches sockets,
and ``any``, which needs only an address that it can ask.
"""

from __future__ import annotations

import gzip
import pickle
import socket
import threading
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from ..exceptions import (
    ConnectFailed,
    Disconnected,
    ProtocolError,
    ReplicateHomeError,
    RequestTimeout,
    TLSFailed,
    TransportError,
)
from ..transports.base import Transport
from ..wire import Body, Request, Response, Secret, Upload
from .scripted_server import (
    Await,
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

MakeTransport = Callable[[], Transport]

TOKEN = "r8_contract_0123456789_canary"  # noqa: S105  # nobody's
SOON = 0.2
"""The deadline, in seconds, of cases in which it passes."""
ENOUGH = 10.0
"""The deadline, in seconds, of cases in which it does not."""

_JSON = b'{"id": "abc", "status": "succeeded"}'
_EVENTS = "text/event-stream"


@attrs.frozen
class Case:
    """One sentence of the contract and the function that tries it."""

    name: str
    group: str
    run: Callable[[Bench], None] = attrs.field(repr=False)


CASES: list[Case] = []


def check_transport(
    make_transport: MakeTransport, *, groups: Sequence[str] | None = None, url: str | None = None
) -> None:
    """Try every case of the contract, or those of ``groups``, each on a transport of its own.

    ``make_transport`` makes one; it is closed afterwards. Raises AssertionError with the sentence that does not hold.
    A transport that reaches no sockets is tried by giving ``url``, an address it answers a GET for: then only
    the group ``any`` is run, against that address.
    """
    wanted = ("any",) if url is not None else groups
    for case in CASES:
        if wanted is None or case.group in wanted:
            run_case(case, make_transport, url=url)


def run_case(case: Case, make_transport: MakeTransport, *, url: str | None = None) -> None:
    """Try one case; raises AssertionError with its sentence where it does not hold."""
    transport = make_transport()
    try:
        case.run(Bench(transport, url))
    except Exception as error:
        raise AssertionError(f"{case.group}: {case.name}: {type(error).__name__}: {error}") from error
    finally:
        transport.close()


def _case(group: str) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
    """Add a function to the cases; its docstring is the sentence."""

    def add(function: Callable[[Bench], None]) -> Callable[[Bench], None]:
        CASES.append(Case((function.__doc__ or "").rstrip("."), group, function))
        return function

    return add


@attrs.frozen
class Bench:
    """A transport and the ways to try it."""

    transport: Transport
    url: str | None = None

    def ask(self, url: str, *, method: str = "GET", seconds: float = ENOUGH, **parts: Any) -> tuple[Response, Any]:
        """Send a request with the token."""
        request = Request(method, url + "/v1/predictions", token=Secret(TOKEN), **parts)
        return self.transport.send(request, self.transport.clock.now() + seconds)

    def body(self, url: str, **parts: Any) -> tuple[Response, Body]:
        """Send a request whose answer comes piece by piece."""
        response, body = self.ask(url, streams=True, **parts)
        assert body is not None, "a Body was expected"
        return response, body

    def until(self, seconds: float) -> float:
        """A deadline."""
        return self.transport.clock.now() + seconds

    def read_all(self, body: Body) -> bytes:
        """A body to its end."""
        return b"".join(iter(lambda: body.read(self.until(ENOUGH)), b""))

    def fails(
        self,
        attempt: Callable[[], object],
        *kinds: type[ReplicateHomeError],
        phases: Sequence[str] = (),
        processed: bool | None = None,
    ) -> ReplicateHomeError:
        """The error of ``attempt``, which must be one of ``kinds``, tell the truth and keep the secret."""
        try:
            attempt()
        except kinds as error:
            found = error
        else:
            raise AssertionError("no error was raised")
        if isinstance(found, TransportError):
            assert found.phase in phases, f"phase {found.phase!r}, not {phases!r}"
            assert found.may_have_been_processed is processed, f"may_have_been_processed is not {processed}"
        _keeps_the_secret(found)
        return found


def _keeps_the_secret(error: ReplicateHomeError) -> None:
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert TOKEN not in shown, "the token is in the traceback"
    assert TOKEN.encode() not in pickle.dumps(error), "the token is in the pickled error"
    assert str(pickle.loads(pickle.dumps(error))) == str(error), "the error changes when it is pickled"  # noqa: S301
    link: BaseException | None = error
    while link is not None:
        assert isinstance(link, ReplicateHomeError), f"{type(link).__name__} of another library hangs on to the error"
        link = link.__cause__ or link.__context__


# Answers: a raw answer, and the value it must become.

_ANSWERS: dict[str, tuple[str, bytes, int, bytes]] = {
    "A body with a Content-Length is given whole": ("GET", answer(200, _JSON), 200, _JSON),
    "A chunked body is given whole": ("GET", chunked(_JSON[:9], _JSON[9:]), 200, _JSON),
    "Chunk extensions and trailers are skipped": (
        "GET",
        answer(headers={"Transfer-Encoding": "chunked"}, framed=False) + b"2;a=b\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n",
        200,
        b"{}",
    ),
    "A body that ends with the connection is given whole": ("GET", answer(200, _JSON, framed=False), 200, _JSON),
    "A gzipped body is given decoded": (
        "GET",
        answer(200, gzip.compress(_JSON), {"Content-Encoding": "gzip"}),
        200,
        _JSON,
    ),
    "A body gzipped in members, in chunks, is given decoded": (
        "GET",
        chunked(gzip.compress(_JSON), gzip.compress(_JSON), headers={"Content-Encoding": "gzip"}),
        200,
        _JSON + _JSON,
    ),
    "204 has no body": ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "304 has no body, whatever its length": ("GET", answer(304, b"", {"Content-Length": "9"}, framed=False), 304, b""),
    "The answer to HEAD has no body": ("HEAD", answer(200, b"", {"Content-Length": "9"}, framed=False), 200, b""),
    "404 is an answer": ("GET", answer(404, b'{"detail": "no"}'), 404, b'{"detail": "no"}'),
    "500 is an answer": ("GET", answer(500, b"<html>"), 500, b"<html>"),
    "A redirect is an answer": ("GET", answer(302, b"", {"Location": "/elsewhere"}), 302, b""),
    "A redirect of a POST is an answer": ("POST", answer(307, b"", {"Location": "/elsewhere"}), 307, b""),
    "100 and 103 before the answer are skipped": (
        "POST",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + answer(201, _JSON),
        201,
        _JSON,
    ),
    "An answer of HTTP/1.0 is an answer": ("GET", b"HTTP/1.0 200 OK\r\n\r\n" + _JSON, 200, _JSON),
    "A status line without a reason is one": ("GET", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}"),
}  # fmt: skip


def _add_answer(name: str, method: str, raw: bytes, status: int, body: bytes) -> None:
    def run(bench: Bench) -> None:
        with ScriptedServer([Receive(), Send(raw)], repeat=True) as server:
            response, piecewise = bench.ask(server.url, method=method)
            assert piecewise is None, "a Body came that was not asked for"
            assert (response.status, response.body) == (status, body), f"{response!r} {response.body!r}"
            assert len(server.requests) == 1, "the request was sent more than once"

    CASES.append(Case(name, "answers", run))


for _name, _row in _ANSWERS.items():
    _add_answer(_name, *_row)


@_case("answers")
def _headers(bench: Bench) -> None:
    """Headers are given by lower-case name, repeated ones joined by a comma."""
    raw = b"HTTP/1.1 200 OK\r\nX-Request-ID: 7\r\nContent-Length: 0\r\nVary: a\r\nVARY: b\r\n\r\n"
    with ScriptedServer([Receive(), Send(raw)]) as server:
        response, _ = bench.ask(server.url)
        assert (response.headers["x-request-id"], response.headers["vary"]) == ("7", "a, b"), repr(response.headers)


@_case("answers")
def _cookies(bench: Bench) -> None:
    """No cookie is kept."""
    raw = answer(headers={"Set-Cookie": "a=b; Path=/"})
    with ScriptedServer([Serve(lambda _: raw)], repeat=True) as server:
        bench.ask(server.url)
        bench.ask(server.url)
        assert not any("cookie" in received.headers for received in server.requests)


# Requests: what is put on the wire.


@_case("requests")
def _on_the_wire(bench: Bench) -> None:
    """Method, path, query, headers, token and body arrive as they are in the request."""
    with ScriptedServer([Receive(), Send(answer())]) as server:
        request = Request("POST", server.url + "/v1/x?q=%20a&b=1#top", {"X-Own": "1"}, b"\x00{}", Secret(TOKEN))
        bench.transport.send(request, bench.until(ENOUGH))
        (received,) = server.requests
        shown = {name: received.headers.get(name) for name in ("host", "x-own", "authorization", "content-length")}
        assert (received.method, received.target, received.body) == ("POST", "/v1/x?q=%20a&b=1", b"\x00{}")
        expected = [server.url.removeprefix("http://"), "1", f"Bearer {TOKEN}", "3"]
        assert list(shown.values()) == expected, "the headers differ"


@_case("requests")
def _without_token(bench: Bench) -> None:
    """Without a token there is no Authorization."""
    with ScriptedServer([Receive(), Send(answer())]) as server:
        bench.transport.send(Request("GET", server.url + "/"), bench.until(ENOUGH))
        assert "authorization" not in server.requests[0].headers


@_case("requests")
def _encodings(bench: Bench) -> None:
    """An answer that is read whole may be gzipped, one that comes in pieces should not be."""
    with ScriptedServer([Serve(lambda _: answer())], repeat=True) as server:
        bench.ask(server.url)
        bench.read_all(bench.body(server.url)[1])
        assert [received.headers.get("accept-encoding") for received in server.requests] == ["gzip", "identity"]


@attrs.define
class _Upload:
    length: int
    pieces: Sequence[bytes | Exception] = attrs.field(repr=False)

    def open(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


@_case("requests")
def _upload(bench: Bench) -> None:
    """An upload is sent as it is read, with its length, and again from its beginning for another attempt."""
    upload = _Upload(300_000, [b"a" * 100_000, b"", b"b" * 200_000])
    with ScriptedServer([Serve(lambda _: answer(201))], repeat=True) as server:
        for _ in range(2):
            bench.ask(server.url, method="POST", body=upload)
        bodies = {(received.headers.get("content-length"), received.body) for received in server.requests}
        assert bodies == {("300000", b"a" * 100_000 + b"b" * 200_000)}, "the body differs"


def _add_bad_upload(name: str, upload: _Upload) -> None:
    def run(bench: Bench) -> None:
        with ScriptedServer([Serve(lambda _: answer())], repeat=True) as server:
            bench.fails(
                lambda: bench.ask(server.url, method="POST", body=upload),
                TransportError, ProtocolError, phases=["send"], processed=True,
            )  # fmt: skip
            bench.ask(server.url)
        assert not any(received.complete for received in server.requests if received.method == "POST")

    CASES.append(Case(name, "requests", run))


_add_bad_upload(
    "An upload that is shorter than it said is an error, and its connection is closed", _Upload(9, [b"abc"])
)
_add_bad_upload("An upload whose source fails is an error", _Upload(9, [b"abc", OSError("the disk is gone")]))


@_case("requests")
def _injection(bench: Bench) -> None:
    """A header with a line break does not reach the wire."""
    with ScriptedServer([Serve(lambda _: answer())], repeat=True) as server:
        bench.fails(
            lambda: bench.ask(server.url, headers={"X-A": "b\r\nX-Evil: 1"}),
            TransportError, ProtocolError, phases=["send", "connect", "resolve"], processed=False,
        )  # fmt: skip
        assert server.requests == []


# Bodies: piece by piece.


def _streamed(head: bytes, pieces: Sequence[bytes], wire: Sequence[bytes], end: bytes = b"") -> Callable[[Bench], None]:
    """Each piece must be there before the next one is sent."""

    def run(bench: Bench) -> None:
        taken = [threading.Event() for _ in wire]
        steps: list[Step] = [Receive(), Send(head)]
        for data, event in zip(wire, taken, strict=True):
            steps += [Send(data), Await(event)]
        with ScriptedServer([*steps, Send(end)]) as server:
            response, body = bench.body(server.url, headers={"Accept": _EVENTS})
            assert (response.status, response.body) == (200, b"")
            for piece, event in zip(pieces, taken, strict=True):
                came = b""
                while len(came) < len(piece):
                    came += body.read(bench.until(ENOUGH)) or b"(the end)"
                assert came == piece, f"{came!r}, not {piece!r}"
                event.set()
            assert [body.read(bench.until(ENOUGH)) for _ in range(2)] == [b"", b""], "the end is not the end"
            body.close()

    return run


_PIECES = (b"data: one\n\n", b"data: two\n\n", b"data: three\n\n")


def _gzipped() -> list[bytes]:
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    return [packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) for piece in _PIECES] + [packer.flush()]


_CHUNKED = {"Transfer-Encoding": "chunked"}
_GZIP = {"Content-Encoding": "gzip"}


def _stream_head(headers: dict[str, str]) -> bytes:
    return answer(headers=headers, content_type=_EVENTS, framed=False)


for _name, _run in {
    "Chunks are given as they arrive": _streamed(
        _stream_head(_CHUNKED), _PIECES, [chunk(piece) for piece in _PIECES], chunk(b"")
    ),
    "A body without framing is given as it arrives": _streamed(_stream_head({}), _PIECES, _PIECES),
    "A body of known length is given as it arrives": _streamed(
        _stream_head({"Content-Length": str(len(b"".join(_PIECES)))}), _PIECES, _PIECES
    ),
    "Gzipped chunks are given as they arrive": _streamed(
        _stream_head(_CHUNKED | _GZIP), _PIECES, [chunk(data) for data in _gzipped()[:-1]],
        chunk(_gzipped()[-1]) + chunk(b""),
    ),
    "A gzipped body without framing is given as it arrives": _streamed(
        _stream_head(_GZIP), _PIECES, _gzipped()[:-1], _gzipped()[-1]
    ),
    "Part of a chunk is given as it arrives": _streamed(
        _stream_head(_CHUNKED), [b"01234", b"56789"], [b"a\r\n01234", b"56789\r\n"], chunk(b"")
    ),
}.items():  # fmt: skip
    CASES.append(Case(_name, "bodies", _run))


@_case("bodies")
def _download(bench: Bench) -> None:
    """A large body comes in pieces, unchanged, also as 206."""
    data = bytes(range(256)) * 4096
    with ScriptedServer([Receive(), Send(answer(206, data, content_type="image/png"))]) as server:
        response, body = bench.body(server.url)
        assert (response.status, response.headers["content-length"]) == (206, str(len(data)))
        assert bench.read_all(body) == data, "the bytes differ"


@_case("bodies")
def _not_a_stream(bench: Bench) -> None:
    """Where an event stream was asked for and something else came, it is given whole."""
    with ScriptedServer([Receive(), Send(answer(200, _JSON))]) as server:
        response, body = bench.ask(server.url, streams=True, headers={"Accept": _EVENTS})
        assert (response.status, response.body, body) == (200, _JSON, None)


@_case("bodies")
def _refused_stream(bench: Bench) -> None:
    """An error in the place of a stream is given whole."""
    with ScriptedServer([Receive(), Send(answer(404, b"gone", content_type=_EVENTS))]) as server:
        response, body = bench.ask(server.url, streams=True, headers={"Accept": _EVENTS})
        assert (response.status, response.body, body) == (404, b"gone", None)


@_case("bodies")
def _close_early(bench: Bench) -> None:
    """Closing a body early closes its connection, more than once does no harm, and reading on is Disconnected."""
    with ScriptedServer([Receive(), Send(_stream_head(_CHUNKED) + chunk(b"a")), Stall()]) as server:
        _, body = bench.body(server.url)
        assert body.read(bench.until(ENOUGH)) == b"a"
        body.close()
        body.close()
        bench.fails(lambda: body.read(bench.until(ENOUGH)), Disconnected, phases=["body"], processed=True)


@_case("bodies")
def _close_from_elsewhere(bench: Bench) -> None:
    """Closing a body from another thread ends the read that waits for it, as Disconnected."""
    with ScriptedServer([Receive(), Send(_stream_head(_CHUNKED) + chunk(b"a")), Stall()]) as server:
        _, body = bench.body(server.url)
        assert body.read(bench.until(ENOUGH)) == b"a"
        closer = threading.Timer(0.05, body.close)
        closer.start()
        bench.fails(lambda: body.read(bench.until(ENOUGH)), Disconnected, phases=["body"], processed=True)
        closer.join()


# Connections: which one carries what.


@_case("connections")
def _kept(bench: Bench) -> None:
    """A connection is used again, after bodies in pieces too."""
    with ScriptedServer([Serve(lambda _: chunked(_JSON))], repeat=True) as server:
        bench.ask(server.url)
        bench.read_all(bench.body(server.url)[1])
        bench.ask(server.url, method="POST", body=b"{}")
        assert server.connections == 1, f"{server.connections} connections"


@_case("connections")
def _stale(bench: Bench) -> None:
    """A create is not sent over a connection that the server has closed meanwhile."""
    with ScriptedServer([Receive(), Send(answer()), Cut()], [Receive(), Send(answer(201))]) as server:
        bench.ask(server.url)
        threading.Event().wait(0.05)  # for the FIN to arrive
        response, _ = bench.ask(server.url, method="POST", body=b"{}")
        assert (response.status, server.creates, server.connections) == (201, 1, 2)


def _add_unpooled(name: str, raw: bytes) -> None:
    def run(bench: Bench) -> None:
        with ScriptedServer([Receive(), Send(raw), Stall()], [Receive(), Send(answer(201))]) as server:
            bench.ask(server.url)
            response, _ = bench.ask(server.url, method="POST", body=b"{}")
            assert (response.status, server.creates, server.connections) == (201, 1, 2)

    CASES.append(Case(name, "connections", run))


_add_unpooled("A connection that the server wants closed is not used again", answer(headers={"Connection": "close"}))
_add_unpooled("A connection on which more came than the answer is not used again", answer(200, _JSON) + b"HTTP/1.1 200")


@_case("connections")
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


@_case("connections")
def _used_after_close(bench: Bench) -> None:
    """A transport may be used again after it was closed."""
    with ScriptedServer([Serve(lambda _: answer(200, _JSON))], repeat=True) as server:
        for _ in range(2):
            assert bench.ask(server.url)[0].body == _JSON
            bench.transport.close()
            bench.transport.close()


# Faults: what a server, or what is in the way, does wrong. Each is tried with a create, which must be sent once.


def _add_fault(
    name: str, script: Sequence[Step], kinds: Sequence[type[ReplicateHomeError]], phases: Sequence[str]
) -> None:
    def run(bench: Bench) -> None:
        with ScriptedServer(script, repeat=True) as server:
            bench.fails(lambda: bench.ask(server.url, method="POST", body=b"{}"), *kinds, phases=phases, processed=True)
            assert server.connections == 1, "the create was sent again"

    CASES.append(Case(name, "faults", run))


_HALF = answer(200, _JSON)[:-10]
_CUT_CHUNK = _stream_head(_CHUNKED) + b"20\r\n{"
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
    ("A body cut between chunks", [Receive(), Send(_stream_head(_CHUNKED) + chunk(b"{")), Cut()], [Disconnected],
     ["body"]),
    ("A body without its last empty line", [Receive(), Send(chunked(_JSON)[:-2]), Cut()], [Disconnected], ["body"]),
    ("A connection reset within the body", [Receive(), Send(_HALF), Drip(b"  "), Reset()], [Disconnected], ["body"]),
    ("A gzipped body whose gzip is cut", [Receive(), Send(answer(200, gzip.compress(_JSON)[:-9], _GZIP))], _BROKEN,
     ["body"]),
    ("A gzipped body that is not gzip", [Receive(), Send(answer(200, b"plain text", _GZIP))], [ProtocolError], []),
    ("A body under several encodings", [Receive(), Send(answer(200, b"x", {"Content-Encoding": "gzip, gzip"}))],
     [ProtocolError], []),
    ("An answer that is not HTTP", [Receive(), Send(b"220 mail ready\r\n\r\n"), Cut()], [ProtocolError], []),
    ("A status that is none", [Receive(), Send(b"HTTP/1.1 what OK\r\n\r\n"), Cut()], [ProtocolError], []),
    ("Two different lengths", [Receive(), Send(answer(200, _JSON, {"Content-Length": "3"}))], [ProtocolError], []),
    ("A length that is no number", [Receive(), Send(answer(200, b"", {"Content-Length": "-5"}, framed=False))],
     [ProtocolError], []),
    ("A chunk size that is none", [Receive(), Send(_stream_head(_CHUNKED) + b"zz\r\n{}\r\n0\r\n\r\n"), Cut()],
     _BROKEN, ["body"]),
    ("Headers without end", [Receive(), Send(b"HTTP/1.1 200 OK\r\n"), Flood(_ENDLESS)], [ProtocolError], []),
    ("Interim answers without end", [Receive(), Flood(b"HTTP/1.1 100 Continue\r\n\r\n")], [ProtocolError], []),
)  # fmt: skip
for _name, _script, _kinds, _phases in _FAULTS:
    _add_fault(_name, _script, _kinds, _phases)


@_case("faults")
def _bomb(bench: Bench) -> None:
    """A gzipped body that unpacks without measure is a ProtocolError."""
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(70)) + packer.flush()
    with ScriptedServer([Receive(), Send(answer(200, bomb, _GZIP))]) as server:
        bench.fails(lambda: bench.ask(server.url), ProtocolError)


@_case("faults")
def _refused(bench: Bench) -> None:
    """A port where nobody listens is ConnectFailed, and nothing was processed."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    bench.fails(lambda: bench.ask(url, method="POST"), ConnectFailed, phases=["connect"], processed=False)


@_case("faults")
def _not_tls(bench: Bench) -> None:
    """A server that does not speak TLS is TLSFailed, and nothing was processed."""
    with ScriptedServer([Take(5), Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Cut()]) as server:
        url = server.url.replace("http", "https")
        bench.fails(lambda: bench.ask(url, method="POST"), TLSFailed, phases=["tls"], processed=False)


@_case("faults")
def _tls_cut(bench: Bench) -> None:
    """A TLS handshake that is cut is ConnectFailed, and nothing was processed."""
    with ScriptedServer([Take(5), Reset()]) as server:
        url = server.url.replace("http", "https")
        bench.fails(lambda: bench.ask(url, method="POST"), ConnectFailed, phases=["tls"], processed=False)


@_case("faults")
def _stream_cut(bench: Bench) -> None:
    """A stream that is cut gives what had arrived, and then Disconnected instead of an end."""
    with ScriptedServer([Receive(), Send(_stream_head(_CHUNKED) + chunk(b"a") + b"5\r\nbc"), Cut()]) as server:
        _, body = bench.body(server.url, headers={"Accept": _EVENTS})
        came = b""
        while len(came) < 3:
            came += body.read(bench.until(ENOUGH)) or b"(the end)"
        assert came == b"abc", repr(came)
        bench.fails(lambda: body.read(bench.until(ENOUGH)), Disconnected, phases=["body"], processed=True)
        body.close()


@_case("faults")
def _unread_body(bench: Bench) -> None:
    """A server that answers before it has read the body and hangs up is heard."""
    with ScriptedServer([Take(10), Send(answer(413, b"{}", {"Connection": "close"})), Cut()]) as server:
        response, _ = bench.ask(server.url, method="POST", body=bytes(2_000_000))
        assert response.status == 413


# Deadlines: a server that takes its time.


def _add_late(name: str, script: Sequence[Step], phases: Sequence[str], *, body: bytes | Upload = b"{}") -> None:
    def run(bench: Bench) -> None:
        with ScriptedServer(script, repeat=True) as server:
            bench.fails(
                lambda: bench.ask(server.url, method="POST", body=body, seconds=SOON),
                RequestTimeout, phases=phases, processed=True,
            )  # fmt: skip
            assert server.connections == 1, "the create was sent again"

    CASES.append(Case(name, "deadlines", run))


_add_late("Silence", [Receive(), Stall()], ["wait"])
_add_late("Headers that stop", [Receive(), Send(b"HTTP/1.1 200 OK\r\n"), Stall()], ["headers"])
_add_late("Headers that drip", [Receive(), Drip(answer(200, _JSON) * 9)], ["headers"])
_add_late("A body that stops", [Receive(), Send(_HALF), Stall()], ["body"])
_add_late("A body that drips", [Receive(), Send(answer(200, b"", {"Content-Length": "999"}, framed=False)),
                                Drip(b"a" * 999)], ["body"])  # fmt: skip
_add_late("Chunks that drip", [Receive(), Send(_stream_head(_CHUNKED)), Drip(chunk(b"a") * 99)], ["body"])
_add_late(
    "A server that stops reading", [Take(10), Freeze()], ["send"], body=_Upload(40_000_000, [bytes(1000)] * 40_000)
)


@_case("deadlines")
def _tls_silence(bench: Bench) -> None:
    """A TLS handshake that stops is RequestTimeout, and nothing was processed."""
    with ScriptedServer([Stall()]) as server:
        url = server.url.replace("http", "https")
        bench.fails(
            lambda: bench.ask(url, method="POST", seconds=SOON), RequestTimeout, phases=["tls"], processed=False
        )


@_case("deadlines")
def _past(bench: Bench) -> None:
    """A deadline that has passed sends nothing."""
    with ScriptedServer([Serve(lambda _: answer())], repeat=True) as server:
        bench.fails(
            lambda: bench.ask(server.url, method="POST", seconds=-1),
            RequestTimeout, phases=["resolve", "connect"], processed=False,
        )  # fmt: skip
        assert server.requests == []


@_case("deadlines")
def _stream_silence(bench: Bench) -> None:
    """A stream in which nothing comes in time is RequestTimeout."""
    with ScriptedServer([Receive(), Send(_stream_head(_CHUNKED) + chunk(b"a")), Stall()]) as server:
        _, body = bench.body(server.url, headers={"Accept": _EVENTS})
        assert body.read(bench.until(ENOUGH)) == b"a"
        bench.fails(lambda: body.read(bench.until(SOON)), RequestTimeout, phases=["body"], processed=True)
        body.close()


@_case("deadlines")
def _no_deadline(bench: Bench) -> None:
    """None is no deadline."""
    with ScriptedServer([Receive(), Drip(answer(200, _JSON)[:9]), Send(answer(200, _JSON)[9:])]) as server:
        response, _ = bench.transport.send(Request("GET", server.url + "/"), None)
        assert response.body == _JSON


# Any: what needs no sockets.


def _address(bench: Bench) -> tuple[ScriptedServer | None, str]:
    if bench.url is not None:
        return None, bench.url
    server = ScriptedServer([Serve(lambda _: answer(200, _JSON, {"X-A": "b"}))], repeat=True)
    return server.__enter__(), server.url + "/"


def _anywhere(check: Callable[[Bench, str], None]) -> Callable[[Bench], None]:
    def run(bench: Bench) -> None:
        server, url = _address(bench)
        try:
            check(bench, url)
        finally:
            if server is not None:
                server.__exit__(None, None, None)

    CASES.append(Case((check.__doc__ or "").rstrip("."), "any", run))
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
