"""A transport of the user's own: ``send`` is all that it must have."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from replicate_home import Client, FakeClock, ProtocolError, Request, Response


class Canned:
    """Answers every request with the same prediction."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, float | None]] = []

    def send(self, request: Request, deadline: float | None) -> tuple[Response, None]:
        self.sent.append((request.method, deadline))
        body = {"id": "abc", "status": "succeeded", "output": ["Hel", "lo"]}
        return Response(201, {"content-type": "application/json"}, json.dumps(body).encode()), None


def test_a_transport_needs_neither_clock_nor_close() -> None:
    with Client("r8_canned", transport=Canned()) as client:
        assert client.run("owner/llm", prompt="Hi") == ["Hel", "lo"]
        assert list(client.stream("owner/llm", prompt="Hi")) == ["Hel", "lo"]
        assert client.predictions.get("abc").output == ["Hel", "lo"]


@pytest.mark.parametrize("ask", ["get", "cancel"])
def test_an_answer_about_another_prediction_is_a_protocol_error_that_names_both(ask: str) -> None:
    with (
        Client("r8_canned", transport=Canned()) as client,
        pytest.raises(ProtocolError, match=r"'def'.*'abc'") as caught,
    ):
        getattr(client.predictions, ask)("def")
    assert type(caught.value) is ProtocolError


def test_a_transport_without_a_clock_is_told_deadlines_on_the_clients() -> None:
    canned = Canned()
    Client("r8_canned", transport=canned, clock=FakeClock(start=1000)).run("owner/llm", prompt="Hi", timeout=20)
    assert canned.sent == [("POST", 1020.0)]


def test_a_transport_may_write_header_names_as_it_likes() -> None:
    class Throttled(Canned):
        def send(self, request: Request, deadline: float | None) -> tuple[Response, None]:
            answer = super().send(request, deadline)
            return answer if len(self.sent) > 1 else (Response(429, {"Retry-After": "7"}), None)

    clock = FakeClock()
    assert Client("r8_canned", transport=Throttled(), clock=clock).run("owner/llm", prompt="Hi") == ["Hel", "lo"]
    assert 7 <= clock.now() <= 8


@pytest.mark.parametrize("transport", [5, object(), {}])
def test_what_cannot_send_is_no_transport(transport: Any) -> None:
    with pytest.raises(TypeError, match="send"):
        Client("r8_canned", transport=transport)


def test_a_transport_of_ones_own_needs_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPLICATE_API_TOKEN", raising=False)
    canned = Canned()
    assert Client(transport=canned).run("owner/llm", prompt="Hi") == ["Hel", "lo"]


def test_the_same_holds_in_event_loops() -> None:
    async def use() -> None:
        canned = Canned()
        async with Client("r8_canned", transport=canned).as_async() as client:
            assert await client.run("owner/llm", prompt="Hi") == ["Hel", "lo"]
            assert [piece async for piece in client.stream("owner/llm", prompt="Hi")] == ["Hel", "lo"]

    asyncio.run(use())
