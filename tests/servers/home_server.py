"""A loopback server that speaks the homepage's protocol and plays scripted jobs.

``POST /api/prediction`` creates, ``GET /api/poll?id=`` (or the older ``GET /api/prediction?id=``) follows. A job is a
list of steps; the latest one whose poll number or time has come is the answer. ::

    with HomeServer() as server:
        server.add("google-deepmind/gemma-2b-it", job(Step("processing", ["Hel"]), Step("succeeded", "Hello", poll=2)))
        ...
        assert server.creates == 1
"""

from __future__ import annotations

import json
import socket
import socketserver
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Raw:
    """An answer as it goes over the wire, for what no well-behaved homepage would say."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


HANG_UP = Raw(0)
"""No answer at all: the connection is closed."""


def html_403() -> Raw:
    """What a wall in front of the homepage answers."""
    return Raw(403, b"<!DOCTYPE html><title>Just a moment...</title>", {"Content-Type": "text/html; charset=UTF-8"})


def too_many(retry_after: float) -> Raw:
    """429 with the wait it asks for."""
    body = json.dumps({"detail": "Request was throttled."}).encode()
    return Raw(429, body, {"Content-Type": "application/json", "Retry-After": f"{retry_after:g}"})


@dataclass(frozen=True)
class Step:
    """What polls answer from the ``poll``-th on, and not before ``after`` seconds have passed since the create.

    ``raw`` answers that one poll number with something else; the polls after it go on as if it had not been.
    """

    status: str = "processing"
    output: Any = None
    error: str | None = None
    poll: int = 1
    after: float = 0.0
    raw: Raw | None = None


@dataclass(frozen=True)
class Job:
    """A prediction's life as its polls see it; before the first step has come they see what the create saw."""

    steps: tuple[Step, ...]
    created: Step = Step("starting")
    content_type: str = "application/json"


def job(*steps: Step, created: Step = Step("starting"), content_type: str = "application/json") -> Job:
    """A job of these steps; ``created`` is the answer to the create itself."""
    return Job(steps, created, content_type)


def grows(*pieces: str) -> Job:
    """Text that grows by one piece a poll while ``processing`` and succeeds on the poll after the last."""
    growing = (Step("processing", list(pieces[:count]), poll=count) for count in range(1, len(pieces) + 1))
    return job(*growing, Step("succeeded", list(pieces), poll=len(pieces) + 1))


def returns(output: Any) -> Job:
    """A job that has succeeded at the first poll, whatever its output: a list, a string, None."""
    return job(Step("succeeded", output))


def fails(error: str) -> Job:
    """A job that has failed at the first poll."""
    return job(Step("failed", error=error))


@dataclass(frozen=True)
class Recorded:
    """A request as it arrived, header names in small letters; ``json`` is None where there was no JSON body."""

    method: str
    path: str
    headers: dict[str, str]
    json: Any


@dataclass
class _Running:
    id: str
    model: Any
    job: Job
    created_at: float
    polls: int = 0

    def answer(self, now: float) -> Raw | dict[str, Any]:
        """The next poll's answer."""
        self.polls += 1
        due = [step for step in self.job.steps if step.poll <= self.polls and step.after <= now - self.created_at]
        broken = [step.raw for step in due if step.raw and step.poll == self.polls]
        if broken:
            return broken[-1]
        return self.snapshot([self.job.created, *(step for step in due if not step.raw)][-1])

    def snapshot(self, step: Step) -> dict[str, Any]:
        return {
            "id": self.id,
            "model": self.model,
            "status": step.status,
            "output": step.output,
            "error": step.error,
            "created_at": "2024-09-01T12:00:00.000Z",
        }


class HomeServer:
    """The server; use it in a ``with`` block, which ends every thread and connection it had.

    Jobs added for a model are handed to its creates in order, the last of them again and again; jobs added for None
    serve any model that has none. A create for which there is no job is a 422. ``refusals`` are the answers to the next
    creates, which then make nothing. Every answer comes ``delay`` seconds late.
    """

    def __init__(self) -> None:
        self.requests: list[Recorded] = []
        self.refusals: deque[Raw] = deque()
        self.delay = 0.0
        self._jobs: dict[str | None, deque[Job]] = {}
        self._running: dict[str, _Running] = {}
        self._lock = threading.Lock()
        self._server = _Threads(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def creates(self) -> int:
        """How many predictions were made."""
        return len(self._running)

    @property
    def polls(self) -> int:
        """How many requests asked for a prediction, over all predictions."""
        return sum(request.method == "GET" for request in self.requests)

    def add(self, model: str | None, *jobs: Job) -> None:
        """Play these jobs, in order, for the next creates of ``model``."""
        self._jobs.setdefault(model, deque()).extend(jobs)

    def __enter__(self) -> HomeServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: Recorded) -> tuple[Raw | dict[str, Any], int, str]:
        """What is said to ``request``: a raw answer, or JSON with its HTTP status and content type."""
        with self._lock:
            self.requests.append(request)
            url = urlsplit(request.path)
            if request.method == "POST" and url.path == "/api/prediction":
                return self._create(request.json)
            if request.method == "GET" and url.path in ("/api/poll", "/api/prediction"):
                return self._poll(parse_qs(url.query).get("id", [""])[0])
            return {"detail": f"no such page: {request.method} {url.path}"}, 404, "application/json"

    def _create(self, wanted: Any) -> tuple[Raw | dict[str, Any], int, str]:
        if self.refusals:
            return self.refusals.popleft(), 0, ""
        if not isinstance(wanted, dict) or not {"model", "version", "input"} <= wanted.keys():
            return {"detail": "a create has model, version and input"}, 422, "application/json"
        jobs = self._jobs.get(wanted["model"]) or self._jobs.get(None)
        if not jobs:
            return {"detail": f"no job for {wanted['model']!r}"}, 422, "application/json"
        play = jobs.popleft() if len(jobs) > 1 else jobs[0]
        running = _Running(f"home{self.creates:08d}", wanted["model"], play, time.monotonic())
        self._running[running.id] = running
        return running.snapshot(play.created), 201, play.content_type

    def _poll(self, name: str) -> tuple[Raw | dict[str, Any], int, str]:
        running = self._running.get(name)
        if running is None:
            return {"detail": f"no prediction {name!r}"}, 404, "application/json"
        return running.answer(time.monotonic()), 200, running.job.content_type


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one write per answer
    server: _Threads

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        sent = None
        with suppress(ValueError):
            sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        self._serve(sent)

    def _serve(self, sent: Any) -> None:
        home = self.server.home
        if home.delay:
            time.sleep(home.delay)
        headers = {name.lower(): value for name, value in self.headers.items()}
        said, status, content_type = home.answer(Recorded(self.command, self.path, headers, sent))
        if said is HANG_UP:
            self.close_connection = True
            return
        if not isinstance(said, Raw):
            said = Raw(status, json.dumps(said).encode(), {"Content-Type": content_type})
        self.send_response(said.status)
        for name, value in said.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said.body)))
        self.end_headers()
        self.wfile.write(said.body)

    def log_message(self, *_: object) -> None:
        """The record is the log."""


class _Threads(socketserver.ThreadingTCPServer):
    """One thread a connection, all joined at close; http.server's own class would look up this machine's name."""

    allow_reuse_address = True
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, home: HomeServer) -> None:
        self.home = home
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is its own affair."""

    def server_close(self) -> None:
        for connection in list(self._open):  # a kept-alive connection would otherwise be waited for forever
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()
