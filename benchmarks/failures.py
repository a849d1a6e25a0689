"""``python -m benchmarks.failures``: what the official clients do when something fails, and what this one does.

Each client meets each fault alone, in a process of its own, on a new server of raw sockets that plays one script.
The table says what was seen from outside: what came back or was raised, what the server was sent. Ends with status 1
where this project's client did not do what it promises.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .environments import OFFICIAL, OURS, PEERS, clean_environ, python_of

PATIENCE = 8.0
CLIENTS = {
    "official": ("official 1.0.7", (OFFICIAL,)),
    "beta": ("official 2.0.0b4", ("replicate==2.0.0b4",)),
    "ours": ("replicate_home", (OURS,)),
}
STALL = None
DROP = b""
CRASH = "no outcome"


class Asked(NamedTuple):
    """One request the server was sent, and at which of its addresses."""

    at: str
    method: str
    path: str
    has_token: bool
    turn: int


class Seen(NamedTuple):
    """How one client took one fault."""

    returned: Any
    raised: str
    message: str
    asked: list[Asked]

    @property
    def creates(self) -> int:
        """How many create requests were sent."""
        return sum(one.method == "POST" and one.path.endswith("/predictions") for one in self.asked)

    @property
    def leaked(self) -> bool:
        """Whether another host was given the token."""
        return any(one.has_token for one in self.asked if one.at != "api")


class Scene:
    """A server for one client and one fault: the API's address and two of another host, one of them with TLS."""

    def __init__(self, script: Script, certificate: pathlib.Path | None) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.over = threading.Event()
        self.listeners: dict[str, socket.socket] = {}
        self.threads: list[threading.Thread] = []
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate)
        for at in ("api", "other", "secure"):
            self.listeners[at] = socket.create_server(("127.0.0.1", 0))
            self.spawn(self.listen, at)

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        for listener in self.listeners.values():
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in self.threads:
            thread.join(2)

    def url(self, at: str) -> str:
        """The address of one of the three."""
        port = self.listeners[at].getsockname()[1]
        return {"api": "http://127.0.0.1", "other": "http://localhost", "secure": "https://localhost"}[at] + f":{port}"

    def spawn(self, act: Callable[..., None], *arguments: Any) -> None:
        """Do something in a thread that ends with the scene."""
        thread = threading.Thread(target=act, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def listen(self, at: str) -> None:
        """Take connections until the scene is over."""
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listeners[at].accept()
                self.spawn(self.play, at, sock)

    def play(self, at: str, sock: socket.socket) -> None:
        """Answer one request as the script says, and close."""
        sock.settimeout(PATIENCE)
        with contextlib.suppress(OSError), sock:
            if at == "secure" and self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            with sock:
                asked = self.receive(at, sock)
                if asked is None:
                    return
                answer = self.script(self, asked)
                if answer is STALL:
                    self.over.wait(PATIENCE)
                else:
                    sock.sendall(answer)
                    sock.shutdown(socket.SHUT_WR)

    def receive(self, at: str, sock: socket.socket) -> Asked | None:
        """Read one whole request and keep what matters of it."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += (piece := sock.recv(65536))
            if not piece:
                return None
        head, _, body = data.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        missing = int(found[1]) - len(body) if found else 0
        while missing > 0:
            missing -= len(sock.recv(65536)) or missing
        method, path, *_ = head.decode("latin-1").split(" ")
        turn = sum((one.method, one.path) == (method, path) for one in self.asked)
        self.asked.append(Asked(at, method, path, b"r8_" in head, turn))
        return self.asked[-1]


Script = Callable[[Scene, Asked], bytes | None]


def answer(status: int, document: Any, **headers: str) -> bytes:
    """A whole JSON answer on a connection that is then closed."""
    body = json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} Said", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def events(*texts: str) -> bytes:
    """An event stream that ends where it ends: no length and no chunks, as some proxies make it."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    return head + "".join(texts).encode()


def output(sequence: int, text: str) -> str:
    """One output event."""
    return f"event: output\nid: 1690212292:{sequence}\ndata: {text}\n\n"


def done(document: str = "{}") -> str:
    """The last event."""
    return f"event: done\nid: 1690212292:99\ndata: {document}\n\n"


def prediction(scene: Scene, status: str, said: Any = None, error: str | None = None, **urls: str) -> dict[str, Any]:
    """A prediction in the API's words."""
    base = f"{scene.url('api')}/v1/predictions/p1"
    return {
        "id": "p1", "model": "bench/model", "version": "hidden", "status": status, "input": {"prompt": "Say hello"},
        "output": said, "error": error, "logs": "", "metrics": {}, "created_at": "2026-01-01T00:00:00.000Z",
        "data_removed": False, "urls": {"get": base, "cancel": f"{base}/cancel", **urls},
    }  # fmt: skip


def model(*, file: bool = False) -> bytes:
    """The model, whose output is text or a file."""
    text = {"type": "string", "format": "uri"} if file else {"type": "array", "items": {"type": "string"}}
    schemas = {"Input": {"type": "object", "properties": {"prompt": {"type": "string"}}}, "Output": text}
    version = {"id": "0" * 64, "created_at": "2026-01-01T00:00:00.000Z", "cog_version": "0.16.0",
               "openapi_schema": {"components": {"schemas": schemas}}}  # fmt: skip
    return answer(200, {"owner": "bench", "name": "model", "url": "", "visibility": "public", "run_count": 0,
                        "latest_version": version})  # fmt: skip


def scripted(create: Script, look: Script, stream: Script | None = None, *, file: bool = False) -> Script:
    """A script from its parts: what a create, a look at the prediction and the stream are answered."""

    def play(scene: Scene, asked: Asked) -> bytes | None:
        if "/stream" in asked.path and stream:
            return stream(scene, asked)
        if asked.path.endswith("/cancel"):
            return answer(200, prediction(scene, "canceled"))
        if asked.method == "POST":
            return create(scene, asked)
        return model(file=file) if "/models/" in asked.path else look(scene, asked)

    return play


def starting(scene: Scene, _: Asked) -> bytes:
    """A create that is answered at once, with a stream at the API's own address."""
    return answer(201, prediction(scene, "starting", stream=f"{scene.url('api')}/stream"))


def says(status: str, said: Any = None, error: str | None = None) -> Script:
    """Answers with the prediction in a certain state."""
    return lambda scene, asked: answer(201 if asked.method == "POST" else 200, prediction(scene, status, said, error))


def failing_once(scene: Scene, asked: Asked) -> bytes:
    """The first look fails, the second finds it finished."""
    if asked.turn == 0:
        return answer(500, {"detail": "Internal error", "status": 500})
    return answer(200, prediction(scene, "succeeded", ["whole"]))


def names_another_host(scene: Scene, _: Asked) -> bytes:
    """A create whose stream is on another host."""
    return answer(201, prediction(scene, "starting", stream=f"{scene.url('other')}/stream"))


def file_elsewhere(scene: Scene, asked: Asked) -> bytes:
    """A file output on another host, and the file."""
    if asked.at != "api":
        return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfile"
    return answer(201, prediction(scene, "succeeded", f"{scene.url('secure')}/file.txt"))


class Fault(NamedTuple):
    """One fault: what the client does, the script, and how one sees that it was taken rightly."""

    title: str
    act: str
    script: Script
    right: Callable[[Seen], bool]
    detail: Callable[[Seen], str] = lambda _: ""
    not_for: tuple[str, ...] = ()


def count_creates(seen: Seen) -> str:
    """For the table."""
    return f"{seen.creates} create{'s' * (seen.creates != 1)} sent"


def tell_leak(seen: Seen) -> str:
    """For the table."""
    return "the token was sent there" if seen.leaked else "no token was sent there"


FAULTS = (
    Fault(
        "the stream is cut after two of three tokens", "stream",
        scripted(starting, says("succeeded", ["one ", "two ", "three"]),
                 lambda *_: events(output(0, "one "), output(1, "two "))),
        lambda seen: seen.returned == "one two three", not_for=("beta",),
    ),
    Fault(
        "the stream ends with `done` because the model failed", "stream",
        scripted(starting, says("failed", ["one "], "out of memory"),
                 lambda *_: events(output(0, "one "), done('{"reason": "error"}'))),
        lambda seen: bool(seen.raised), not_for=("beta",),
    ),
    Fault(
        "a token holds a Unicode line separator", "stream",
        scripted(starting, says("succeeded", ["one\u2028two"]), lambda *_: events(output(0, "one\u2028two"), done())),
        lambda seen: seen.returned == "one\u2028two", not_for=("beta",),
    ),
    Fault(
        "the held create is answered `processing` with a part of the output", "run",
        scripted(says("processing", ["part"]), says("succeeded", ["part", " and whole"])),
        lambda seen: seen.returned == ["part", " and whole"],
    ),
    Fault(
        "the connection drops after the create was processed", "create",
        scripted(lambda *_: DROP, says("succeeded", ["whole"])),
        lambda seen: seen.creates == 1 and bool(seen.raised), count_creates,
    ),
    Fault(
        "the create is processed but its answer is 500", "create",
        scripted(lambda *_: answer(500, {"detail": "Internal error", "status": 500}), says("succeeded", ["whole"])),
        lambda seen: seen.creates == 1 and bool(seen.raised), count_creates,
    ),
    Fault(
        "the create is processed but its answer does not come in time", "create",
        scripted(lambda *_: STALL, says("succeeded", ["whole"])),
        lambda seen: seen.creates == 1, count_creates,
    ),
    Fault(
        "one look at a running prediction is answered 500", "wait",
        scripted(says("starting"), failing_once), lambda seen: seen.returned == ["whole"],
    ),
    Fault(
        "the prediction is `aborted`", "wait",
        scripted(says("starting"), says("aborted")), lambda seen: seen.raised == "ModelCanceled" or (
            bool(seen.raised) and "abort" in seen.message.lower() and "valid" not in seen.message),
    ),
    Fault(
        "the stream's address is on another host", "stream",
        scripted(names_another_host, says("succeeded", ["one"]), lambda *_: events(output(0, "one"), done())),
        lambda seen: not seen.leaked, tell_leak, not_for=("beta",),
    ),
    Fault(
        "the model returns a file on another host", "read",
        scripted(file_elsewhere, file_elsewhere, file=True), lambda seen: not seen.leaked, tell_leak,
    ),
    Fault(
        "429 with `Retry-After: 86400`", "get",
        scripted(says("starting"), lambda *_: answer(429, {"detail": "Throttled", "status": 429}, Retry_After="86400")),
        lambda seen: bool(seen.raised), lambda seen: f"{len(seen.asked)} request{'s' * (len(seen.asked) != 1)} sent",
    ),
)  # fmt: skip


def meet(fault: Fault, client: str, python: pathlib.Path, certificate: pathlib.Path | None) -> Seen:
    """Let one client meet one fault, for so long as our patience lasts."""
    environ = clean_environ()
    if certificate:
        environ |= {"SSL_CERT_FILE": str(certificate), "REQUESTS_CA_BUNDLE": str(certificate)}
    with Scene(fault.script, certificate) as scene:
        command = [str(python), str(PEERS / "failing.py"), client, scene.url("api"), fault.act]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environ, check=False)
            reply = json.loads(done.stdout or "{}")
        except subprocess.TimeoutExpired:
            return Seen(None, "", f"still waiting after {PATIENCE:g} s", list(scene.asked))
        if not reply:
            reply = {"raised": CRASH, "message": (done.stderr.strip().splitlines() or ["silent"])[-1]}
        returned = json.loads(reply["returned"]) if "returned" in reply else None
        return Seen(returned, reply.get("raised", ""), reply.get("message", ""), list(scene.asked))


@contextlib.contextmanager
def home_made_certificate() -> Iterator[pathlib.Path | None]:
    """A certificate for ``localhost`` with its key, made by openssl; None where there is no openssl."""
    if not shutil.which("openssl"):
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = pathlib.Path(folder, "key.pem"), pathlib.Path(folder, "localhost.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key),
             "-out", str(certificate), "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
            check=True, capture_output=True,
        )  # fmt: skip
        certificate.write_text(certificate.read_text() + key.read_text())
        yield certificate


def is_right(fault: Fault, seen: Seen) -> bool:
    """Whether a client did as it should; one that cannot be run did not."""
    return seen.raised != CRASH and fault.right(seen)


def told(fault: Fault, seen: Seen) -> str:
    """One cell of the table."""
    if seen.raised:
        what = f"raised `{seen.raised}`" if seen.raised != CRASH else f"{CRASH}: {seen.message}"
    elif seen.message:
        what = seen.message
    else:
        what = f"returned `{json.dumps(seen.returned)}`"
    detail = fault.detail(seen)
    mark = "✓" if is_right(fault, seen) else "✗"
    return f"{mark} {what}" + (f"; {detail}" if detail else "")


def main() -> None:
    """Print the table."""
    pythons = {client: python_of(packages) for client, (_, packages) in CLIENTS.items()}
    print(f"| what fails | {' | '.join(title for title, _ in CLIENTS.values())} |\n| --- | --- | --- | --- |")
    broken = False
    with home_made_certificate() as certificate:
        for fault in FAULTS:
            cells = []
            for client, python in pythons.items():
                skipped = client in fault.not_for or (fault.act == "read" and certificate is None)
                seen = None if skipped else meet(fault, client, python, certificate)
                cells.append("has no event streams" if client in fault.not_for else told(fault, seen) if seen else "")
                broken |= client == "ours" and seen is not None and not is_right(fault, seen)
            print(f"| {fault.title} | {' | '.join(cells)} |", flush=True)
    sys.exit(broken)


if __name__ == "__main__":
    main()
