"""G10: memory is bounded: one piece at a time for files and streams, a cap for JSON and for an event; bombs raise.

Measured with ``tracemalloc`` while the server, in the same process, repeats one small buffer.
"""

from __future__ import annotations

import gc
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from replicate_home import APIError, Client, ProtocolError, ReplicateHomeError
from replicate_home.protocol.sse import Decoder
from replicate_home.testing.scripted_server import Cut, Line, Receive, ScriptedServer, Send, Step, answer, chunk
from replicate_home.transports.decoding import WHOLE_LIMIT

from .cases import NIGHTLY, UNHURRIED, counted, virtual_client
from .hosted_server import RECORDINGS, HostedServer, Job, encoded, numbered

pytestmark = [pytest.mark.reliability, pytest.mark.long, UNHURRIED]
MIB = 2**20
PIECE = b"x" * 65536
SIZE = (256 if NIGHTLY else 72) * MIB
ALLOWANCE = 8 * MIB


@contextmanager
def at_most(limit: int) -> Iterator[None]:
    """The block never holds more than ``limit`` bytes at once."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak / MIB:.1f} MiB where {limit / MIB:.0f} are allowed"


@attrs.frozen
class Repeat:
    """``data`` so many times, without ever holding it all."""

    data: bytes = attrs.field(repr=False)
    times: int

    def play(self, line: Line) -> None:
        """Send it."""
        for _ in range(self.times):
            line.sock.sendall(self.data)


@attrs.frozen
class Discard:
    """Read a request and keep nothing of its body but its length."""

    lengths: list[int]

    def play(self, line: Line) -> None:
        """Read it."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += line.sock.recv(1)
        left = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self.lengths.append(left)
        while left:
            left -= len(line.sock.recv(65536))


def bomb(data: bytes, times: int) -> bytes:
    """``data`` so many times, zipped small."""
    deflate = zlib.compressobj(9, wbits=31)
    return b"".join(deflate.compress(data) for _ in range(times)) + deflate.flush()


GZIP = {"Content-Encoding": "gzip"}
WHOLE = answer(200, bomb(b" " * 65536, SIZE // 65536), GZIP)
CHUNKED = {"Transfer-Encoding": "chunked"}
TOO_LARGE: dict[str, list[Step]] = {
    "a gzip bomb": [Send(WHOLE)],
    "a body without an end": [Send(answer(200, framed=False)), Repeat(PIECE, SIZE // 65536)],
    "chunks without an end": [Send(answer(200, headers=CHUNKED, framed=False)), Repeat(chunk(PIECE), SIZE // 65536)],
    "a length that is true": [Send(answer(200, b"", {"Content-Length": str(SIZE)}, framed=False)),
                              Repeat(PIECE, SIZE // 65536)],
}  # fmt: skip
CALLS: list[Callable[[Client], Any]] = [
    lambda client: client.predictions.get("abc"),
    lambda client: client.run("owner/model", {}, wait=False),
]


def test_a_json_answer_beyond_the_cap_is_an_error_and_not_held():
    chosen = TOO_LARGE if NIGHTLY else list(TOO_LARGE)[:2]
    for what, steps in counted(((what, TOO_LARGE[what]) for what in chosen), at_least=len(chosen)):
        for call in CALLS if NIGHTLY else CALLS[:1]:
            with ScriptedServer([Receive(), *steps, Cut()], repeat=True) as server:
                client = virtual_client(server.url, max_retries=0)
                with at_most(WHOLE_LIMIT + ALLOWANCE), pytest.raises(ReplicateHomeError) as caught:
                    call(client)
                assert "longer than" in str(caught.value), what
                client._engine.connections.given.close()


def test_an_encoding_within_another_is_refused_unread():
    zipped = bomb(b" " * 65536, 100)
    chains = ("gzip, gzip", "gzip,deflate", "br", "deflate", "zstd", "gzip, gzip, gzip, gzip, gzip, gzip")
    for encoding in counted(chains, at_least=6):
        wire = answer(200, zipped, {"Content-Encoding": encoding})
        with ScriptedServer([Receive(), Send(wire), Cut()], repeat=True) as server:
            client = virtual_client(server.url)
            with at_most(ALLOWANCE), pytest.raises(ProtocolError):
                client.predictions.get("abc")
            client._engine.connections.given.close()


def test_the_message_of_an_error_is_short_whatever_came():
    bodies = (
        b"x" * 10 * MIB, b'{"detail":"%b"}' % (b"x" * MIB), json.dumps({"detail": list(range(100_000))}).encode(),
        b"<p>" * MIB, b'{"title":"%b"}' % (b"\xe2\x80\xae" * MIB), b"\0" * MIB,
    )  # fmt: skip
    for body in counted(bodies, at_least=6):
        for status in (400, 500, 200):
            with ScriptedServer([Receive(), Send(answer(status, body)), Cut()], repeat=True) as server:
                client = virtual_client(server.url, max_retries=0)
                with pytest.raises((APIError, ProtocolError)) as caught:
                    client.predictions.get("abc")
                assert len(str(caught.value)) < 4_500
                client._engine.connections.given.close()


# ---- streams ---------------------------------------------------------------------------------------------------


def streaming(*steps: Step, zipped: bool = False) -> Job:
    """A job whose stream begins with these steps."""
    headers = GZIP if zipped else {}
    head = answer(200, headers=headers, content_type="text/event-stream", framed=False)
    return Job(RECORDINGS[0], [lambda job, received: [Send(head), *steps, Cut()]], polls_to_end=1)


TIMES = 4096 if NIGHTLY else 160
NOISE: dict[str, Job] = {
    "one endless comment": streaming(Send(b":"), Repeat(PIECE, TIMES)),
    "many comments": streaming(Repeat((b":" + b"x" * 255 + b"\n") * 256, TIMES)),
    "unknown fields": streaming(Repeat((b"weather: " + b"x" * 247 + b"\n") * 256, TIMES)),
    "a gzip bomb of comments": streaming(Send(bomb(b":" + b" " * 65535, TIMES)), zipped=True),
}


def test_noise_on_a_stream_takes_no_memory():
    for what, job in counted(NOISE.items(), at_least=4):
        with HostedServer(job) as server:
            client = virtual_client(server.url)
            with at_most(ALLOWANCE):
                assert "".join(client.stream("owner/model", {})) == RECORDINGS[0].text, what
            client._engine.connections.given.close()


def test_an_event_beyond_the_cap_ends_the_stream_and_polling_goes_on(monkeypatch):
    """At night with the real cap, by day with a small one."""
    if not NIGHTLY:
        monkeypatch.setattr(Decoder.__init__, "__defaults__", (4 * MIB,))
    (cap,) = Decoder.__init__.__defaults__
    fields = (b"data: ", b"data: x\ndata: ", b"event: ", b"id: ", b"weather: ", b"")
    for field in counted(fields, at_least=6):
        with HostedServer(streaming(Send(field), Repeat(PIECE, 8 * cap // 65536))) as server:
            client = virtual_client(server.url)
            with at_most(2 * cap + ALLOWANCE):
                assert "".join(client.stream("owner/model", {})) == RECORDINGS[0].text
            client._engine.connections.given.close()


def test_a_long_stream_holds_its_text_and_little_more():
    """Half a million characters in 10 000 tokens: what was delivered is kept, to be held against the final output."""
    tokens = [f"{number:049} " for number in range(10_000)]
    job = streaming(Send(encoded((numbered(number), "output", token) for number, token in enumerate(tokens))))
    job.recording = attrs.evolve(RECORDINGS[0], events=(), output=tokens)
    with HostedServer(job) as server:
        client = virtual_client(server.url)
        with at_most(24 * MIB):
            assert sum(len(token) for token in client.stream("owner/model", {})) == 500_000
        client._engine.connections.given.close()


# ---- files -----------------------------------------------------------------------------------------------------


@pytest.fixture
def file_server():
    """A prediction whose output is a large file."""
    with HostedServer() as server:
        size = SIZE if NIGHTLY else 32 * MIB
        head = answer(200, headers={"Content-Length": str(size)}, framed=False, content_type="image/png")
        shown = {"id": "job0", "status": "succeeded", "output": f"{server.url}/v1/file"}
        done = [Send(answer(201, json.dumps(shown).encode()))]
        file = [Send(head), Repeat(PIECE, size // 65536)]
        server.instead = lambda received: file if received.target.endswith("/file") else done
        server.size = size
        yield server


def test_a_file_is_read_and_saved_a_piece_at_a_time(file_server, tmp_path):
    client = virtual_client(file_server.url)
    file = client.run("owner/model", {}).file
    uses: list[Callable[[], int]] = [
        lambda: sum(map(len, file)),
        lambda: Path(file.save(tmp_path / "a.png")).stat().st_size,
        lambda: _size_of(file.open()),
    ]
    for use in counted(uses, at_least=3):
        with at_most(ALLOWANCE):
            assert use() == file_server.size
    client._engine.connections.given.close()


def _size_of(opened: Any) -> int:
    with opened:
        return opened.seek(0, 2)


def test_the_beginning_of_a_file_is_read_and_no_more(file_server):
    client = virtual_client(file_server.url)
    with at_most(ALLOWANCE):
        assert client.run("owner/model", {}).file.read(10) == b"x" * 10
    client._engine.connections.given.close()


def test_an_upload_is_sent_a_piece_at_a_time(tmp_path):
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(48 * MIB)
    lengths: list[int] = []
    uploaded = answer(201, b'{"id":"f","urls":{"get":"https://api.replicate.com/v1/files/f"}}')
    done = answer(201, b'{"id":"job0","status":"succeeded","output":"ok"}')
    with ScriptedServer([Discard(lengths), Send(uploaded), Receive(), Send(done), Cut()]) as server:
        client = virtual_client(server.url)
        with at_most(ALLOWANCE):
            assert client.run("owner/model", {"file": large}) == "ok"
        assert lengths[0] > 48 * MIB
        client._engine.connections.given.close()
