"""What a transport sends and returns: whole responses, requests on the wire, bodies in pieces."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence

import attrs

from ...exceptions import Disconnected, ProtocolError, TransportError
from ...wire import Request, Secret
from ..scripted_server import Await, Receive, ScriptedServer, Send, Serve, Stall, Step, answer, chunk, chunked
from .case import ENOUGH, TOKEN, Bench, Cases

CASES = Cases()

UNPACKING = "answers that are packed"
CLOSING = "closing a body from another thread"
JSON = b'{"id": "abc", "status": "succeeded"}'
EVENTS = "text/event-stream"
PATIENCE = 2.0
"""How many seconds a read may continue after its body was closed."""
CHUNKED = {"Transfer-Encoding": "chunked"}
GZIP = {"Content-Encoding": "gzip"}

# Answers: a raw answer, and the value it must become.

_ANSWERS: dict[str, tuple[str, bytes, int, bytes]] = {
    "A body with a Content-Length is given whole": ("GET", answer(200, JSON), 200, JSON),
    "A chunked body is given whole": ("GET", chunked(JSON[:9], JSON[9:]), 200, JSON),
    "Chunk extensions and trailers are skipped": (
        "GET",
        answer(headers={"Transfer-Encoding": "chunked"}, framed=False) + b"2;a=b\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n",
        200,
        b"{}",
    ),
    "A body that ends with the connection is given whole": ("GET", answer(200, JSON, framed=False), 200, JSON),
    "204 has no body": ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "304 has no body, whatever its length": ("GET", answer(304, b"", {"Content-Length": "9"}, framed=False), 304, b""),
    "The answer to HEAD has no body": ("HEAD", answer(200, b"", {"Content-Length": "9"}, framed=False), 200, b""),
    "404 is an answer": ("GET", answer(404, b'{"detail": "no"}'), 404, b'{"detail": "no"}'),
    "500 is an answer": ("GET", answer(500, b"<html>"), 500, b"<html>"),
    "A redirect is an answer": ("GET", answer(302, b"", {"Location": "/elsewhere"}), 302, b""),
    "A redirect of a POST is an answer": ("POST", answer(307, b"", {"Location": "/elsewhere"}), 307, b""),
    "100 and 103 before the answer are skipped": (
        "POST",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + answer(201, JSON),
        201,
        JSON,
    ),
    "An answer of HTTP/1.0 is an answer": ("GET", b"HTTP/1.0 200 OK\r\n\r\n" + JSON, 200, JSON),
    "A status line without a reason is one": ("GET", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}"),
}  # fmt: skip
_PACKED: dict[str, tuple[str, bytes, int, bytes]] = {
    "A gzipped body is given decoded": ("GET", answer(200, gzip.compress(JSON), GZIP), 200, JSON),
    "A body gzipped in members, in chunks, is given decoded": (
        "GET", chunked(gzip.compress(JSON), gzip.compress(JSON), headers=GZIP), 200, JSON + JSON,
    ),
}  # fmt: skip


def _add_answer(name: str, method: str, raw: bytes, status: int, body: bytes, optional: str = "") -> None:
    def run(bench: Bench) -> None:
        with ScriptedServer([Receive(), Send(raw)], repeat=True) as server:
            response, piecewise = bench.ask(server.url, method=method)
            assert piecewise is None, "a Body came that was not asked for"
            assert (response.status, response.body) == (status, body), f"{response!r} {response.body!r}"
            assert len(server.requests) == 1, "the request was sent more than once"

    CASES.add("answers", optional, name=name)(run)


for _name, _row in _ANSWERS.items():
    _add_answer(_name, *_row)
for _name, _row in _PACKED.items():
    _add_answer(_name, *_row, UNPACKING)


@CASES.add("answers")
def _headers(bench: Bench) -> None:
    """Headers are given by lower-case name, repeated ones joined by a comma."""
    raw = b"HTTP/1.1 200 OK\r\nX-Request-ID: 7\r\nContent-Length: 0\r\nVary: a\r\nVARY: b\r\n\r\n"
    with ScriptedServer([Receive(), Send(raw)]) as server:
        response, _ = bench.ask(server.url)
        assert (response.headers["x-request-id"], response.headers["vary"]) == ("7", "a, b"), repr(response.headers)


@CASES.add("answers")
def _cookies(bench: Bench) -> None:
    """No cookie is kept."""
    raw = answer(headers={"Set-Cookie": "a=b; Path=/"})
    with ScriptedServer([Serve(lambda _: raw)], repeat=True) as server:
        bench.ask(server.url)
        bench.ask(server.url)
        assert not any("cookie" in received.headers for received in server.requests)


# Requests: what is put on the wire.


@CASES.add("requests")
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


@CASES.add("requests")
def _without_token(bench: Bench) -> None:
    """Without a token there is no Authorization."""
    with ScriptedServer([Receive(), Send(answer())]) as server:
        bench.transport.send(Request("GET", server.url + "/"), bench.until(ENOUGH))
        assert "authorization" not in server.requests[0].headers


@CASES.add("requests", UNPACKING)
def _encodings(bench: Bench) -> None:
    """An answer that is read whole may be gzipped, one that comes in pieces should not be."""
    with ScriptedServer([Serve(lambda _: answer())], repeat=True) as server:
        bench.ask(server.url)
        bench.read_all(bench.body(server.url)[1])
        accepted = [received.headers.get("accept-encoding") for received in server.requests]
        assert accepted == ["gzip", "identity"], f"it accepts {accepted}"


@attrs.define
class Pieces:
    """An upload out of ``pieces``, in which an exception is raised."""

    length: int
    pieces: Sequence[bytes | Exception] = attrs.field(repr=False)

    def open(self) -> Iterator[bytes]:
        """The pieces, from the first one."""
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


@CASES.add("requests")
def _upload(bench: Bench) -> None:
    """An upload is sent as it is read, with its length, and again from its beginning for another attempt."""
    upload = Pieces(300_000, [b"a" * 100_000, b"", b"b" * 200_000])
    with ScriptedServer([Serve(lambda _: answer(201))], repeat=True) as server:
        for _ in range(2):
            bench.ask(server.url, method="POST", body=upload)
        bodies = {(received.headers.get("content-length"), received.body) for received in server.requests}
        assert bodies == {("300000", b"a" * 100_000 + b"b" * 200_000)}, "the body differs"


def _add_bad_upload(name: str, upload: Pieces) -> None:
    def run(bench: Bench) -> None:
        with ScriptedServer([Serve(lambda _: answer())], repeat=True) as server:
            bench.fails(
                lambda: bench.ask(server.url, method="POST", body=upload),
                TransportError, ProtocolError, phases=["send"], processed=True,
            )  # fmt: skip
            bench.ask(server.url)
        assert not any(received.complete for received in server.requests if received.method == "POST")

    CASES.add("requests", name=name)(run)


_add_bad_upload("An upload that is shorter than it said is an error, and its connection is closed", Pieces(9, [b"abc"]))
_add_bad_upload("An upload whose source fails is an error", Pieces(9, [b"abc", OSError("the disk is gone")]))


@CASES.add("requests")
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
            response, body = bench.body(server.url, headers={"Accept": EVENTS})
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


def stream_head(headers: dict[str, str]) -> bytes:
    """The head of an event stream."""
    return answer(headers=headers, content_type=EVENTS, framed=False)


for _name, _run in {
    "Chunks are given as they arrive": _streamed(
        stream_head(CHUNKED), _PIECES, [chunk(piece) for piece in _PIECES], chunk(b"")
    ),
    "A body without framing is given as it arrives": _streamed(stream_head({}), _PIECES, _PIECES),
    "A body of known length is given as it arrives": _streamed(
        stream_head({"Content-Length": str(len(b"".join(_PIECES)))}), _PIECES, _PIECES
    ),
    "Gzipped chunks are given as they arrive": _streamed(
        stream_head(CHUNKED | GZIP), _PIECES, [chunk(data) for data in _gzipped()[:-1]],
        chunk(_gzipped()[-1]) + chunk(b""),
    ),
    "A gzipped body without framing is given as it arrives": _streamed(
        stream_head(GZIP), _PIECES, _gzipped()[:-1], _gzipped()[-1]
    ),
    "Part of a chunk is given as it arrives": _streamed(
        stream_head(CHUNKED), [b"01234", b"56789"], [b"a\r\n01234", b"56789\r\n"], chunk(b"")
    ),
}.items():  # fmt: skip
    CASES.add("bodies", UNPACKING if "zipped" in _name else "", name=_name)(_run)


@CASES.add("bodies")
def _download(bench: Bench) -> None:
    """A large body comes in pieces, unchanged, also as 206."""
    data = bytes(range(256)) * 4096
    with ScriptedServer([Receive(), Send(answer(206, data, content_type="image/png"))]) as server:
        response, body = bench.body(server.url)
        assert (response.status, response.headers["content-length"]) == (206, str(len(data)))
        assert bench.read_all(body) == data, "the bytes differ"


@CASES.add("bodies")
def _not_a_stream(bench: Bench) -> None:
    """Where an event stream was asked for and something else came, it is given whole."""
    with ScriptedServer([Receive(), Send(answer(200, JSON))]) as server:
        response, body = bench.ask(server.url, streams=True, headers={"Accept": EVENTS})
        assert (response.status, response.body, body) == (200, JSON, None)


@CASES.add("bodies")
def _refused_stream(bench: Bench) -> None:
    """An error in the place of a stream is given whole."""
    with ScriptedServer([Receive(), Send(answer(404, b"gone", content_type=EVENTS))]) as server:
        response, body = bench.ask(server.url, streams=True, headers={"Accept": EVENTS})
        assert (response.status, response.body, body) == (404, b"gone", None)


@CASES.add("bodies")
def _close_early(bench: Bench) -> None:
    """Closing a body early closes its connection, more than once does no harm, and reading on is Disconnected."""
    with ScriptedServer([Receive(), Send(stream_head(CHUNKED) + chunk(b"a")), Stall()]) as server:
        _, body = bench.body(server.url)
        assert body.read(bench.until(ENOUGH)) == b"a"
        body.close()
        body.close()
        bench.fails(lambda: body.read(bench.until(ENOUGH)), Disconnected, phases=["body"], processed=True)


@CASES.add("bodies", CLOSING)
def _close_from_elsewhere(bench: Bench) -> None:
    """Closing a body from another thread ends the read that waits for it, as Disconnected."""
    with ScriptedServer([Receive(), Send(stream_head(CHUNKED) + chunk(b"a")), Stall()]) as server:
        _, body = bench.body(server.url)
        assert body.read(bench.until(ENOUGH)) == b"a"
        closer = threading.Timer(0.05, body.close)
        closer.start()
        until = bench.until(PATIENCE)
        bench.fails(lambda: body.read(until), Disconnected, phases=["body"], processed=True)
        closer.join()
        assert bench.until(0) < until, "the read went on until its deadline"
