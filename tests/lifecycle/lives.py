"""What the tests of the rules speak in: answers, events and terms in one line, and states compared as values."""

from __future__ import annotations

import json
from typing import Any

import attrs

from replicate_home.dialects.base import Create
from replicate_home.dialects.home import Home
from replicate_home.dialects.refs import ModelRef
from replicate_home.dialects.replicate import Replicate
from replicate_home.lifecycle.life import Life, Log, Terms
from replicate_home.lifecycle.machine import Kind, Sending, State
from replicate_home.lifecycle.replays import Ids
from replicate_home.protocol.sse import ServerSentEvent
from replicate_home.records.prediction import Snapshot
from replicate_home.wire import Request, Response, Secret

TOKEN = "r8_CANARYcanaryCANARYcanaryCANARYcanary1"
API = "https://api.replicate.com/v1"
STREAM_URL = "https://stream.replicate.com/v1/files/abc"
NOW = 1000.0
HOSTED = Replicate(token=Secret(TOKEN))
HOMEPAGE = Home()
CREATE = HOSTED.create(Create(ModelRef("owner", "name"), {"prompt": "x"}))
EVENT_STREAM = Response(200, {"content-type": "text/event-stream; charset=utf-8"})


def answer(status: int, body: Any = None, **headers: str) -> Response:
    """An answer with a JSON body, or with these very bytes."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def record(status: str = "processing", output: Any = None, *, streams: bool = False, **fields: Any) -> dict[str, Any]:
    """A prediction as the hosted API writes it."""
    urls = {"get": f"{API}/predictions/p1", "cancel": f"{API}/predictions/p1/cancel"}
    if streams:
        urls["stream"] = STREAM_URL
    return {"id": "p1", "model": "owner/name", "status": status, "output": output, "logs": "", "urls": urls, **fields}


def snapshot(status: str = "processing", output: Any = None, **fields: Any) -> Snapshot:
    return Snapshot(record(status, output, **fields))


def told(status: str = "processing", output: Any = None, *, code: int = 200, **fields: Any) -> Response:
    """The answer that describes a prediction."""
    return answer(code, record(status, output, **fields))


def created(**fields: Any) -> Response:
    return told("starting", code=201, **fields)


def terms(**given: Any) -> Terms:
    """A followed life that may cancel, with its jitter in the middle."""
    return Terms(**{"dialect": HOSTED, "seed": 0.5, "cancels": True, **given})


def known(**given: Any) -> Life:
    """A life that knows of its prediction, and may have more to say about itself."""
    life_terms = given.pop("terms", terms())
    return Life(life_terms, NOW, **{"snapshot": snapshot("starting"), **given})


def polling(life: Life | None = None, **given: Any) -> Sending:
    life = life or known()
    assert life.snapshot is not None
    return Sending(life, Kind.POLL, life.terms.dialect.poll(life.snapshot), **given)


def get_request(path: str = "/account") -> Request:
    return HOSTED.call("GET", path)


def event(data: str, own_id: str | None = None, kind: str = "output") -> ServerSentEvent:
    return ServerSentEvent(kind, data, own_id, own_id or "")


def numbered(*texts: str, first: int = 0) -> list[ServerSentEvent]:
    """Output events with the ids of the hosted API."""
    return [event(text, f"1700000000:{number}") for number, text in enumerate(texts, first)]


def as_value(thing: Any) -> Any:
    """A state as plain data: errors are compared by what they hold, which Python itself does not do."""
    if isinstance(thing, BaseException):
        return type(thing), thing.args, as_value(vars(thing)), as_value(thing.__cause__)
    if attrs.has(type(thing)):
        return type(thing), {name.name: as_value(getattr(thing, name.name)) for name in attrs.fields(type(thing))}
    if isinstance(thing, dict):
        return {key: as_value(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple, Log, Ids)):
        return type(thing), [as_value(item) for item in thing]
    return thing


def same(one: State, other: State) -> bool:
    return bool(as_value(one) == as_value(other))
