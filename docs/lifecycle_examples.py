"""What servers may say in the life of a prediction: the hosted API, and a Cog server."""

from __future__ import annotations

import json
from typing import Any

from lifecycle_walk import Outcome

from replicate_home.dialects.base import Create
from replicate_home.dialects.cog import Cog
from replicate_home.dialects.refs import ModelRef
from replicate_home.dialects.replicate import Replicate
from replicate_home.exceptions import ConnectFailed, Disconnected, RequestTimeout
from replicate_home.lifecycle import policy
from replicate_home.lifecycle.life import Life, Terms
from replicate_home.lifecycle.machine import Came, Kind, Sending, State, creating, following
from replicate_home.protocol.sse import Decoder, ServerSentEvent
from replicate_home.wire import Response

_URLS = {"stream": "https://stream.example/v1/x"}
_WANTED = Create(ModelRef.parse("owner/name"), {}, id="x")
_STREAM = Response(200, {"content-type": "text/event-stream"})


class Hosted:
    """The hosted API. The call follows and delivers a prediction that it creates, and cancels it."""

    def starts(self, deadline: float) -> list[State]:
        """One life."""
        dialect = Replicate("https://api.example/v1")
        return [creating(Terms(dialect, deadline=deadline, cancels=True), dialect.create(_WANTED), 0.0)]

    def answers(self, sending: Sending) -> list[Outcome]:
        """By the kind of request."""
        match sending.kind:
            case Kind.CREATE:
                worn_out = ", once too often" if sending.attempt >= sending.life.terms.max_retries else ""
                return [
                    ("running, it has a stream", _prediction("starting", 201)),
                    ("held, and its output is there", _prediction("processing", 201, output=["a"])),
                    ("running, it has no stream", _prediction("starting", 201, urls={})),
                    ("succeeded", _prediction("succeeded", 201, output=["a"])),
                    ("failed", _prediction("failed", 201)),
                    ("canceled", _prediction("canceled", 201)),
                    (f"429{worn_out}", Response(429)),
                    (f"not processed (it was never sent){worn_out}", _lost(ConnectFailed, False)),
                    ("perhaps processed (no answer, 5xx)", _lost(RequestTimeout, True)),
                    ("perhaps processed (no answer, 5xx)", Response(502)),
                    ("refused: 401", Response(401)),
                    ("refused: 404", Response(404)),
                    ("refused: 422", Response(422)),
                ]
            case Kind.STREAM:
                return [
                    ("an event stream", _STREAM),
                    ("anything else", Response(404)),
                    ("anything else", _lost(Disconnected, True)),
                ]
            case Kind.POLL:
                return _polled(sending.life)
            case Kind.LAST_CANCEL | Kind.LAST_POLL:
                return [
                    ("canceled", _prediction("canceled")),
                    ("succeeded meanwhile", _succeeded(sending.life)),
                    ("failed meanwhile", _prediction("failed")),
                    ("no answer", _lost(Disconnected, True)),
                ]
        return [("whatever came back", _prediction("canceled"))]

    def arrivals(self, life: Life) -> list[Outcome]:
        """Events, or an end without them."""
        seen = life.seen.number
        outcomes: list[Outcome] = [
            ("output", _events(f"id: 1:{seen + 1}")),
            ("done", Decoder().feed(b"event: done\ndata: {}\n\n")),
            ("its end, a cut, silence", None),
            ("its end, a cut, silence", _lost(Disconnected, True)),
        ]
        if seen < 0:
            outcomes.append(("output", _events(": no id")))
        else:
            outcomes.append(("an id that jumps", _events(f"id: 1:{seen + 2}")))
        return outcomes


class SelfHosted:
    """A Cog server. The call follows a prediction that it creates, or one that another call has created."""

    def __init__(self, *, creates: bool) -> None:
        self._creates = creates

    def starts(self, deadline: float) -> list[State]:
        """One life."""
        dialect = Cog("http://cog.example")
        terms = Terms(dialect, deadline=deadline, cancels=self._creates)
        expected = dialect.expected(_WANTED)
        if self._creates:
            return [creating(terms, dialect.create(_WANTED), 0.0, expected=expected)]
        return [following(terms, expected, 0.0)]

    def answers(self, sending: Sending) -> list[Outcome]:
        """By the kind of request."""
        life = sending.life
        match sending.kind:
            case Kind.CREATE:
                return _created_on_cog(sending)
            case Kind.HEALTH:
                return [
                    ("busy or setting up; no answer", _json({"status": "BUSY"})),
                    ("busy or setting up; no answer", _lost(Disconnected, True)),
                    ("its setup failed, or its process died", _json({"status": "SETUP_FAILED"})),
                ]
            case Kind.STREAM:
                return [("an event stream", _STREAM), ("anything else", _lost(Disconnected, True))]
            case Kind.POLL:
                ended = "it does not run" + (", after some output" if life.delivered else "")
                cut = "after too many cuts" if life.cuts > policy.MOST_CUTS else "after a cut"
                return [
                    (f"running, {cut}" if life.reopen and life.streams else "running", _prediction("processing")),
                    (ended, Response(422)),
                    (_no_answer(life), _lost(Disconnected, True)),
                    ("refused: 401", Response(401)),
                ]
            case Kind.LAST_CANCEL | Kind.LAST_POLL:
                return [
                    ("canceled" if self._creates else "running", _json({})),
                    ("it does not run", Response(404)),
                    ("no answer", _lost(Disconnected, True)),
                ]
        return [("whatever came back", _json({}))]

    def arrivals(self, life: Life) -> list[Outcome]:
        """Events, or an end without them."""
        seen = life.seen.number
        outcomes: list[Outcome] = [
            ("output", _chunk(seen + 1)),
            ("completed: succeeded", _completed("succeeded", [*life.delivered, "a"])),
            ("completed: failed", _completed("failed")),
            ("completed: canceled", _completed("canceled")),
            ("its end, a cut, silence", None),
            ("its end, a cut, silence", _lost(Disconnected, True)),
        ]
        if seen >= 0:
            outcomes.append(("a number that jumps", _chunk(seen + 2)))
            outcomes.append(("completed, but its output is another", _completed("succeeded", ["b"])))
        return outcomes


def _created_on_cog(sending: Sending) -> list[Outcome]:
    worn_out = ", once too often" if sending.attempt >= sending.life.terms.max_retries else ""
    answer = [
        ("succeeded", _prediction("succeeded", output=["a"])),
        ("failed", _prediction("failed")),
        ("canceled", _prediction("canceled")),
    ]
    stream = [("an event stream", _STREAM), ("406: the model does not stream", Response(406))]
    return [
        *(stream if sending.request.streams else answer),
        ("409, 503: busy or setting up", Response(409)),
        (f"429{worn_out}", Response(429)),
        (f"not processed (it was never sent){worn_out}", _lost(ConnectFailed, False)),
        ("perhaps processed (no answer, 5xx)", _lost(RequestTimeout, True)),
        ("perhaps processed (no answer, 5xx)", Response(502)),
        ("refused: 401", Response(401)),
        ("refused: 422", Response(422)),
    ]


def _polled(life: Life) -> list[Outcome]:
    outcomes = [
        (_running(life), _prediction("processing")),
        ("succeeded", _succeeded(life)),
        ("failed", _prediction("failed")),
        ("canceled", _prediction("canceled")),
        (_no_answer(life), _lost(Disconnected, True)),
        ("refused: 401", Response(401)),
    ]
    if life.delivered:
        contradiction = [("running, but its output is another", _prediction("processing", output=["b"]))]
        outcomes += [] if life.streams else contradiction
        outcomes.append(("succeeded, but its output is another", _prediction("succeeded", output=["b"])))
    return outcomes


def _no_answer(life: Life) -> str:
    if life.poll_errors + 1 < policy.MOST_POLL_ERRORS:
        return "no answer, 429, 5xx"
    return "no answer, ten times in a row" + (" after some output" if life.delivered else "")


def _running(life: Life) -> str:
    if not (life.reopen and life.streams):
        return "running"
    if not life.seen.last:
        return "running, after a cut without ids"
    return "running, after a cut with ids" if life.cuts <= policy.MOST_CUTS else "running, after too many cuts"


def _events(line: str) -> list[ServerSentEvent]:
    return Decoder().feed(f"event: output\n{line}\ndata: a\n\n".encode())


def _prediction(status: str, answer: int = 200, output: Any = None, urls: dict[str, str] = _URLS) -> Came:
    return _json({"id": "x", "status": status, "output": output, "urls": urls}, answer)


def _json(value: Any, status: int = 200) -> Response:
    return Response(status, {"content-type": "application/json"}, json.dumps(value).encode())


def _chunk(number: int) -> list[ServerSentEvent]:
    return _named("output", {"chunk": "a", "index": number})


def _completed(status: str, output: Any = None) -> list[ServerSentEvent]:
    return _named("completed", {"id": "x", "status": status, "output": output})


def _named(event: str, data: Any) -> list[ServerSentEvent]:
    return Decoder().feed(f"event: {event}\ndata: {json.dumps(data)}\n\n".encode())


def _succeeded(life: Life) -> Came:
    return _prediction("succeeded", output=[*life.delivered, "a"])


def _lost(kind: Any, may_have_been_processed: bool) -> Came:
    error: Came = kind("lost", may_have_been_processed=may_have_been_processed)
    return error
