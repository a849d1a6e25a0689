"""Webhooks: which are sent, when, with what, and how a receiver knows them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import standardwebhooks.webhooks
from standardwebhooks.webhooks import Webhook

from replicate_home.clock import FakeClock
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.http_server import serve
from replicate_home.emulator.registry import LocalRun
from replicate_home.emulator.webhook_senders import HttpSender
from replicate_home.wire import Request

from .api import Api

URL = "https://example.com/hook"
ALL = ["start", "output", "logs", "completed"]
BEGAN = 1_700_000_000


class Received:
    """What was sent in process, with the moment of the virtual clock at which it was."""

    def __init__(self, *statuses: int) -> None:
        self.requests: list[Request] = []
        self._statuses = list(statuses)

    def __call__(self, request: Request) -> int | None:
        self.requests.append(request)
        status = self._statuses.pop(0) if self._statuses else 200
        if status == 0:
            raise ConnectionRefusedError
        return status

    def brief(self) -> list[tuple[int, str, Any]]:
        """The second each was signed at, and the status and output that it told."""
        told = [(request, json.loads(request.body or b"")) for request in self.requests]  # type: ignore[arg-type]
        return [
            (int(request.headers["webhook-timestamp"]) - BEGAN, prediction["status"], prediction["output"])
            for request, prediction in told
        ]


def api_of(function: Any, received: Received) -> Api:
    return Api(Emulator({"local/model": function}, clock=FakeClock(), seed="hooks", send_webhook=received))


def hooked(api: Api, events: list[str] | None = None, url: str = URL, **inputs: Any) -> Any:
    body = {"version": "local/model", "input": inputs, "webhook": url}
    response = api.send("POST", "/predictions", {**body, **({"webhook_events_filter": events} if events else {})})
    assert response.status == 201
    return json.loads(response.body)


def pass_time(api: Api, moment: float) -> None:
    """Let time pass, and use the emulator."""
    assert isinstance(api.emulator.clock, FakeClock)
    api.emulator.clock.advance_to(moment)
    api.get("/account")


def slow(run: LocalRun) -> Iterator[str]:
    run.sleep(2)
    yield "a"
    run.log("half way")
    run.sleep(2)
    yield "b"


def test_they_tell_the_prediction_as_it_was_at_each_moment_in_order() -> None:
    received = Received()
    api = api_of(slow, received)
    hooked(api, ALL)
    pass_time(api, 10)
    assert received.brief() == [
        (0, "processing", None),
        (2, "processing", ["a"]),
        (2, "processing", ["a"]),
        (4, "processing", ["a", "b"]),
        (4, "succeeded", ["a", "b"]),
    ]


def test_nothing_is_sent_before_its_moment() -> None:
    received = Received()
    api = api_of(slow, received)
    hooked(api, ALL)
    counts = []
    for moment in (0, 1.9, 2, 3.9, 4, 99):
        pass_time(api, moment)
        counts.append(len(received.requests))
    assert counts == [1, 1, 3, 3, 5, 5]


@pytest.mark.parametrize(
    ("events", "seconds"),
    [(None, [2, 4, 4]), (["start"], [0]), (["completed"], [4]), (["logs"], [2]), (["start", "completed"], [0, 4])],
)
def test_only_the_wanted_are_sent_by_default_outputs_and_the_end(events: list[str] | None, seconds: list[int]) -> None:
    received = Received()
    api = api_of(slow, received)
    hooked(api, events)
    pass_time(api, 10)
    assert [second for second, _, _ in received.brief()] == seconds


def test_outputs_are_told_twice_a_second_at_most_and_the_end_always() -> None:
    def model(run: LocalRun) -> Iterator[int]:
        for number in range(22):
            run.sleep(0.125)
            yield number

    received = Received()
    api = api_of(model, received)
    hooked(api)
    pass_time(api, 10)
    counts = [len(output) for _, _, output in received.brief()]
    assert counts == [1, 5, 9, 13, 17, 21, 22]
    assert received.brief()[-1][1] == "succeeded"


def test_an_output_that_was_held_back_is_told_later_where_the_end_is_not() -> None:
    def model(run: LocalRun) -> Iterator[str]:
        yield "a"
        run.sleep(0.1)
        yield "b"
        run.sleep(0.1)
        yield "c"

    received = Received()
    api = api_of(model, received)
    hooked(api, ["output"])
    pass_time(api, 0.4)
    assert received.brief() == [(0, "processing", ["a"])]
    pass_time(api, 0.5)
    assert received.brief()[1:] == [(0, "processing", ["a", "b", "c"])]


def test_output_and_logs_are_held_back_apart() -> None:
    def model(run: LocalRun) -> Iterator[str]:
        yield "a"
        run.sleep(0.2)
        run.log("b")
        run.sleep(60)

    received = Received()
    api = api_of(model, received)
    hooked(api, ["output", "logs"])
    pass_time(api, 0.3)
    assert [json.loads(request.body)["logs"] for request in received.requests] == ["", "b\n"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("function", "status"), [(lambda: 1 / 0, "failed"), (lambda run: run.sleep(60), "canceled")], ids=["fails", "long"]
)
def test_every_end_is_told(function: Any, status: str) -> None:
    def model(run: LocalRun) -> Any:
        return function() if status == "failed" else function(run)

    received = Received()
    api = api_of(model, received)
    created = hooked(api, ["completed"])
    if status == "canceled":
        api.send("POST", f"/predictions/{created['id']}/cancel")
    pass_time(api, 1)
    assert [told for _, told, _ in received.brief()] == [status]


def test_the_old_field_tells_the_end_only() -> None:
    received = Received()
    api = api_of(slow, received)
    api.send("POST", "/predictions", {"version": "local/model", "input": {}, "webhook_completed": URL})
    pass_time(api, 10)
    assert [status for _, status, _ in received.brief()] == ["succeeded"]


# -- failures


def test_the_end_is_told_again_with_the_same_id_until_it_is_received() -> None:
    received = Received(200, 500, 0, 200)
    api = api_of(slow, received)
    hooked(api, ["start", "completed"])
    moments = []
    for moment in (0, 4, 4.9, 5, 6.9, 7, 100):
        pass_time(api, moment)
        moments.append(len(received.requests))
    assert moments == [1, 2, 2, 3, 3, 4, 4]
    assert len({request.headers["webhook-id"] for request in received.requests[1:]}) == 1
    assert received.requests[1] == received.requests[3]


def test_it_is_given_up_after_seven_attempts_in_about_a_minute() -> None:
    received = Received(*[503] * 20)
    api = api_of(lambda: "done", received)
    hooked(api, ["completed"])
    pass_time(api, 62)
    assert len(received.requests) == 6
    pass_time(api, 1000)
    assert len(received.requests) == 7


@pytest.mark.parametrize("event", ["start", "output", "logs"])
def test_what_is_in_between_is_not_repeated(event: str) -> None:
    received = Received(*[500] * 20)
    api = api_of(slow, received)
    hooked(api, [event])
    pass_time(api, 100)
    assert len(received.requests) == (2 if event == "output" else 1)


def test_a_receiver_may_use_the_emulator() -> None:
    def chain(request: Request) -> int:
        made.append(json.loads(request.body)["id"])  # type: ignore[arg-type]
        if len(made) < 3:
            hooked(api, ["completed"])
        return 200

    made: list[str] = []
    api = Api(Emulator({"local/model": lambda: "x"}, clock=FakeClock(), send_webhook=chain))
    hooked(api, ["completed"])
    assert len(set(made)) == 3


# -- signatures


@pytest.fixture
def in_2023(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library that verifies asks the machine for the time, which for the fake clock is 2023."""

    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(BEGAN + 1, UTC)

    monkeypatch.setattr(standardwebhooks.webhooks, "datetime", Then)


@pytest.mark.usefixtures("in_2023")
def test_a_receiver_can_verify_them_with_the_standard_library_and_the_accounts_secret() -> None:
    received = Received()
    api = api_of(lambda: "x", received)
    hooked(api)
    key = api.get("/webhooks/default/secret")["key"]
    assert key.startswith("whsec_")
    for request in received.requests:
        assert Webhook(key).verify(request.body, dict(request.headers))["output"] == "x"  # type: ignore[arg-type]
    assert len({request.headers["webhook-id"] for request in received.requests}) == len(received.requests) == 2


def test_each_emulator_has_a_secret_of_its_own_and_keeps_it() -> None:
    apis = [api_of(lambda: 1, Received()), Api(Emulator(clock=FakeClock())), Api(Emulator(clock=FakeClock()))]
    keys = [[api.get("/webhooks/default/secret")["key"] for _ in range(2)] for api in apis]
    assert all(first == second for first, second in keys)
    assert len({first for first, _ in keys}) == 3


# -- over sockets


class Receiver:
    """A server on this machine that keeps what it was sent."""

    def __init__(self, *statuses: int) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.came = threading.Condition()
        answers = list(statuses)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with outer.came:
                    outer.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
                    status = answers.pop(0) if answers else 204
                    outer.came.notify_all()
                self.send_response(status)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?a=b"

    def statuses(self, count: int) -> list[str]:
        """The statuses that were told, once there are so many."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.received) >= count, 20)
            return [json.loads(body)["status"] for _, body in self.received]

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_in_real_time_they_arrive_signed_at_a_receiver_on_this_machine() -> None:
    go = threading.Event()

    def model() -> Iterator[str]:
        yield "a"
        assert go.wait(20)

    with Receiver() as receiver, Emulator({"local/model": model}) as emulator, serve(emulator) as server:
        api = Api(emulator)
        body = {"version": "local/model", "input": {}, "webhook": receiver.url, "webhook_events_filter": ALL}
        api.send("POST", f"{server.url}/v1/predictions", body)
        assert receiver.statuses(2) == ["processing", "processing"]
        go.set()
        assert receiver.statuses(3)[2] == "succeeded"
        key = api.get("/webhooks/default/secret")["key"]
        for headers, content in receiver.received:
            told = Webhook(key).verify(content, headers)
            assert told["urls"]["get"].startswith(server.url)  # type: ignore[index]


def test_in_real_time_a_failed_end_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicate_home.emulator.webhooks.RETRIES", (0.01, 0.01))
    with Receiver(500, 500) as receiver, Emulator({"local/model": lambda: 1}) as emulator:
        hooked(Api(emulator), ["completed"], receiver.url)
        assert receiver.statuses(3) == ["succeeded"] * 3
        assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1


def test_a_redirect_is_not_followed() -> None:
    with Receiver(307) as receiver:
        request = Request("POST", receiver.url, {"webhook-id": "msg_1"}, b'{"status": "x"}')
        assert HttpSender()(request) == 307
        assert receiver.statuses(1) == ["x"]


def test_in_virtual_time_they_are_sent_over_sockets_too() -> None:
    with Receiver() as receiver:
        api = Api(Emulator({"local/model": slow}, clock=FakeClock()))
        hooked(api, ["start", "completed"], receiver.url)
        pass_time(api, 10)
        assert receiver.statuses(2) == ["processing", "succeeded"]


@pytest.mark.parametrize("url", ["http://example.com/x", "https://10.0.0.1/x", "http://127.0.0.1.example.com/x"])
def test_receivers_elsewhere_are_not_reached_unless_they_are_allowed(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import http.client

    def reached(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError("reached")

    monkeypatch.setattr(http.client.HTTPConnection, "connect", reached)
    monkeypatch.setattr(http.client.HTTPSConnection, "connect", reached)
    assert HttpSender()(Request("POST", url, {}, b"{}")) is None
    assert caplog.messages == [f"a webhook was not sent, as its receiver is elsewhere: {url}"]
    with pytest.raises(ConnectionRefusedError, match="reached"):
        HttpSender(anywhere=True)(Request("POST", url, {}, b"{}"))


def test_a_receiver_that_is_not_there_disturbs_nobody() -> None:
    with Emulator({"local/model": lambda: 1}) as emulator:
        api = Api(emulator)
        created = hooked(api, ["start"], "http://127.0.0.1:9/hook")
        assert api.held()["status"] == "succeeded"
        assert api.get(f"/predictions/{created['id']}")["webhook"] == "http://127.0.0.1:9/hook"


@pytest.mark.parametrize("place", ["127.0.0.1:99999/", "127.0.0.1:x/", "[::1/", "127.0.0.1:9/a b"])
def test_an_address_that_cannot_be_is_a_failed_attempt(place: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011  # of many kinds, none of which ends what sends
        HttpSender(anywhere=True)(Request("POST", f"http://{place}", {}, b"{}"))
