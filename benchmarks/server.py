"""A loopback server in the shape of the hosted API, quick enough not to be what is measured.

One process, one thread, plain sockets, answers made of bytes that were prepared beforehand. The model's name says
what its predictions do (see ``Plan``), so no state is kept but the moments at which lasting ones finish. It prints
its address as its first line and ends when its standard input does; nothing but loopback can reach it.

Run as ``python server.py``: no import of the package that holds it, so that any Python starts it alone.
"""

from __future__ import annotations

import heapq
import json
import re
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

NETWORK_CHUNK = 16_384
ZEROS = memoryview(bytes(1 << 20))

_REQUEST_LINE = re.compile(rb"([A-Z]+) (?:http://[^/ ]+)?(/[^ ]*) HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HOLD = re.compile(rb"\r\nprefer: *wait(?:=(\d+))?", re.IGNORECASE)
_ID = re.compile(rb"([a-z]+)(\d+)?(?:every(\d+))?(?:hold(\d+))?n\d+")
_MODEL = re.compile(rb"bench/([a-z]+)(?:-(\d+))?(?:-(\d+))?(?:-hold-(\d+))?")


class Plan(NamedTuple):
    """What a model's predictions do, read from its name.

    ``bench/finished`` has its output at once; ``bench/lasts-800`` after 800 ms, and the create request is held as
    long as its ``Prefer: wait`` asks; ``bench/lasts-800-hold-100`` likewise, but held for 100 ms at most;
    ``bench/tokens-5000`` streams so many tokens in 16 kB chunks and ``bench/chunks-5000`` one token a chunk;
    ``bench/paced-400-5`` streams 400 tokens, one a network write and a write every 5 ms, each of them the
    moment at which it was written; ``bench/file-64`` returns the URL of a file of 64 MiB.
    """

    kind: str
    number: int
    every_ms: int
    most_held_ms: int

    @classmethod
    def named(cls, text: bytes) -> Plan | None:
        """The plan of the first model named in a path or a request body."""
        return cls.found(_MODEL.search(text))

    @classmethod
    def found(cls, found: re.Match[bytes] | None) -> Plan | None:
        """The plan that a name or an identifier spells."""
        if found is None:
            return None
        kind, number, every, held = found.groups()
        return cls(kind.decode(), int(number or 0), int(every or 0), int(held or 60_000))

    @property
    def name(self) -> str:
        """The model's name without its owner."""
        number = f"-{self.number}" if self.kind != "finished" else ""
        every = f"-{self.every_ms}" if self.every_ms else ""
        held = f"-hold-{self.most_held_ms}" if self.most_held_ms != 60_000 else ""
        return f"{self.kind}{number}{every}{held}"

    def identifier(self, serial: int) -> str:
        """The id of one of its predictions: letters and digits."""
        every = f"every{self.every_ms}" if self.every_ms else ""
        held = f"hold{self.most_held_ms}" if self.most_held_ms != 60_000 else ""
        return f"{self.kind}{self.number}{every}{held}n{serial}"

    @property
    def streams(self) -> bool:
        """Whether its output is a list of tokens."""
        return self.kind in ("tokens", "chunks", "paced")


def words(count: int) -> list[str]:
    """The tokens of a stream: words of the length that language models deliver."""
    return [" " + "lorem"[: index % 5 + 1] + str(index % 10) for index in range(count)]


def events(count: int) -> list[bytes]:
    """The events of a stream of ``count`` tokens and its end, in the grammar of the hosted API."""
    return [*[output_event(index, word) for index, word in enumerate(words(count))], done_event(count)]


def output_event(index: int, token: str) -> bytes:
    """The event of one token."""
    return f"event: output\nid: 1690212292:{index}\ndata: {token}\n\n".encode()


def done_event(count: int) -> bytes:
    """The event that ends a stream of ``count`` tokens."""
    return f"event: done\nid: 1690212292:{count}\ndata: {{}}\n\n".encode()


def answer(status: str, document: Any) -> bytes:
    """A whole JSON answer."""
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def http_chunk(data: bytes) -> bytes:
    """One chunk of a body in chunked encoding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def slices(data: bytes, size: int = NETWORK_CHUNK) -> list[bytes]:
    """``data`` cut into pieces of ``size``."""
    return [data[start : start + size] for start in range(0, len(data), size)]


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
STREAM_END = http_chunk(done_event(0)) + b"0\r\n\r\n"
NOT_FOUND = answer("404 Not Found", {"detail": "The benchmark server has no such path.", "status": 404})


@lru_cache(maxsize=32)
def stream_body(plan: Plan) -> tuple[bytes, ...]:
    """A token stream as the pieces that are sent, each in one network write."""
    if plan.kind == "tokens":
        pieces = [http_chunk(piece) for piece in slices(b"".join(events(plan.number)))]
        return (STREAM_HEAD + pieces[0], *pieces[1:-1], b"".join(pieces[1:][-1:]) + b"0\r\n\r\n")
    chunks = b"".join(map(http_chunk, events(plan.number))) + b"0\r\n\r\n"
    return tuple(slices(STREAM_HEAD + chunks))


class Connection:
    """One client's socket: what has arrived, and what still has to be sent."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = bytearray()
        self.outgoing: deque[bytes | memoryview] = deque()
        self.skip = 0
        self.after_skip = b""


class Server:
    """The event loop: sockets that are ready, and moments that have come."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.setblocking(False)
        self.origin = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.selector = selectors.DefaultSelector()
        self.requests = 0
        self.serial = 0
        self.done_at: dict[str, float | None] = {}
        self.waiting: dict[str, list[tuple[Connection, str]]] = {}
        self.stamps: dict[str, list[str]] = {}
        self.timers: list[tuple[float, int, Callable[[], None]]] = []
        self.prepared: dict[tuple[Plan, str], bytes] = {}

    # --- the loop -------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Answer until standard input ends."""
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        self.selector.register(sys.stdin, selectors.EVENT_READ, "parent")
        while True:
            for key, mask in self.selector.select(self.seconds_to_timer()):
                if key.data == "parent":
                    return
                if key.data is None:
                    self.accept()
                else:
                    self.attend(key.data, mask)
            self.run_timers()

    def seconds_to_timer(self) -> float | None:
        """How long the selector may sleep: short of the next moment, for its timeout is rounded up."""
        if not self.timers:
            return None
        left = self.timers[0][0] - time.monotonic()
        return max(0.0, left - 0.001)

    def run_timers(self) -> None:
        """Do what is due."""
        while self.timers and self.timers[0][0] <= time.monotonic():
            heapq.heappop(self.timers)[2]()

    def accept(self) -> None:
        """Take every connection that is waiting."""
        while True:
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(sock, selectors.EVENT_READ, Connection(sock))

    def attend(self, connection: Connection, mask: int) -> None:
        """Read or write what one socket is ready for; a broken one is closed."""
        try:
            if mask & selectors.EVENT_WRITE:
                self.flush(connection)
            if mask & selectors.EVENT_READ:
                data = connection.sock.recv(1 << 20 if connection.skip else 1 << 16)
                if not data:
                    raise ConnectionResetError
                self.receive(connection, data)
        except OSError:
            self.drop(connection)

    def drop(self, connection: Connection) -> None:
        """Close one connection; whatever it waited for answers nobody."""
        if connection.sock.fileno() != -1:
            self.selector.unregister(connection.sock)
            connection.sock.close()

    def receive(self, connection: Connection, data: bytes) -> None:
        """Take the complete requests out of what has arrived; an upload's content is counted and dropped."""
        if connection.skip:
            connection.skip -= len(data)
            if connection.skip <= 0:
                self.send(connection, connection.after_skip)
            return
        buffer = connection.received
        buffer += data
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(buffer[: end + 2])
            found = _LENGTH.search(head)
            length = int(found[1]) if found else 0
            rest = len(buffer) - end - 4
            if rest < length and b" /v1/files " in head:
                self.requests += 1
                connection.skip, connection.after_skip = length - rest, self.uploaded(length)
                buffer.clear()
                return
            if rest < length:
                return
            body = bytes(buffer[end + 4 : end + 4 + length])
            del buffer[: end + 4 + length]
            self.answer(connection, head, body)

    def send(self, connection: Connection, *pieces: bytes | memoryview) -> None:
        """Queue an answer and send what the socket takes now."""
        connection.outgoing.extend(pieces)
        self.flush(connection)

    def flush(self, connection: Connection) -> None:
        """Send until the socket is full or nothing is left; watch for room only while it is needed."""
        outgoing = connection.outgoing
        try:
            while outgoing:
                sent = connection.sock.send(outgoing[0])
                if sent == len(outgoing[0]):
                    outgoing.popleft()
                else:
                    outgoing[0] = memoryview(outgoing[0])[sent:]
            mask = selectors.EVENT_READ
        except BlockingIOError:
            mask = selectors.EVENT_READ | selectors.EVENT_WRITE
        except OSError:
            self.drop(connection)
            return
        if self.selector.get_key(connection.sock).events != mask:
            self.selector.modify(connection.sock, mask, connection)

    # --- the API --------------------------------------------------------------------------------------------

    def answer(self, connection: Connection, head: bytes, body: bytes) -> None:
        """Answer one request."""
        line = _REQUEST_LINE.match(head)
        if line is None:
            return self.drop(connection)
        method, path = line.groups()
        if path == b"/bench/requests":
            return self.send(connection, answer("200 OK", {"requests": self.requests}))
        self.requests += 1
        if method == b"POST":
            return self.post(connection, path, head, body)
        return self.get(connection, path)

    def post(self, connection: Connection, path: bytes, head: bytes, body: bytes) -> None:
        """Create or cancel a prediction, or keep a small file."""
        if path.endswith(b"/predictions") and (plan := Plan.named(path) or Plan.named(body)):
            return self.create(connection, plan, _HOLD.search(head))
        if path.endswith(b"/cancel"):
            identifier = path.split(b"/")[-2].decode()
            return self.send(connection, self.prediction(identifier, "canceled", None))
        if path == b"/v1/files":
            return self.send(connection, self.uploaded(len(body)))
        return self.send(connection, NOT_FOUND)

    def create(self, connection: Connection, plan: Plan, hold: re.Match[bytes] | None) -> None:
        """Answer a create: finished, still starting, or later."""
        if plan.kind in ("finished", "file"):
            return self.send(connection, self.prepare(plan, "201 Created", "succeeded"))
        if plan.streams and not plan.every_ms:
            return self.send(connection, self.prepare(plan, "201 Created", "starting"))
        self.serial += 1
        identifier = plan.identifier(self.serial)
        if plan.streams:
            return self.send(connection, self.prediction(identifier, "starting", None, "201 Created"))
        now = time.monotonic()
        self.done_at[identifier] = None
        self.at(now + plan.number / 1000, partial(self.finish, identifier))
        if hold is None:
            return self.send(connection, self.prediction(identifier, "starting", None, "201 Created"))
        self.waiting.setdefault(identifier, []).append((connection, "create"))
        held = min(float(hold[1] or 60), plan.most_held_ms / 1000)
        if held < plan.number / 1000:
            self.at(now + held, partial(self.give_up_holding, identifier, connection))
        return None

    def get(self, connection: Connection, path: bytes) -> None:
        """Look up a prediction or a model, open a stream, or download a file."""
        parts = path.decode().split("/")
        if path.startswith(b"/v1/predictions/"):
            self.send(connection, self.state(parts[3]))
        elif path.startswith(b"/v1/streams/"):
            self.stream(connection, parts[3])
        elif path.startswith(b"/v1/models/") and (plan := Plan.named(path)):
            self.send(connection, model(plan, version="versions" in parts))
        elif path.startswith(b"/files/"):
            size = int(parts[2])
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {size << 20}\r\n\r\n"
            self.send(connection, head.encode(), *[ZEROS] * size)
        else:
            self.send(connection, NOT_FOUND)

    def stream(self, connection: Connection, identifier: str) -> None:
        """Send a token stream, whole or paced, or hold one that only says when its prediction is done."""
        plan = plan_of(identifier)
        if plan.every_ms:
            self.stamps[identifier] = []
            self.send(connection, STREAM_HEAD)
            self.at(time.monotonic() + plan.every_ms / 1000, partial(self.pace, identifier, connection))
        elif plan.streams:
            self.send(connection, *stream_body(plan))
        elif self.done_at.get(identifier):
            self.send(connection, STREAM_HEAD + STREAM_END)
        else:
            self.waiting.setdefault(identifier, []).append((connection, "stream"))
            self.send(connection, STREAM_HEAD)

    def pace(self, identifier: str, connection: Connection) -> None:
        """Write the next token of a paced stream, or its end; the one after it is never less than a pause away."""
        plan, stamps = plan_of(identifier), self.stamps[identifier]
        if connection.sock.fileno() == -1:
            return
        now = time.monotonic()
        if len(stamps) == plan.number:
            self.done_at[identifier] = now
            self.send(connection, http_chunk(done_event(plan.number)) + b"0\r\n\r\n")
            return
        self.at(now + plan.every_ms / 1000, partial(self.pace, identifier, connection))
        stamps.append(repr(time.monotonic()))
        self.send(connection, http_chunk(output_event(len(stamps) - 1, stamps[-1])))

    def at(self, moment: float, act: Callable[[], None]) -> None:
        """Do something at ``moment``."""
        self.serial += 1
        heapq.heappush(self.timers, (moment, self.serial, act))

    def finish(self, identifier: str) -> None:
        """The prediction is done: its output is this moment, and everybody who waits for it hears."""
        self.done_at[identifier] = time.monotonic()
        for connection, kind in self.waiting.pop(identifier, ()):
            if connection.sock.fileno() != -1:
                self.send(connection, STREAM_END if kind == "stream" else self.state(identifier, "201 Created"))

    def give_up_holding(self, identifier: str, held: Connection) -> None:
        """Answer a create whose prediction runs on."""
        waiting = self.waiting.get(identifier, [])
        if (held, "create") in waiting:
            waiting.remove((held, "create"))
            if held.sock.fileno() != -1:
                self.send(held, self.prediction(identifier, "starting", None, "202 Accepted"))

    def state(self, identifier: str, status: str = "200 OK") -> bytes:
        """The answer to a look at a prediction."""
        plan = plan_of(identifier)
        if plan.kind not in ("lasts", "paced"):
            return self.prepare(plan, status, "succeeded")
        done = self.done_at.get(identifier)
        if done is None:
            return self.prediction(identifier, "starting", None, status)
        return self.prediction(identifier, "succeeded", self.stamps.get(identifier, repr(done)), status)

    def prepare(self, plan: Plan, status: str, word: str) -> bytes:
        """The answer of a model whose predictions are all alike, made once."""
        key = (plan, status + word)
        if key not in self.prepared:
            output = None if word == "starting" else self.output(plan)
            self.prepared[key] = self.prediction(plan.identifier(0), word, output, status)
        return self.prepared[key]

    def output(self, plan: Plan) -> Any:
        """What a prediction of this model returns."""
        if plan.streams:
            return words(plan.number)
        return f"{self.origin}/files/{plan.number}" if plan.kind == "file" else "A finished answer."

    def prediction(self, identifier: str, word: str, output: Any, status: str = "200 OK") -> bytes:
        """A prediction as the hosted API shows it."""
        base = f"{self.origin}/v1/predictions/{identifier}"
        urls = {"get": base, "cancel": f"{base}/cancel", "web": f"{self.origin}/p/{identifier}"}
        if plan_of(identifier).streams or plan_of(identifier).kind == "lasts":
            urls["stream"] = f"{self.origin}/v1/streams/{identifier}"
        finished = "2026-01-01T00:00:01.500000Z" if word == "succeeded" else None
        return answer(status, {
            "id": identifier, "model": "bench/" + plan_of(identifier).name, "version": "hidden", "status": word,
            "input": {"prompt": "Say hello"}, "output": output, "logs": "", "error": None,
            "created_at": "2026-01-01T00:00:00.000000Z", "started_at": finished and "2026-01-01T00:00:00.500000Z",
            "completed_at": finished, "metrics": {"predict_time": 1.0, "total_time": 1.5} if finished else {},
            "data_removed": False, "source": "api", "urls": urls,
        })  # fmt: skip

    def uploaded(self, size: int) -> bytes:
        """A file that was taken."""
        return answer("201 Created", {
            "id": "file", "name": "upload", "content_type": "application/octet-stream", "size": size, "etag": "0",
            "checksums": {"sha256": "0" * 64, "md5": "0" * 32}, "metadata": {},
            "created_at": "2026-01-01T00:00:00.000000Z", "expires_at": "2026-01-02T00:00:00.000000Z",
            "urls": {"get": f"{self.origin}/v1/files/file"},
        })  # fmt: skip


@lru_cache(maxsize=4096)
def plan_of(identifier: str) -> Plan:
    """The plan of the model that an identifier names."""
    plan = Plan.found(_ID.fullmatch(identifier.encode()))
    if plan is None:
        raise ValueError(identifier)
    return plan


def model(plan: Plan, version: bool) -> bytes:
    """A model, or its version: a prompt goes in; text, tokens or a file come out."""
    output: dict[str, Any] = {"type": "string", "title": "Output"}
    if plan.streams:
        output = {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator", "title": "Output"}
    if plan.kind == "file":
        output["format"] = "uri"
    prompt = {"type": "string", "title": "Prompt"}
    schemas = {"Input": {"type": "object", "properties": {"prompt": prompt}}, "Output": output}
    latest = {
        "id": "0" * 64, "created_at": "2026-01-01T00:00:00.000000Z", "cog_version": "0.16.0",
        "openapi_schema": {"openapi": "3.0.2", "components": {"schemas": schemas}},
    }  # fmt: skip
    whole = {
        "owner": "bench", "name": plan.name, "url": "", "description": "", "visibility": "public", "run_count": 0,
        "github_url": None, "paper_url": None, "license_url": None, "cover_image_url": None,
        "default_example": None, "latest_version": latest,
    }  # fmt: skip
    return answer("200 OK", latest if version else whole)


def main() -> None:
    """Print the address and serve."""
    server = Server()
    print(server.origin, flush=True)
    server.serve()


if __name__ == "__main__":
    main()
