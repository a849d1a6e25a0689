"""Costs that do not vary with the machine, held where they are: modules, requests, function calls, memory.

No clock is read here: what takes how long is for ``python -m benchmarks`` to say. The bounds leave a little room, about
a tenth; where one is broken on purpose, measure before raising it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from replicate_home import AsyncClient, Client, Response, SystemClock
from replicate_home.client.inputs.files import MultipartUpload, source_of
from replicate_home.dialects.replicate import Replicate
from replicate_home.lifecycle.life import Life, Terms
from replicate_home.lifecycle.replays import Seen
from replicate_home.protocol.sse import Decoder
from replicate_home.testing import FakeReplicate
from replicate_home.testing.scripted_server import Cut, Line, Received, ScriptedServer, Send, Serve, answer
from replicate_home.transports.over_requests.transport import RequestsTransport
from replicate_home.wire import Request

KIB, MIB = 2**10, 2**20


# ---- modules loaded --------------------------------------------------------------------------------------------


def loaded_by(known: str, script: str) -> set[str]:
    """The modules that a script loads in a new interpreter, beyond those that ``known`` loads."""
    script = f"import sys\n{known}\nknown = set(sys.modules)\n{script}\nprint('loaded', *set(sys.modules) - known)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded ")[2].split())


def of_the_package(modules: set[str], *parts: str) -> set[str]:
    """Those that belong to the named parts of this package."""
    return {name for name in modules if name.startswith(tuple(f"replicate_home.{part}" for part in parts))}


OTHER_WAYS = (
    "cli.", "provider", "emulator", "demo", "testing", "drivers.adrive", "transports.over_aiohttp", "transports.async",
    "transports.threaded", "client.async", "client.batch", "client.inputs.files", "client.inputs.encoding",
    "client.engine.async", "client.outputs.async", "client.resources.async",
)  # fmt: skip


def test_importing_the_package_loads_none_of_its_parts_and_nothing_heavy():
    loaded = loaded_by("", "import replicate_home")
    assert of_the_package(loaded, "") == set()
    assert loaded & {"attr", "asyncio", "inspect", "json", "logging", "requests", "socket", "ssl", "urllib3"} == set()


def test_a_first_run_loads_only_requests_attrs_and_the_parts_that_a_blocking_run_goes_through():
    with FakeReplicate() as fake, fake.serve() as url:
        fake.on("owner/llm").streams("Hello")
        script = f"""
from replicate_home import Client
with Client(base_url={url!r}) as client:
    assert client.run("owner/llm", {{"prompt": "Hi"}}) == ["Hello"]
"""
        loaded = loaded_by("import requests, attrs, contextvars", script)
    ours = of_the_package(loaded, "") | {"replicate_home"}
    assert loaded - ours == set()
    assert of_the_package(loaded, *OTHER_WAYS) == set()
    assert len(ours) <= 61


def test_the_command_line_loads_nothing_of_the_network_for_a_model_in_this_process():
    pytest.importorskip("click")
    script = """
from replicate_home import local_model
from replicate_home.cli.main import main

@local_model("local/louder")
def louder(text: str) -> str:
    return text.upper()

assert main(["stream", "local/louder", "text=hi"]) == 0
"""
    loaded = {name.partition(".")[0] for name in loaded_by("import attrs, click", script)}
    network = {"requests", "urllib3", "aiohttp", "asyncio", "socket", "ssl", "http", "email", "subprocess", "tempfile"}
    assert loaded & network == set()


# ---- requests --------------------------------------------------------------------------------------------------


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    """A Replicate in virtual time."""
    with FakeReplicate() as fake:
        yield fake


def test_a_run_that_ends_while_the_server_holds_the_create_is_two_requests(fake):
    # The first is answered "processing", so that the end has to be asked for.
    fake.on("owner/llm").streams("Hel", "lo").takes(0.9)
    assert fake.client().run("owner/llm", {}).text == "Hello"
    assert [asked.method for asked in fake.requests] == ["POST", "GET"]
    assert fake.clock.now() == 0.9


@pytest.mark.parametrize("seconds", [6, 60, 500])
def test_past_the_hold_the_end_of_the_stream_is_the_signal_and_one_more_request_has_the_result(fake, seconds):
    fake.on("owner/llm").streams("Hel", "lo").takes(seconds)
    assert fake.client().run("owner/llm", {}).text == "Hello"
    assert [asked.method for asked in fake.requests] == ["POST", "GET", "GET"]
    assert fake.clock.now() == seconds, "it was known at the very moment"


def test_a_stream_is_three_requests(fake):
    fake.on("owner/llm").streams(*map(str, range(100))).takes(30)
    assert "".join(fake.client().stream("owner/llm", {})) == "".join(map(str, range(100)))
    assert [asked.method for asked in fake.requests] == ["POST", "GET", "GET"]
    assert fake.clock.now() == 30


# How many requests it takes to see the end of a prediction that has no stream, and at most how late it is seen.
CURVE = {0.2: (4, 0.1), 1: (12, 0.1), 5: (42, 0.3), 30: (80, 1.6), 120: (110, 5.5), 600: (205, 5.5), 1800: (450, 5.5)}


@pytest.mark.parametrize("seconds", CURVE)
def test_polling_costs_few_requests_and_is_late_by_a_twentieth_at_most(fake, seconds):
    most_requests, most_late = CURVE[seconds]
    fake.on("owner/model").returns("done").takes(seconds)
    assert fake.client(timeout=None).run("owner/model", {}, wait=False) == "done"
    assert fake.clock.now() - seconds <= most_late
    assert len(fake.requests) <= most_requests


# ---- function calls --------------------------------------------------------------------------------------------


TOKENS = 5_000
EVENTS = [b"event: output\nid: 1690212292:%d\ndata: tok%d\n\n" % (number, number) for number in range(TOKENS)]
FINISHED = {"id": "abc", "status": "succeeded", "output": ["Hi"], "logs": "", "metrics": {}, "urls": {}}


class Finished:
    """A transport whose predictions are finished at once."""

    clock = SystemClock()

    def send(self, request: Request, deadline: float | None) -> tuple[Response, None]:
        """Answer whatever is asked."""
        return Response(201, {}, json.dumps(FINISHED).encode()), None

    def close(self) -> None:
        """Nothing is open."""


class Streaming(Finished):
    """A transport whose predictions stream ``pieces``, one for each read."""

    def __init__(self, pieces: Callable[[], Iterator[bytes]], output: list[str]) -> None:
        self.pieces, self.output = pieces, output

    def send(self, request: Request, deadline: float | None) -> tuple[Response, Pieces | None]:
        """Answer a create, the stream, or the poll after it."""
        if request.streams:
            return Response(200, {"content-type": "text/event-stream"}), Pieces(self.pieces())
        running = {"id": "abc", "status": "processing", "urls": {"stream": "https://api.replicate.com/v1/stream"}}
        shown = running if request.method == "POST" else {**FINISHED, "output": self.output}
        return Response(200, {}, json.dumps(shown).encode()), None


@attrs.define
class Pieces:
    """The body of a stream."""

    left: Iterator[bytes]

    def read(self, deadline: float | None) -> bytes:
        """The next piece."""
        return next(self.left, b"")

    def close(self) -> None:
        """Nothing is open."""


def streaming(size: int | None = None) -> Client:
    """A client whose predictions stream ``TOKENS`` tokens: ``size`` bytes a read, or one event."""
    whole = b"".join(EVENTS)
    pieces = EVENTS if size is None else [whole[start : start + size] for start in range(0, len(whole), size)]
    output = [f"tok{number}" for number in range(TOKENS)]
    return Client(api_token="t", transport=Streaming(lambda: iter([*pieces, b"event: done\ndata: {}\n\n"]), output))


def drain(client: Client) -> None:
    """Take every token of a stream."""
    for _ in client.stream("owner/llm", {}):
        pass


def function_calls(act: Callable[[], object]) -> int:
    """How many Python functions are called, and generators resumed."""
    calls = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    act()  # whatever happens only once
    before = sys.getprofile()
    gc.disable()  # what earlier tests left for the collector is not counted here
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(before)
        gc.enable()
    return calls


def test_a_run_of_a_finished_prediction_takes_some_dozens_of_function_calls():
    client = Client(api_token="t", transport=Finished())
    answered = function_calls(lambda: Finished().send(Request("GET", "https://api.replicate.com/v1/x"), None))
    assert function_calls(lambda: client.run("owner/llm", {"prompt": "Hi"})) - answered <= 170


def test_a_token_among_many_takes_two_function_calls():
    client = streaming(16_384)
    assert function_calls(lambda: drain(client)) / TOKENS <= 2.4


def test_a_network_read_takes_some_dozens_of_function_calls_whatever_came_before():
    client = streaming()
    assert function_calls(lambda: drain(client)) / TOKENS <= 41


SPELLINGS = {
    "event, id, data": ["event: output", "id: 1690212292:7", "data: tok"],
    "id, event, data": ["id: 1690212292:7", "event: output", "data: tok"],
    "event, data, id": ["event: output", "data: tok", "id: 1690212292:7"],
    "data, id, event": ["data: tok", "id: 1690212292:7", "event: output"],
    "no spaces": ["event:output", "id:1690212292:7", "data:tok"],
    "empty data": ["event: output", "id: 1690212292:7", "data: "],
    "data that is a name": ["event: output", "id: 1690212292:7", "data"],
    "two data lines": ["event: output", "id: 1690212292:7", "data: tok", "data: en"],
    "data lines around the id": ["event: output", "data: tok", "id: 1690212292:7", "data: en"],
    "a line break": ["event: output", "id: 1690212292:7", "data: ", "data: "],
    "two line breaks": ["event: output", "id: 1690212292:7", "data:", "data:", "data:"],
    "a comment before": [": hi", "", "event: output", "id: 1690212292:7", "data: tok"],
    "comments between": ["event: output", ": hi", "id: 1690212292:7", ":", "data: tok"],
    "an unknown field": ["event: output", "id: 1690212292:7", "priority: 1", "data: tok"],
}
USUAL = SPELLINGS["event, id, data"]


def decoding(lines: list[str], end: str) -> Callable[[], None]:
    """Decode many events of these lines, in the pieces of a network."""
    whole = end.join([*lines, "", ""]).encode() * TOKENS
    pieces = [whole[start : start + 16_384] for start in range(0, len(whole), 16_384)]

    def decode() -> None:
        decoder, events = Decoder(), 0
        for piece in pieces:
            events += len(decoder.feed(piece))
        assert events == TOKENS

    return decode


def lines_run(act: Callable[[], object]) -> int:
    """How many lines of Python are run."""
    lines = 0

    def note(frame: object, event: str, argument: object) -> Callable[..., Any]:
        nonlocal lines
        lines += event == "line"
        return note

    before = sys.gettrace()
    sys.settrace(note)
    try:
        act()
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_decoder_calls_no_function_for_an_event_however_it_is_spelled(spelling, end):
    calls = function_calls(decoding(SPELLINGS[spelling], end))
    assert calls / TOKENS <= 0.1, "what is called is called once for a piece, and for the event that is cut"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_decoder_does_at_most_twice_the_work_for_an_event_in_another_spelling(spelling, end):
    usual = lines_run(decoding(USUAL, "\n")) / TOKENS
    assert lines_run(decoding(SPELLINGS[spelling], end)) / TOKENS <= 2 * usual


def test_the_shortcuts_of_the_hot_loop_forget_no_field():
    """A life that hears of nothing is the same life, whatever is in it."""
    odd = {field.name: f"any {field.name}" for field in attrs.fields(Life)}
    life = Life(**odd | {"terms": Terms(Replicate()), "seen": Seen("1:2", 1, 2), "logged": 3, "cuts": 4, "opens": 1})
    assert life.hearing([]) == (life, (), False)


# ---- memory ----------------------------------------------------------------------------------------------------


@contextmanager
def traced() -> Iterator[None]:
    """Python's allocations are counted meanwhile."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def held() -> int:
    """The bytes that are held now."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize("journal", [None, "run.sqlite"])
@pytest.mark.long
def test_a_batch_keeps_nothing_of_the_items_that_it_has_handed_out(tmp_path, journal):
    client = Client(api_token="t", transport=Finished())
    inputs = ({"prompt": f"Hi {number}", "long": "x" * 20_000} for number in range(250))
    path = None if journal is None else tmp_path / journal
    with traced(), client.map("owner/llm:1", inputs, concurrency=4, journal=path) as batch:
        for _ in range(80):
            next(batch)
        before = held()
        for _ in range(150):
            next(batch)
        assert held() - before < MIB  # of those under way; inputs of 3 MB went by


@pytest.mark.long
def test_a_thousand_predictions_leave_nothing_behind():
    client = Client(api_token="t", transport=Finished(), base_url="https://unlimited.example/v1")
    with traced():
        for _ in range(20):
            client.run("owner/llm", {"prompt": "Hi"})
        before, objects = held(), len(gc.get_objects())
        for _ in range(1_000):
            client.run("owner/llm", {"prompt": "Hi"})
        assert held() - before < 4 * KIB
        assert len(gc.get_objects()) - objects < 10


def test_streams_leave_nothing_behind():
    client = streaming(16_384)
    with traced():
        "".join(client.stream("owner/llm", {}))
        before = held()
        for _ in range(3):
            "".join(client.stream("owner/llm", {}))
        assert held() - before < 4 * KIB


def test_a_stream_holds_its_text_and_nothing_else_for_a_token():
    """Each token once and its place in a list, which is made longer by an eighth at a time."""
    tokens = 50_000

    def pieces() -> Iterator[bytes]:
        for first in range(0, tokens, 100):
            numbers = range(first, first + 100)
            yield b"".join(b"event: output\nid: 1690212292:%d\ndata: tok%05d\n\n" % (n, n) for n in numbers)

    stream = Client(api_token="t", transport=Streaming(pieces, [])).stream("owner/llm", {})
    with traced():
        for _ in range(1_000):
            next(stream)
        before = held()
        for _ in range(tokens - 1_000):
            token = next(stream)
        assert held() - before <= (tokens - 1_000) * (sys.getsizeof(token) + 12)
    stream.close()


def frames_of(task: asyncio.Task[object]) -> int:
    """How many coroutines wait in one another for what a task waits for."""
    frames, waiting = 0, task.get_coro()
    while asyncio.iscoroutine(waiting):
        frames, waiting = frames + 1, waiting.cr_await
    return frames


def test_a_call_that_waits_in_an_event_loop_holds_some_kilobytes_and_frames():
    pytest.importorskip("aiohttp")
    calls, arrived = 40, threading.Semaphore(0)

    def hold(received: Received) -> bytes:
        arrived.release()
        over.wait(60)
        return answer(201, b'{"id": "a1", "status": "succeeded", "output": "Hi"}')

    async def main(url: str) -> tuple[int, int, int]:
        async with AsyncClient("t", base_url=url) as client:
            with traced():
                tasks = [asyncio.create_task(client.run("owner/llm", {"prompt": "Hi"})) for _ in range(calls)]
                for _ in range(calls):
                    await asyncio.to_thread(arrived.acquire, timeout=60)
                gc.collect()
                waiting = asyncio.all_tasks() - {asyncio.current_task()}
                frames = sum(map(frames_of, waiting))
                ours = [f"replicate_home/{folder}" for folder in ("client", "drivers", "transports", "lifecycle")]
                kept = [tracemalloc.Filter(True, f"*/{folder}/*") for folder in ("asyncio", "aiohttp", *ours)]
                memory = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(kept).traces)
            over.set()
            assert await asyncio.gather(*tasks) == ["Hi"] * calls
            return len(waiting), frames, memory

    over = threading.Event()
    with ScriptedServer([Serve(hold)], repeat=True) as server:
        tasks, frames, memory = asyncio.run(main(server.url))
    assert tasks == 2 * calls
    assert frames <= 11 * calls
    assert memory <= calls * 24 * KIB  # more than half of it is what aiohttp keeps of a request under way


@attrs.frozen
class Swallow:
    """Receive a request into one buffer that is always the same."""

    lengths: list[int]

    def play(self, line: Line) -> None:
        """Do it."""
        buffer = bytearray(64 * KIB)
        size = line.sock.recv_into(buffer)
        head, _, begun = bytes(buffer[:size]).partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        left = length - len(begun)
        while left and (received := line.sock.recv_into(buffer)):
            left -= received
        self.lengths.append(length - left)


def test_an_upload_of_50_mb_adds_less_than_2_mib(tmp_path):
    large, lengths = tmp_path / "large.bin", []
    with large.open("wb") as file:
        file.truncate(50_000_000)
    with ScriptedServer([Swallow(lengths), Send(answer(201, b"{}")), Cut()]) as server:
        source = source_of(large)
        assert source is not None
        request = Request("POST", f"{server.url}/v1/files", body=MultipartUpload(source))
        transport = RequestsTransport()
        with traced():
            response, _ = transport.send(request, None)
            _, peak = tracemalloc.get_traced_memory()
        transport.close()
    assert (response.status, lengths[0] > 50_000_000) == (201, True)
    assert peak < 2 * MIB


@attrs.frozen
class Pour:
    """Answer a create with the URL of a file, and a request for that with 50 MiB from one buffer."""

    buffer: bytes = bytes(MIB)

    def play(self, line: Line) -> None:
        """Do it."""
        while True:
            asked = line.receive()
            if asked.method == "POST":
                output = f"http://{asked.headers['host']}/v1/files/large"
                line.sock.sendall(answer(201, json.dumps({**FINISHED, "output": output}).encode()))
                continue
            line.sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {50 * len(self.buffer)}\r\n\r\n".encode())
            for _ in range(50):
                line.sock.sendall(self.buffer)


def saved(url: str, path: Path) -> int:
    """The most bytes that are held while a file is saved."""
    with Client("t", base_url=url) as client:
        file = client.run("owner/model", {}).file
        with traced():
            file.save(path)
            return tracemalloc.get_traced_memory()[1]


def asaved(url: str, path: Path) -> int:
    """The same in an event loop."""

    async def main() -> int:
        async with AsyncClient("t", base_url=url) as client:
            file = (await client.run("owner/model", {})).file
            with traced():
                await file.asave(path)
                return tracemalloc.get_traced_memory()[1]

    return asyncio.run(main())


@pytest.mark.parametrize("save", [saved, asaved])
def test_a_download_of_50_mib_adds_less_than_2_mib(save, tmp_path):
    with ScriptedServer([Pour()], repeat=True) as server:
        peak = save(server.url, tmp_path / "large.bin")
    assert (tmp_path / "large.bin").stat().st_size == 50 * MIB
    assert peak < 2 * MIB
