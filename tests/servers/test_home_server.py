from __future__ import annotations

import json
import threading
import time
from http.client import HTTPConnection, HTTPResponse, RemoteDisconnected

import pytest

from .home_server import HANG_UP, HomeServer, Step, fails, grows, html_403, job, returns, too_many

GEMMA = "google-deepmind/gemma-2b-it"
CREATE = {"model": GEMMA, "version": "dff94e", "input": {"prompt": "Hi"}}


class Caller:
    """A kept-alive connection to the server under test."""

    def __init__(self, server: HomeServer) -> None:
        self._connection = HTTPConnection(server.url.removeprefix("http://"), timeout=10)

    def ask(self, method: str, path: str, body: object = None) -> tuple[HTTPResponse, bytes]:
        sent = None if body is None else json.dumps(body)
        self._connection.request(method, path, sent, {"Content-Type": "application/json"} if sent else {})
        response = self._connection.getresponse()
        return response, response.read()

    def create(self, **changes: object) -> dict:
        response, body = self.ask("POST", "/api/prediction", {**CREATE, **changes})
        assert response.status == 201
        return json.loads(body)

    def poll(self, id: str) -> dict:
        return json.loads(self.ask("GET", f"/api/poll?id={id}")[1])

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def server():
    with HomeServer() as running:
        yield running


@pytest.fixture
def caller(server):
    caller = Caller(server)
    yield caller
    caller.close()


def test_a_create_answers_201_with_an_id_and_polls_show_the_text_growing(server, caller) -> None:
    server.add(GEMMA, grows("Hel", "lo"))
    created = caller.create()
    assert created == {
        "id": "home00000000",
        "model": GEMMA,
        "status": "starting",
        "output": None,
        "error": None,
        "created_at": "2024-09-01T12:00:00.000Z",
    }
    seen = [caller.poll(created["id"]) for _ in range(4)]
    assert [(poll["status"], poll["output"]) for poll in seen] == [
        ("processing", ["Hel"]),
        ("processing", ["Hel", "lo"]),
        ("succeeded", ["Hel", "lo"]),
        ("succeeded", ["Hel", "lo"]),
    ]


@pytest.mark.parametrize("output", [["https://a/1.png", "https://a/2.png"], "text", None, {"a": 1}])
def test_a_job_may_return_any_output(output, server, caller) -> None:
    server.add(GEMMA, returns(output))
    poll = caller.poll(caller.create()["id"])
    assert (poll["status"], poll["output"], poll["error"]) == ("succeeded", output, None)


def test_a_job_may_fail_or_be_canceled(server, caller) -> None:
    server.add(GEMMA, fails("NSFW"), job(Step("canceled")))
    failed, canceled = (caller.poll(caller.create()["id"]) for _ in range(2))
    assert (failed["status"], failed["error"]) == ("failed", "NSFW")
    assert canceled["status"] == "canceled"


def test_the_older_path_follows_too(server, caller) -> None:
    server.add(GEMMA, returns("text"))
    _, body = caller.ask("GET", f"/api/prediction?id={caller.create()['id']}")
    assert json.loads(body)["output"] == "text"


def test_jobs_come_in_order_the_last_again_and_again_and_those_without_a_model_serve_the_others(server, caller) -> None:
    server.add(GEMMA, returns("first"), returns("last"))
    server.add(None, returns("any"))
    outputs = [caller.poll(caller.create()["id"])["output"] for _ in range(3)]
    other = caller.poll(caller.create(model="bytedance/sdxl-lightning-4step")["id"])["output"]
    assert (outputs, other, server.creates) == (["first", "last", "last"], "any", 4)


def test_a_job_may_finish_at_a_certain_time(server, caller) -> None:
    server.add(GEMMA, job(Step("processing"), Step("succeeded", "done", after=0.2)))
    started = time.monotonic()
    id = caller.create()["id"]
    assert caller.poll(id)["status"] == "processing"
    while caller.poll(id)["status"] != "succeeded":
        time.sleep(0.02)
    assert time.monotonic() - started >= 0.2


def test_one_poll_may_be_a_wall_and_the_next_is_as_if_it_had_not_been(server, caller) -> None:
    server.add(GEMMA, job(Step("processing"), Step(poll=2, raw=html_403()), Step("succeeded", "x", poll=3)))
    id = caller.create()["id"]
    caller.poll(id)
    response, body = caller.ask("GET", f"/api/poll?id={id}")
    assert (response.status, response.headers["Content-Type"]) == (403, "text/html; charset=UTF-8")
    assert b"<!DOCTYPE html>" in body
    assert caller.poll(id)["output"] == "x"


def test_creates_may_be_refused_and_make_nothing(server, caller) -> None:
    server.add(GEMMA, returns("x"))
    server.refusals.append(too_many(retry_after=0.5))
    response, body = caller.ask("POST", "/api/prediction", CREATE)
    assert (response.status, response.headers["Retry-After"]) == (429, "0.5")
    assert json.loads(body) == {"detail": "Request was throttled."}
    assert server.creates == 0
    caller.create()
    assert server.creates == 1


def test_the_content_type_may_be_another(server, caller) -> None:
    server.add(GEMMA, job(Step("succeeded", "x"), content_type="text/plain"))
    response, body = caller.ask("GET", f"/api/poll?id={caller.create()['id']}")
    assert (response.headers["Content-Type"], json.loads(body)["output"]) == ("text/plain", "x")


def test_a_create_may_be_finished_at_once(server, caller) -> None:
    server.add(GEMMA, job(created=Step("succeeded", "x")))
    created = caller.create()
    assert created["output"] == "x"
    assert caller.poll(created["id"]) == created


def test_an_answer_may_be_a_connection_that_closes(server, caller) -> None:
    server.add(GEMMA, job(Step("succeeded", "x"), Step(raw=HANG_UP)))
    id = caller.create()["id"]
    with pytest.raises(RemoteDisconnected):
        caller.poll(id)
    assert caller.poll(id)["output"] == "x"


def test_requests_are_recorded_as_they_came(server, caller) -> None:
    server.add(GEMMA, returns("x"))
    caller.poll(caller.create()["id"])
    create, poll = server.requests
    assert (create.method, create.path, create.json) == ("POST", "/api/prediction", CREATE)
    assert create.headers["content-type"] == "application/json"
    assert (poll.method, poll.path, poll.json) == ("GET", "/api/poll?id=home00000000", None)
    assert server.polls == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/poll?id=nobody", None, 404),
        ("GET", "/api/poll", None, 404),
        ("GET", "/", None, 404),
        ("POST", "/api/poll", CREATE, 404),
        ("POST", "/api/prediction", {"model": GEMMA}, 422),
        ("POST", "/api/prediction", "text", 422),
        ("POST", "/api/prediction", CREATE, 422),
    ],
)
def test_what_it_was_not_told_about_is_refused(method, path, body, status, caller) -> None:
    response, content = caller.ask(method, path, body)
    assert (response.status, list(json.loads(content))) == (status, ["detail"])


def test_leaving_ends_every_thread_though_a_connection_is_kept_alive() -> None:
    before = set(threading.enumerate())
    with HomeServer() as server:
        caller = Caller(server)
        caller.ask("GET", "/")
    assert set(threading.enumerate()) == before
    caller.close()
