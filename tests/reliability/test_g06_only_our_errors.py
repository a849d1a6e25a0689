"""G6: every failure raises one of our documented exceptions, each of which can be pickled.

Nothing of requests, urllib3, json, ssl, socket or binascii escapes, whatever a server answers. An argument that
cannot be meant is a ``ValueError`` or ``TypeError``, before any request.
"""

from __future__ import annotations

import contextlib
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home import AsyncPrediction, Client, FakeClock, ReplicateHomeError, Timeout
from replicate_home.client.resources.predictions import Prediction
from replicate_home.records.parsing import parse
from replicate_home.records.prediction import Snapshot
from replicate_home.testing.scripted_server import Cut, Receive, Reset, ScriptedServer, Send, answer
from replicate_home.wire import Request, Response

from .cases import NIGHTLY, TOKEN, UNHURRIED, counted, examples, virtual_client
from .looped import Looped

pytestmark = [pytest.mark.reliability, pytest.mark.long, UNHURRIED]

# ---- what is called ---------------------------------------------------------------------------------------------

HANDLE = {"id": "abc", "status": "processing", "urls": {"stream": "https://stream.replicate.com/x"}}


def handle(client: Any) -> Any:
    """A prediction that was created before."""
    snapshot = parse(Snapshot, dict(HANDLE))
    if isinstance(client, Looped):
        return Looped(AsyncPrediction(snapshot, client._target._engine, "replicate"), client._loop)
    return Prediction(snapshot, client._engine, "replicate")


def use_all_of(result: Any) -> None:
    """Everything that a result can be asked for without the network."""
    texts = (repr(result), str(result), repr(result.files), result.logs, result.metrics, result.id)
    assert all(text is not None for text in texts)
    with contextlib.suppress(ValueError):  # says that the output is no text
        assert result.text is not None
    pickle.loads(pickle.dumps(result))
    assert repr(result.prediction)
    for file in result.files:
        file.read()


CALLS: dict[str, Callable[[Client], Any]] = {
    "run": lambda client: use_all_of(client.run("owner/model", {}, timeout=20)),
    "stream": lambda client: list(client.stream("owner/model", {}, timeout=20)),
    "events": lambda client: [str(event) for event in client.stream("owner/model", {}, timeout=20).events()],
    "result": lambda client: use_all_of(client.stream("owner/model", {}, timeout=20).result()),
    "use": lambda client: client.use("owner/model", timeout=20)(prompt="x"),
    "messages": lambda client: client.run("owner/model", messages=[{"role": "user", "content": "x"}], timeout=20),
    "upload": lambda client: client.run("owner/model", {"f": b"x"}, file_encoding_strategy="url", timeout=20),
    "create": lambda client: repr(client.predictions.create("owner/model", {})),
    "get": lambda client: read_all_of(client.predictions.get("abc")),
    "cancel": lambda client: client.predictions.cancel("abc"),
    "list": lambda client: [repr(found) for found in client.predictions.list().all()],
    "reload": lambda client: handle(client).reload(),
    "wait": lambda client: handle(client).wait(timeout=20),
    "its result": lambda client: handle(client).result(timeout=20),
    "its stream": lambda client: list(handle(client).stream(timeout=20)),
    "its output": lambda client: list(handle(client).output_iterator(timeout=20)),
}


def read_all_of(prediction: Any) -> None:
    """Every field, whatever its type was."""
    for name in ("id", "status", "model", "version", "input", "output", "logs", "error", "metrics", "urls", "progress"):
        getattr(prediction, name)
    assert repr(prediction)
    assert dict(prediction) == prediction.to_dict()
    pickle.loads(pickle.dumps(prediction))


def raises_only_ours(call: str, client: Client) -> None:
    """Make the call; what it raises is ours, and survives pickling."""
    try:
        CALLS[call](client)
    except ReplicateHomeError as error:
        raised = error
    else:
        return
    copy = pickle.loads(pickle.dumps(raised))
    assert (type(copy), str(copy), copy.args) == (type(raised), str(raised), raised.args)
    assert evidence(copy) == evidence(raised)
    assert str(raised)


def evidence(error: ReplicateHomeError) -> dict[str, Any]:
    """What an error holds, but for the request, which loses its token."""
    return {name: value for name, value in vars(error).items() if name != "request"}


# ---- any answers, as values -------------------------------------------------------------------------------------


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object that has some of these fields."""
    return st.fixed_dictionaries({}, optional={name.replace("_", "-"): values for name, values in fields.items()})


def mostly(usual: Any, other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The usual value three times of four."""
    likely = usual if isinstance(usual, st.SearchStrategy) else st.just(usual)
    return st.one_of(likely, likely, likely, other)


FILES = ("data:,x", "data:image/png;base64,!", "https://replicate.delivery/a", "https://api.replicate.com/v1/x")
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), st.sampled_from(FILES)
)  # fmt: skip
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner), max_leaves=8
)  # fmt: skip
WORDS = st.sampled_from(["starting", "processing", "succeeded", "succeeded", "failed", "canceled", "aborted", "queued"])
URLS = optional(stream=mostly("https://stream.replicate.com/x", SCALARS), get=SCALARS)
FIELDS = {
    "output": JSON, "logs": mostly(st.text(), JSON), "error": JSON, "metrics": JSON, "urls": mostly(URLS, JSON),
    "model": SCALARS, "version": SCALARS, "input": JSON, "completed_at": SCALARS, "data_removed": SCALARS,
    "next": SCALARS, "results": st.lists(JSON, max_size=2), "title": JSON, "detail": JSON, "latest_version": JSON,
    "retry_after": JSON,
}  # fmt: skip
SANE = st.fixed_dictionaries({"id": st.just("abc"), "status": WORDS}, optional=FIELDS)
ODD = st.fixed_dictionaries({"id": mostly("abc", SCALARS), "status": mostly(WORDS, SCALARS)}, optional=FIELDS)
PAGES = st.fixed_dictionaries({"results": mostly(st.lists(ODD, max_size=3), JSON), "next": SCALARS})
NO_JSON = (
    b"",
    b"[" * 9999,
    b"\xef\xbb\xbf{}",
    b"NaN",
    b'{"id":"abc","status":"succeeded","output":1e999}',
    b"9" * 5000,
)
BODIES = st.one_of(
    st.one_of(ODD, ODD, PAGES, JSON).map(json.dumps).map(str.encode), st.binary(max_size=40), st.sampled_from(NO_JSON)
)  # fmt: skip
WAITS = st.sampled_from(["1", "0", "-1", "1e3", "٣", "²", "9" * 400, "Wed, 21 Oct 2099 07:28:00 GMT"])
PLACES = st.sampled_from(["", "/v1/x", "//[", "http://[::1", "https://replicate.delivery/b"])
HEADERS = optional(
    content_type=st.sampled_from(["text/event-stream", "application/json", "image/png", "", ";", "text/html"]),
    retry_after=mostly(WAITS, st.text(max_size=9)), retry_after_ms=st.text(max_size=4),
    location=mostly(PLACES, st.text(max_size=9)), x_request_id=st.text(max_size=9),
)  # fmt: skip
STATUSES = mostly(st.sampled_from([200, 201, 206]), st.integers(200, 599))
ANSWERS = mostly(
    st.builds(Response, st.just(200), HEADERS, SANE.map(json.dumps).map(str.encode)),
    st.builds(Response, STATUSES, HEADERS, BODIES),
)  # fmt: skip
SAID = (
    b"event: output\ndata: x\n\n", b"event: done\ndata: {}\n\n", b"event: error\ndata: x\n\n", b"id: 1:2\n",
    b"event: output\nid: 1:0\ndata: \xff\n\n", b"retry: 9\n", b"id: " + b"9" * 50 + b":1\ndata:\n\n", b"\n\n", b"\r",
)  # fmt: skip
EVENTS = st.lists(mostly(st.sampled_from(SAID), st.binary(max_size=20)), max_size=8)


class Drawn:
    """A transport that answers with one drawn response after the other, round and round."""

    backend = "replicate"

    def __init__(self, answers: list[Response], events: list[bytes]) -> None:
        self.clock = FakeClock()
        self.answers = answers
        self.events = events
        self.count = 0

    def send(self, request: Request, deadline: float | None) -> tuple[Response, Any]:
        """The next answer; a stream where one was asked for."""
        found = self.answers[self.count % len(self.answers)]
        self.count += 1
        asked_for_events = request.headers.get("Accept") == "text/event-stream"
        if request.streams and (found.is_event_stream if asked_for_events else found.status in (200, 206)):
            return Response(found.status, found.headers), DrawnBody(list(self.events))
        return found, None

    def close(self) -> None:
        """Nothing was opened."""


class DrawnBody:
    """A body of drawn pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = [piece for piece in pieces if piece]

    def read(self, deadline: float | None) -> bytes:
        """The next piece."""
        return self.pieces.pop(0) if self.pieces else b""

    def close(self) -> None:
        """Nothing was opened."""


def test_whatever_is_answered_only_our_errors_are_raised():
    ran = 0

    @examples(150, nightly=50_000)
    @given(st.sampled_from(list(CALLS)), st.lists(ANSWERS, min_size=1, max_size=5), EVENTS)
    def check(call, answers, events):
        nonlocal ran
        ran += 1
        raises_only_ours(call, Client(TOKEN, transport=Drawn(answers, events)))

    check()
    assert ran >= (50_000 if NIGHTLY else 150)


# ---- any bytes, over sockets ------------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\n"
HEADS = st.sampled_from([
    OK, OK + b"Content-Length: 5\r\n", OK + b"Transfer-Encoding: chunked\r\n", OK + b"Content-Encoding: gzip\r\n",
    OK + b"Content-Type: text/event-stream\r\n", b"HTTP/1.0 200\r\n", b"HTTP/1.1 204 x\r\n", b"HTTP/2 200\r\n",
    b"HTTP/1.1 999 x\r\n", b"HTTP/1.1 100 c\r\n\r\n",
])  # fmt: skip
CHUNKS = st.sampled_from([b"5\r\nhello\r\n0\r\n\r\n", b"-5\r\n", b"\x1f\x8b\x08", b"{}"])
WIRES = st.one_of(
    st.tuples(HEADS, st.binary(max_size=12), st.just(b"\r\n\r\n"), st.binary(max_size=30)).map(b"".join),
    st.tuples(HEADS, st.just(b"\r\n"), CHUNKS).map(b"".join),
    st.builds(answer, st.integers(200, 599), BODIES, framed=st.booleans()),
    st.binary(max_size=60),
)


def test_whatever_bytes_come_only_our_errors_are_raised():
    ran = 0

    @examples(60, nightly=5_000)
    @given(st.sampled_from(["run", "stream", "get", "list", "its stream", "upload"]), WIRES, st.booleans())
    def check(call, wire, resets):
        nonlocal ran
        ran += 1
        with ScriptedServer([Receive(), Send(wire), Reset() if resets else Cut()], repeat=True) as server:
            client = virtual_client(server.url, timeout=Timeout(total=20, read=0.2, idle=0.2))
            raises_only_ours(call, client)
            client._engine.connections.given.close()

    check()
    assert ran >= (5_000 if NIGHTLY else 60)


# ---- arguments that cannot be meant -----------------------------------------------------------------------------

NAN = float("nan")
MODELS = (5, None, "", "model", "owner/", "/x", "a/b/c", "a b/c", "owner/model:", b"a/b")
INPUTS = (5, "text", ["x"], object(), {1: 2}, {"x": object()}, {"x": NAN})
TIMEOUTS = (0, -1, "5", True, NAN, float("inf"), [], Timeout(read=-1))
MESSAGES = ([], "x", [5], [{"role": "user"}], [{"content": [{"type": "image"}]}])
IDS = (5, None, "", "../x", "a/b", "a?b", "a b", "a\r\nb", "\u202ea", "%00", "a" * 999)
BASES = ("ftp://x", "x", "https://", "https://u:p@x", "https://x/?q", "http://x:y")
BAD: list[Callable[[Client], Any]] = [
    *(lambda client, bad=bad: client.run(bad, {}) for bad in MODELS),
    *(lambda client, bad=bad: client.run("owner/model", bad) for bad in INPUTS),
    *(lambda client, bad=bad: client.run("owner/model", {}, timeout=bad) for bad in TIMEOUTS),
    *(lambda client, bad=bad: client.run("owner/model", {}, wait=bad) for bad in (-1, 61, "5", NAN, [])),
    *(lambda client, bad=bad: client.run("owner/model", messages=bad) for bad in MESSAGES),
    *(lambda client, bad=bad: client.predictions.get(bad) for bad in IDS),
    *(lambda client, bad=bad: Client(TOKEN, base_url=bad) for bad in BASES),
    lambda client: client.run("owner/model", {}, on_update=5),
    lambda client: client.run("owner/model", {}, file_encoding_strategy="zip"),
    lambda client: client.run("owner/model", {"prompt": "x"}, prompt="y"),
    lambda client: client.run("owner/model", {}, prompt="y", messages=[{"role": "user", "content": "x"}]),
    lambda client: client.predictions.create(),
    lambda client: client.predictions.create("owner/model", {}, version="abc"),
    lambda client: client.use("no model"),
    lambda client: client.with_options(max_retries=-1),
    lambda client: client.with_options(timeout=0),
    lambda client: client.with_options(headers={"Authorization": "Bearer x"}),
    lambda client: client.with_options(headers={"X": "a\r\nY: b"}),
    lambda client: client.with_options(headers={"X": 5}),
    lambda client: Client(5),
    lambda client: Client(TOKEN, backend="elsewhere"),
]  # fmt: skip


def test_an_argument_that_cannot_be_meant_is_refused_before_any_request():
    for number, call in counted(enumerate(BAD), at_least=60):
        transport = Drawn([Response(404)], [])
        with pytest.raises((ValueError, TypeError, ReplicateHomeError)) as caught:
            call(Client(TOKEN, transport=transport))
        assert transport.count == 0, (number, caught.value)
        assert str(caught.value)
