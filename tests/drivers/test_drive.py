"""The driver for threads, where another thread leaves while it waits."""

from __future__ import annotations

import threading

import pytest

from replicate_home import Client, Request, Response, SystemClock
from replicate_home.drivers.driving import MAY_EXIST

CREATED = b'{"id": "abc", "status": "starting"}'
CANCELED = b'{"id": "abc", "status": "canceled"}'


class SlowCreate:
    """Answers a create only when it is told to."""

    clock = SystemClock()
    base_url = "http://127.0.0.1:1/v1"

    def __init__(self) -> None:
        self.asked, self.answer = threading.Event(), threading.Event()
        self.requests: list[str] = []

    def send(self, request: Request, deadline: float | None) -> tuple[Response, None]:
        self.requests.append(f"{request.method} {request.url.removeprefix(self.base_url)}")
        if len(self.requests) > 1:
            return Response(200, {}, CANCELED), None
        self.asked.set()
        assert self.answer.wait(10)
        return Response(201, {}, CREATED), None

    def close(self) -> None:
        """Nothing is open."""


def test_a_prediction_that_is_created_while_another_thread_closes_is_canceled() -> None:
    transport = SlowCreate()
    stream = Client(transport=transport).stream("owner/llm", prompt="Hi")
    outcome: list[object] = []

    def consume() -> None:
        try:
            outcome.append(list(stream))
        except Exception as error:
            outcome.append(type(error).__name__)

    consumer = threading.Thread(target=consume)
    consumer.start()
    assert transport.asked.wait(10)
    stream.close()
    transport.answer.set()
    consumer.join(10)
    assert transport.requests == ["POST /predictions", "POST /predictions/abc/cancel"]
    assert outcome == ["StreamInterrupted"]


def test_ctrl_c_during_a_create_says_that_a_prediction_may_have_been_created() -> None:
    class Interrupted(SlowCreate):
        def send(self, request: Request, deadline: float | None) -> tuple[Response, None]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        Client(transport=Interrupted()).run("owner/llm", prompt="Hi")
    assert caught.value.__notes__ == [MAY_EXIST]
