"""The hosted API on a loopback socket, with faults by plan, and the truth about what it did.

A :class:`Recording` is what a model says: its events as they go over the wire, and how the prediction ends. Each
create takes the next :class:`Job`, which says what befalls its stream and its polls; without one all goes well.
The server knows what it created, canceled and sent: that is what a client's account is held against.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs

from replicate_home.testing.scripted_server import Cut, Line, Received, Reset, ScriptedServer, Send, Stall, Step, answer

Steps = Iterable[Step]
Event = tuple[str | None, str, str]
"""Id, name and data of one event of a stream."""

# ---- what a model says ---------------------------------------------------------------------------------------


def encoded(events: Iterable[Event], line_end: str = "\n") -> bytes:
    """Events as they go over the wire."""
    blocks = []
    for own_id, name, data in events:
        lines = [] if own_id is None else [f"id: {own_id}"]
        lines += [f"event: {name}", *(f"data: {line}" for line in re.split("\r\n|\r|\n", data)), "", ""]
        blocks.append(line_end.join(lines))
    return "".join(blocks).encode()


SAID: Any = object()
"""The output is what the events said."""


@attrs.frozen
class Recording:
    """A model's output as ``events``, and the ``status`` and ``error`` that its prediction ends with.

    ``prelude`` is sent before the events, each time; ``output`` is the final output, where it is another.
    """

    name: str
    events: tuple[Event, ...]
    status: str = "succeeded"
    error: str | None = None
    prelude: bytes = b""
    line_end: str = "\n"
    output: Any = SAID

    @property
    def wire(self) -> bytes:
        """The whole stream."""
        return self.prelude + encoded(self.events, self.line_end)

    def after(self, event_id: str | None) -> bytes:
        """What is left of the stream after the event with this id; all of it if there is none."""
        ids = [own_id for own_id, _, _ in self.events]
        start = ids.index(event_id) + 1 if event_id in ids and event_id is not None else 0
        return self.prelude + encoded(self.events[start:], self.line_end)

    @property
    def final(self) -> Any:
        """The output of the finished prediction."""
        if self.output is not SAID:
            return self.output
        return [data for _, name, data in self.events if name == "output"]

    @property
    def text(self) -> str:
        """What a client has to deliver of it."""
        return "".join(self.final)


def recording(name: str, *tokens: str, ids: Callable[[int], str | None], ending: Sequence[tuple[str, str]], **more: Any) -> Recording:  # fmt: skip  # noqa: E501
    """Tokens and then the ``ending``, all with ids by their number."""
    named = [("output", token) for token in tokens] + list(ending)
    events = tuple((ids(number), kind, data) for number, (kind, data) in enumerate(named))
    return Recording(name, events, **more)


def numbered(number: int) -> str:
    """An id as the hosted API writes them."""
    return f"1700000000:{number}"


def opaque(number: int) -> str:
    """An id that says nothing of its place."""
    return f"{(number * 7919 + 13) % 9973:x}"


def without(number: int) -> None:
    """No id."""


DONE = (("done", "{}"),)

RECORDINGS = (
    recording("plain", "Hello", " wörld", " \u2028 ", "", "two\nlines\n", " 🎈", ids=numbered, ending=DONE),
    recording("crlf and a comment", "a", "bc", "\n", "dé", ids=numbered, ending=DONE, line_end="\r\n",
              prelude=b"\xef\xbb\xbf: hello\r\nretry: 100\r\n\r\n"),
    recording("opaque ids", "to", "ken", "token", "token", " €", ids=opaque, ending=DONE),
    recording("no ids", "to", "token", "token", " https:", "//x", ids=without, ending=DONE),
    recording("no done", "It", " just", " ends", ids=numbered, ending=()),
    recording("fails", "Half", " an answer", ids=numbered, status="failed", error="boom",
              ending=[("error", '{"detail":"boom"}'), ("done", '{"reason":"error"}')]),
    recording("canceled", "Half", " a", " word", ids=numbered, status="canceled",
              ending=[("done", '{"reason":"canceled"}')]),
    recording("error without done", "x", "y", ids=opaque, status="failed", error="boom",
              ending=[("error", "no JSON at all")]),
)  # fmt: skip
"""Every way a stream is written and ends."""


def by_name(name: str) -> Recording:
    """The recording of this name."""
    return next(found for found in RECORDINGS if found.name == name)


# ---- how a body is sent, and how it ends ---------------------------------------------------------------------

_SSE = "text/event-stream; charset=utf-8"


@attrs.frozen
class Framing:
    """How a stream's bytes are put on the wire: in chunks, up to the end of the connection, or counted."""

    name: str
    zipped: bool = False

    def opening(self, whole: bytes) -> bytes:
        """The head of the answer that will carry ``whole``."""
        headers = {"Cache-Control": "no-store"}
        if self.zipped:
            headers["Content-Encoding"] = "gzip"
        if self.name == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        elif self.name == "counted":
            headers["Content-Length"] = str(len(whole))
        return answer(200, headers=headers, content_type=_SSE, framed=False)

    def part(self, data: bytes) -> bytes:
        """Some of the body."""
        return b"%x\r\n%b\r\n" % (len(data), data) if self.name == "chunked" and data else data

    def end(self) -> bytes:
        """What says that the body is complete."""
        return b"0\r\n\r\n" if self.name == "chunked" else b""


FRAMINGS = (
    Framing("chunked"),
    Framing("unframed"),
    Framing("counted"),
    Framing("chunked", zipped=True),
    Framing("unframed", zipped=True),
)


class Zipper:
    """gzip that lets every piece out at once."""

    def __init__(self, framing: Framing) -> None:
        self._deflate = zlib.compressobj(wbits=31) if framing.zipped else None

    def piece(self, data: bytes) -> bytes:
        """``data`` as it goes over the wire."""
        return data if self._deflate is None else self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        """The trailer."""
        return b"" if self._deflate is None else self._deflate.flush()


HOWS = ("fin", "rst", "mid-chunk", "idle")
"""How a stream is cut."""

Opening = Callable[["Job", Received], Steps]
"""What one opening of a job's stream plays."""


@attrs.frozen
class Whole:
    """The stream from where the client asks for, to its end; ``honours`` is whether it asks Last-Event-ID."""

    framing: Framing = FRAMINGS[0]
    honours: bool = True

    def __call__(self, job: Job, received: Received) -> Steps:
        """Be over, and say all: a client that has read it may poll before this generator goes on."""
        wire, zipper = self.rest(job, received), Zipper(self.framing)
        job.is_over = True
        yield Send(
            self.framing.opening(wire) + self.framing.part(zipper.piece(wire) + zipper.end()) + self.framing.end()
        )
        yield Cut()

    def rest(self, job: Job, received: Received) -> bytes:
        """The bytes that this opening has to send."""
        return job.recording.after(received.headers.get("last-event-id") if self.honours else None)


@attrs.frozen
class CutAfter:
    """The first ``count`` bytes of the stream, and then its end by force. ``over``: the model was done by then."""

    count: int
    how: str = "fin"
    framing: Framing = FRAMINGS[0]
    over: bool = False
    honours: bool = True

    def __call__(self, job: Job, received: Received) -> Steps:
        """Break off."""
        wire = Whole(self.framing, self.honours).rest(job, received)
        part = self.framing.part(Zipper(self.framing).piece(wire[: self.count]))
        if self.how == "mid-chunk" and self.framing.name == "chunked":
            part = b"ffff\r\n" + part.partition(b"\r\n")[2].removesuffix(b"\r\n")
        job.is_over = job.is_over or self.over
        yield Send(self.framing.opening(wire) + part)
        yield {"rst": Reset(), "idle": Stall()}.get(self.how, Cut())


@attrs.frozen
class Refuses:
    """No stream: another status, or a body that is none."""

    status: int
    content_type: str = "application/json"
    body: bytes = b'{"detail":"no stream here"}'
    headers: dict[str, str] = attrs.field(factory=dict)

    def __call__(self, job: Job, received: Received) -> Steps:
        """Answer and go on."""
        body = b"" if self.status == 204 else self.body
        yield Send(answer(self.status, body, self.headers, content_type=self.content_type))


@attrs.frozen
class Says:
    """Exactly these events, and the end of the body."""

    events: tuple[Event, ...]
    over: bool = False

    def __call__(self, job: Job, received: Received) -> Steps:
        """Say them."""
        job.is_over = job.is_over or self.over
        yield Send(answer(200, encoded(self.events), content_type=_SSE, framed=False))
        yield Cut()


# ---- the server ----------------------------------------------------------------------------------------------


@attrs.define
class Job:
    """One prediction's fate: what each opening of its stream plays, what each poll answers, the truth after both.

    Left alone it is over at its ``polls_to_end``-th poll; each poll sees two more pieces of output than the last.
    """

    recording: Recording
    openings: deque[Opening] = attrs.field(factory=deque, converter=deque)
    polls: deque[bytes | Step | None] = attrs.field(factory=deque, converter=deque)
    otherwise: Opening = attrs.field(factory=Whole)
    stream_url: str | None = "{server}/v1/streams/{id}"
    polls_to_end: int = 4
    id: str = ""
    is_over: bool = False
    canceled: int = 0
    opened: int = 0
    polled: int = 0

    @property
    def output_so_far(self) -> Any:
        """As the next poll sees it."""
        final = self.recording.final
        if self.is_over:
            return final
        return final[: 2 * self.polled] or None if isinstance(final, (list, str)) else None


@attrs.frozen
class Talk:
    """Answer request after request as the API does."""

    server: HostedServer

    def play(self, line: Line) -> None:
        """Until the client or a step ends it."""
        while True:
            for step in self.server.steps(line.receive()):
                step.play(line)


class HostedServer(ScriptedServer):
    """A context manager. ``jobs`` say what befalls the next creates; ``created`` holds those made, by their ids.

    ``instead`` may give other steps for a request than the API would play.
    """

    def __init__(self, *jobs: Job, recording: Recording = RECORDINGS[0]) -> None:
        super().__init__([Talk(self)], repeat=True)
        self.recording = recording
        self.jobs = deque(jobs)
        self.created: dict[str, Job] = {}
        self.instead: Callable[[Received], Steps | None] = lambda received: None

    def next(self, job: Job) -> Job:
        """Let this befall the next create; what was before is forgotten."""
        self.jobs.append(job)
        self.requests.clear()
        return job

    def asked(self, method: str, ending: str = "") -> list[Received]:
        """The requests of one kind so far."""
        return [one for one in self.requests if one.method == method and one.target.endswith(ending)]

    def steps(self, received: Received) -> Steps:
        """What to do about one request."""
        return self.instead(received) or self._answered(received)

    def _answered(self, received: Received) -> Steps:
        path = received.target.partition("?")[0].removeprefix("/v1/")
        kind, _, rest = path.partition("/")
        if (received.method, path) == ("POST", "predictions"):
            yield Send(self._shown(self._create(), 201))
            return
        job_id, _, act = rest.partition("/")
        job_or_none = self.created.get(job_id)
        if job_or_none is None:
            yield Send(answer(404, b'{"detail":"no such prediction","status":404}'))
        elif kind == "streams":
            job_or_none.opened += 1
            opening = job_or_none.openings.popleft() if job_or_none.openings else job_or_none.otherwise
            yield from opening(job_or_none, received)
        elif act == "cancel":
            yield from self._cancel(job_or_none)
        else:
            yield from self._poll(job_or_none)

    def _create(self) -> Job:
        job = self.jobs.popleft() if self.jobs else Job(self.recording)
        job.id = f"job{len(self.created)}"
        self.created[job.id] = job
        return job

    def _poll(self, job: Job) -> Steps:
        job.polled += 1
        fault = job.polls.popleft() if job.polls else None
        if fault is None:
            job.is_over = job.is_over or job.polled >= job.polls_to_end
            yield Send(self._shown(job))
        else:
            yield Send(fault) if isinstance(fault, bytes) else fault

    def _cancel(self, job: Job) -> Steps:
        job.canceled += 1
        if not job.is_over:
            job.recording = attrs.evolve(job.recording, status="canceled", output=job.output_so_far)
            job.is_over = True
        yield Send(self._shown(job))

    def _shown(self, job: Job, status: int = 200) -> bytes:
        return answer(status, json.dumps(self.record(job)).encode())

    def record(self, job: Job) -> dict[str, Any]:
        """The prediction as the API shows it now."""
        urls = {"get": f"{self.url}/v1/predictions/{job.id}", "cancel": f"{self.url}/v1/predictions/{job.id}/cancel"}
        if job.stream_url is not None:
            urls["stream"] = job.stream_url.format(server=self.url, id=job.id)
        status = job.recording.status if job.is_over else "processing" if job.polled else "starting"
        error = job.recording.error if job.is_over else None
        shown = {"id": job.id, "model": "owner/model", "input": {}, "urls": urls}
        return {**shown, "status": status, "error": error, "output": job.output_so_far}
