"""G2: a create is never sent twice unless the first is known not to have been processed.

The server counts the creates that it was sent. Sent again: after a failure to connect, and after 429. Never: after
a cut, a reset or a timeout at any byte of the exchange, after 5xx, after a redirect, after an answer without sense.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import socket
import threading
from collections.abc import Callable, Iterator

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home import Client, CreateOutcomeUnknown, ProtocolError, RateLimited, ReplicateHomeError, Timeout
from replicate_home.testing.scripted_server import (
    Cut,
    Freeze,
    Receive,
    Reset,
    ScriptedServer,
    Send,
    Stall,
    Step,
    Take,
    answer,
    chunked,
)

from .cases import NIGHTLY, TOKEN, UNHURRIED, counted, examples, virtual_client
from .hosted_server import HostedServer

pytestmark = [pytest.mark.reliability, pytest.mark.long, UNHURRIED]

KINDS: dict[str, Callable[..., object]] = {
    "run": lambda client, **inputs: client.run("owner/model", inputs, wait=False),
    "stream": lambda client, **inputs: list(client.stream("owner/model", inputs)),
    "create": lambda client, **inputs: client.predictions.create("owner/model", inputs),
}
SHORT = Timeout(total=9, read=0.05)
CREATED = b'{"id":"job0","status":"starting","urls":{}}'
WHOLE = answer(201, CREATED)


def failure_of(kind: str, client: Client) -> ReplicateHomeError:
    """The error that a call ends with."""
    with pytest.raises(ReplicateHomeError) as caught:
        KINDS[kind](client)
    return caught.value


@attrs.frozen
class Faulty:
    """A server whose first connection plays ``steps``, and all others a perfect answer, a second bill."""

    steps: tuple[Step, ...]

    def meets(self, kind: str, timeout: Timeout = SHORT) -> tuple[ReplicateHomeError, ScriptedServer]:
        """What the call ends with, and the server afterwards."""
        with ScriptedServer(self.steps, [Receive(), Send(WHOLE), Stall()], repeat=True) as server:
            client = virtual_client(server.url, timeout=timeout)
            try:
                return failure_of(kind, client), server
            finally:
                client._engine.connections.given.close()


# ---- cut at every byte of the answer ---------------------------------------------------------------------------

ENDINGS: dict[str, Step] = {"fin": Cut(), "rst": Reset(), "silence": Stall()}
ANSWERS = {
    "counted": WHOLE,
    "chunked": chunked(CREATED[:10], CREATED[10:]),
    "unframed": answer(201, CREATED, framed=False),
}


def broken_answers(every: int) -> Iterator[tuple[str, str, str, int]]:
    """An ending after each byte that does not complete the answer."""
    for framing, wire in ANSWERS.items():
        head = wire.index(b"\r\n\r\n") + 4
        for number, count in enumerate(range(0, len(wire), every)):
            kinds = KINDS if every == 1 else [list(KINDS)[number % 3]]
            for kind, ending in itertools.product(kinds, ENDINGS):
                if framing == "unframed" and ending == "fin" and count >= head:
                    continue  # such a body says nothing of its end; JSON cut short is in the next test
                if ending == "silence" and every != 1 and number % 6:
                    continue  # each costs its timeout
                yield kind, framing, ending, count


def test_an_answer_that_breaks_at_any_byte_is_never_asked_for_again():
    for kind, framing, ending, count in counted(broken_answers(1 if NIGHTLY else 2), 2_000 if NIGHTLY else 350):
        steps = (Receive(), Send(ANSWERS[framing][:count]), ENDINGS[ending])
        error, server = Faulty(steps).meets(kind)
        assert type(error) is CreateOutcomeUnknown, (framing, ending, count)
        assert server.creates <= 1, server.requests  # none where a slow server came to it after the timeout
        assert "client.predictions.list()" in str(error)


def test_a_create_whose_json_was_cut_short_without_notice_is_unknown():
    for kind, count in counted(itertools.product(KINDS, range(0, len(CREATED), 3)), at_least=40):
        steps = (Receive(), Send(answer(201, CREATED[:count], framed=False)), Cut())
        error, server = Faulty(steps).meets(kind)
        assert (type(error), server.creates) == (CreateOutcomeUnknown, 1)


# ---- cut while the request is sent -----------------------------------------------------------------------------


def test_a_request_that_was_sent_in_part_is_never_sent_again():
    """The server takes some bytes of it and then breaks off; a second create would be whole."""
    takes = (1, 5, 40, 150, 250)
    for kind, taken, ending in counted(itertools.product(KINDS, takes, ENDINGS), at_least=45):
        error, server = Faulty((Take(taken), ENDINGS[ending])).meets(kind)
        assert (type(error), server.creates, server.connections) == (CreateOutcomeUnknown, 0, 1), (taken, ending)


def test_a_large_request_that_the_server_stops_reading_is_never_sent_again():
    for kind, ending in counted(itertools.product(KINDS, (Reset(), Freeze())), at_least=6):
        with ScriptedServer([Take(300), ending], [Receive(), Send(WHOLE), Stall()], repeat=True) as server:
            client = virtual_client(server.url, timeout=SHORT)
            with pytest.raises(CreateOutcomeUnknown):
                KINDS[kind](client, prompt="x" * 8_000_000)
            client._engine.connections.given.close()
        assert (server.creates, server.connections) == (0, 1)


# ---- whole answers ---------------------------------------------------------------------------------------------

UNKNOWN = {
    **{f"status {status}": answer(status, b'{"detail":"oops"}') for status in (500, 501, 502, 503, 504, 508, 520, 599)},
    "status 503 that asks to come again": answer(503, headers={"Retry-After": "1"}),
    "HTML": answer(200, b"<!DOCTYPE html>", content_type="text/html"),
    "nothing": answer(200, b""),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a list": answer(201, b"[]"),
    "a string": answer(201, b'"job0"'),
    "no id": answer(201, b'{"status":"starting"}'),
    "no status": answer(201, b'{"id":"job0"}'),
    "an id that is a path": answer(201, b'{"id":"../account","status":"starting"}'),
    "an id that is a number": answer(201, b'{"id":7,"status":"starting"}'),
    "not UTF-8": answer(201, b'{"id":"\xff","status":"starting"}'),
    "NaN": answer(201, b'{"id":"job0","status":NaN}'),
    "deep": answer(201, b"[" * 100_000),
    "no HTTP": b"SSH-2.0-OpenSSH_9\r\n\r\n",
    "broken gzip": answer(201, CREATED, {"Content-Encoding": "gzip"}),
    "unknown encoding": answer(201, CREATED, {"Content-Encoding": "br"}),
    "two lengths": answer(201, CREATED, {"Content-Length": "3"}),
    "endless interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 40,
    "too many headers": b"HTTP/1.1 201 Created\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    "a long header": b"HTTP/1.1 201 Created\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
}  # fmt: skip
REFUSED = (400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 413, 415, 418, 422, 425, 451)
REDIRECTS = (300, 301, 302, 303, 304, 305, 307, 308)


def test_an_answer_without_sense_is_no_reason_to_create_again():
    for kind, (what, wire) in counted(itertools.product(KINDS, UNKNOWN.items()), at_least=84):
        error, server = Faulty((Receive(), Send(wire), Cut())).meets(kind, Timeout(total=9, read=0.5))
        assert (type(error), server.creates) == (CreateOutcomeUnknown, 1), what


def test_a_refusal_is_no_reason_to_create_again():
    for kind, status in counted(itertools.product(KINDS, REFUSED), at_least=48):
        error, server = Faulty((Receive(), Send(answer(status, b'{"detail":"no"}')), Cut())).meets(kind)
        assert (getattr(error, "status", None), server.creates) == (status, 1)


def test_a_redirect_of_a_create_is_never_followed():
    targets = ("/v1/predictions", "http://127.0.0.1:9/v1/predictions", "")
    for kind, status, target in counted(itertools.product(KINDS, REDIRECTS, targets), at_least=72):
        headers = {"Location": target} if target else {}
        error, server = Faulty((Receive(), Send(answer(status, headers=headers)), Cut())).meets(kind)
        assert (type(error), server.creates, server.connections) == (ProtocolError, 1, 1), (status, target)


# ---- what may be sent again ------------------------------------------------------------------------------------


def test_a_throttled_create_is_sent_again_and_counted_once_by_the_server():
    throttled = answer(429, b'{"detail":"Request was throttled. Your rate limit resets in ~30s."}')
    for kind, times in counted(itertools.product(KINDS, (1, 2, 3)), at_least=9):
        with HostedServer() as server:
            left = [throttled] * times
            server.instead = lambda received, left=left: [Send(left.pop())] if left else None
            client = virtual_client(server.url)
            KINDS[kind](client)
            assert (len(server.created), server.creates) == (1, times + 1)
            assert client._engine.clock.now() >= 30 * times
            client._engine.connections.given.close()


def test_a_create_that_is_always_throttled_is_given_up():
    for kind, headers in counted(itertools.product(KINDS, ({}, {"Retry-After": "5"}, {"Retry-After": "3600"})), 9):
        with HostedServer() as server:
            server.instead = lambda received, headers=headers: [Send(answer(429, headers=headers))]
            client = virtual_client(server.url)
            assert isinstance(failure_of(kind, client), RateLimited)
            assert server.creates == (1 if headers.get("Retry-After") == "3600" else 4)
            client._engine.connections.given.close()


def test_a_create_is_sent_again_after_a_failure_to_connect():
    for kind in counted(KINDS, at_least=3):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            client = virtual_client(f"http://127.0.0.1:{nobody.getsockname()[1]}")
            error = failure_of(kind, client)
            assert (error.phase, error.may_have_been_processed) == ("connect", False)
            assert len(client._engine.clock.sleeps) == 3
            client._engine.connections.given.close()


# ---- connections from before -----------------------------------------------------------------------------------


def test_a_create_on_a_connection_that_the_server_has_closed_is_created_once():
    """The pooled connection is looked at before it is used: the create goes over a new one."""
    for kind in counted(KINDS, at_least=3):
        gone = threading.Event()
        first = [Receive(), Send(answer(200, b'{"id":"a","status":"starting"}')), _Tell(gone), Cut()]
        with ScriptedServer(first, [Receive(), Send(WHOLE), Cut()], [Receive(), Send(WHOLE), Cut()]) as server:
            client = virtual_client(server.url)
            client.predictions.get("a")
            assert gone.wait(5)
            create_and_forget(kind, client)
            assert server.creates == 1
            client._engine.connections.given.close()


class _Tell:
    """Set an event after the connection was closed."""

    def __init__(self, event: threading.Event) -> None:
        self.event = event

    def play(self, line) -> None:
        line.sock.shutdown(socket.SHUT_WR)
        self.event.set()


def create_and_forget(kind: str, client: Client) -> None:
    """Only the create matters; what comes after it may fail."""
    try:
        KINDS[kind](client)
    except ReplicateHomeError:
        assert kind != "create"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_create_in_a_forked_child_uses_no_connection_of_its_parent():
    with HostedServer() as server:
        client = virtual_client(server.url)
        client.predictions.create("owner/model", {})
        child = os.fork()
        if not child:
            try:
                client.predictions.create("owner/model", {})
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        client.predictions.create("owner/model", {})
        assert [received.connection for received in server.asked("POST")] == [0, 1, 0]
        assert len(server.created) == 3
        client._engine.connections.given.close()


# ---- drawn -----------------------------------------------------------------------------------------------------


def test_whatever_a_server_says_it_is_sent_one_create():
    """Random bytes, random statuses and heads, at random places of the exchange."""
    ran = 0
    statuses = st.integers(100, 599).filter(lambda status: status != 429)
    answers = st.builds(answer, statuses, st.binary(max_size=40), framed=st.booleans())
    wires = st.one_of(st.binary(max_size=60), answers, answers.map(lambda wire: wire[: len(wire) // 2]))
    endings = st.sampled_from([Cut(), Reset()])

    @examples(100, nightly=10_000)
    @given(st.sampled_from(list(KINDS)), wires, endings)
    def create(kind, wire, ending):
        nonlocal ran
        ran += 1
        with ScriptedServer([Receive(), Send(wire), ending], [Receive(), Send(WHOLE), Cut()]) as server:
            client = virtual_client(server.url, timeout=SHORT)
            with contextlib.suppress(ReplicateHomeError):  # what is drawn may make sense
                KINDS[kind](client)
            client._engine.connections.given.close()
        assert server.creates <= 1, server.requests

    create()
    assert ran >= (10_000 if NIGHTLY else 100)


# ---- money while leaving ---------------------------------------------------------------------------------------


def test_a_timeout_of_the_callers_own_bounds_the_cost_at_the_server():
    timeouts = [({"timeout": 3}, "5s"), ({"timeout": 7.2}, "8s"), ({"timeout": 60}, "60s")]
    for options, sent in counted([*timeouts, ({"timeout": None}, None), ({}, None)], at_least=5):
        with HostedServer() as server:
            client = virtual_client(server.url)
            client.run("owner/model", {}, **options)
            client.stream("owner/model", {}, **options).text()
            client.run("owner/model", {}, **options, cancel_on_exit=False)
            client.predictions.create("owner/model", {}, **options)
            assert [one.headers.get("cancel-after") for one in server.asked("POST")] == [sent, sent, None, None]
            client._engine.connections.given.close()


def test_the_error_says_how_to_look_the_prediction_up_and_travels():
    error, _ = Faulty((Receive(), Cut())).meets("run")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (CreateOutcomeUnknown, str(error))
    assert "replicate.com/predictions" in str(error)


def test_real_time_changes_nothing():
    """The same over the machine's own clock, where a create times out."""
    with ScriptedServer([Receive(), Stall()], [Receive(), Send(WHOLE), Stall()]) as server:
        client = Client(TOKEN, base_url=server.url, timeout=0.2)
        error = failure_of("run", client)
        assert isinstance(error, CreateOutcomeUnknown)
        assert isinstance(error, TimeoutError)
        assert server.creates == 1
        client.close()
