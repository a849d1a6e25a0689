"""The emulator over sockets, as clients that are not ours see it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from replicate_home.clock import FakeClock
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.http_server import HttpServer, serve
from replicate_home.emulator.registry import LocalRun

from .api import Api, parse_events


def words(run: LocalRun, text: str = "a b", pause: float = 0.0) -> Iterator[str]:
    for word in text.split(" "):
        run.sleep(pause)
        yield word


def endless(run: LocalRun) -> Iterator[str]:
    run.sleep(3600)
    yield "never"


MODELS = {"local/model": words, "local/endless": endless, "local/file": lambda: bytes(100_000)}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(MODELS, seed="server") as emulator:
        yield emulator


@pytest.fixture
def server(emulator: Emulator) -> Iterator[HttpServer]:
    with serve(emulator) as server:
        yield server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def create(session: requests.Session, url: str, model: str = "local/model", wait: str = "", **inputs: Any) -> Any:
    headers = {"Prefer": wait} if wait else {}
    answer = session.post(f"{url}/predictions", json={"version": model, "input": inputs}, headers=headers, timeout=20)
    assert answer.status_code in (201, 202), answer.text
    return answer.json()


def raw(server: HttpServer, data: bytes, *, shut: bool = True) -> bytes:
    """What comes back for these bytes, up to the end of the connection."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(data)
        if shut:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
        return answer


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_the_same_answers_as_in_process_for_the_same_seed(
    server: HttpServer, session: requests.Session, prefix: str
) -> None:
    inside = Api(Emulator(MODELS, clock=FakeClock(), seed="server"))
    held = create(session, server.url + prefix, text="x y", wait="wait")
    over_sockets = session.get(held["urls"]["get"], timeout=20).json()
    in_process = inside.held(text="x y")
    same = ("id", "model", "version", "input", "output", "logs", "status", "error", "source")
    assert {name: over_sockets[name] for name in same} == {name: in_process[name] for name in same}
    stream = over_sockets["urls"]["stream"]
    assert stream.startswith(server.url + "/v1/streams/")
    events = parse_events(session.get(stream, timeout=20).content)
    assert [event[:2] for event in events] == [event[:2] for event in inside.events(in_process)]


def test_a_connection_is_kept_for_many_requests(server: HttpServer) -> None:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    connection.request("GET", "/account")
    connection.getresponse().read()
    kept = connection.sock
    body = json.dumps({"version": "local/model", "input": {}})
    for method, path, payload in [
        ("POST", "/v1/predictions", body),
        ("GET", "/v1/nothing", None),
        ("POST", "/v1/predictions", "{"),
        ("HEAD", "/v1/account", None),
        ("GET", "/v1/predictions", None),
    ]:
        connection.request(method, path, payload)
        answer = connection.getresponse()
        length = 0 if method == "HEAD" else int(answer.headers["content-length"])
        assert len(answer.read()) == length
    assert connection.sock is kept
    connection.close()


def test_events_leave_as_they_happen(emulator: Emulator, server: HttpServer, session: requests.Session) -> None:
    go = threading.Event()

    def model() -> Iterator[str]:
        yield "a"
        assert go.wait(20)
        yield "b"

    emulator.service.models.add("local/gate", model)
    created = create(session, server.url, "local/gate")
    with session.get(created["urls"]["stream"], stream=True, timeout=20) as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        pieces = answer.raw.stream(65_536, decode_content=False)
        first = next(pieces)
        go.set()
        rest = b"".join(pieces)
    assert [event[1] for event in parse_events(first)] == ["a"]
    assert [event[1] for event in parse_events(rest)] == ["b", "{}"]


def test_a_stream_for_http_1_0_is_not_chunked(server: HttpServer, session: requests.Session) -> None:
    path = create(session, server.url)["urls"]["stream"].removeprefix(server.url)
    head, _, body = raw(server, f"GET {path} HTTP/1.0\r\n\r\n".encode()).partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert [event[1] for event in parse_events(body)] == ["a", "b", "{}"]


def test_a_file_can_be_uploaded_downloaded_and_used(server: HttpServer, session: requests.Session) -> None:
    answer = session.post(f"{server.url}/v1/files", files={"content": ("x.bin", bytes(3_000_000))}, timeout=20)
    file = answer.json()
    assert (answer.status_code, file["size"]) == (201, 3_000_000)
    assert file["urls"]["get"] == f"{server.url}/v1/files/{file['id']}"
    signed = {"owner": "local", "expiry": 9_999_999_999, "signature": "x"}
    assert len(session.get(file["urls"]["get"] + "/download", params=signed, timeout=20).content) == 3_000_000
    assert session.delete(file["urls"]["get"], timeout=20).status_code == 204


def test_an_output_file_is_delivered_whole_in_parts_and_by_its_head(
    server: HttpServer, session: requests.Session
) -> None:
    held = create(session, server.url, "local/file", wait="wait")
    url = session.get(held["urls"]["get"], timeout=20).json()["output"]
    assert len(session.get(url, timeout=20).content) == 100_000
    part = session.get(url, headers={"Range": "bytes=99990-"}, timeout=20)
    assert (part.status_code, len(part.content)) == (206, 10)
    head = session.head(url, timeout=20)
    assert (head.headers["content-length"], head.content) == ("100000", b"")


def test_a_chunked_request_body_is_read(server: HttpServer, session: requests.Session) -> None:
    pieces = iter([b'{"version": "local/model", ', b'"input": {}}'])
    headers = {"Content-Type": "application/json"}
    answer = session.post(f"{server.url}/predictions", data=pieces, headers=headers, timeout=20)
    assert answer.status_code == 201


def test_the_address_of_the_request_is_the_address_in_the_answer(server: HttpServer, session: requests.Session) -> None:
    own = server.url.rpartition(":")[2]
    created = create(session, f"http://localhost:{own}")
    assert created["urls"]["get"].startswith(f"http://localhost:{own}/v1/")


def test_a_host_header_that_is_no_host_is_not_repeated(server: HttpServer) -> None:
    answer = raw(server, b'GET /v1/models HTTP/1.1\r\nHost: evil/"><x>\r\nConnection: close\r\n\r\n')
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"evil" not in answer


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /v1/account HTTP/9.9\r\n\r\n",
        b"POST /predictions HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /predictions HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /predictions HTTP/1.1\r\nContent-Length: 99\r\n\r\n{}",
        b"POST /predictions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /predictions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"POST /predictions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\nab",
        b"POST /predictions HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\nab",
        b"GET " + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET http://[::1/x HTTP/1.1\r\n\r\n",
        b"GET //x/../%00%ff?\xff=&=& HTTP/1.1\r\n\r\n",
        b"BREW /pot HTTP/1.1\r\n\r\n",
        b"GET /v1/account HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    ],
)
def test_garbage_is_answered_or_hung_up_on_and_the_server_goes_on(
    server: HttpServer, session: requests.Session, data: bytes
) -> None:
    answer = raw(server, data)
    assert answer == b"" or b"application/problem+json" in answer or answer.startswith(b"HTTP/1.1 2")
    assert b" 500 " not in answer
    assert session.get(f"{server.url}/account", timeout=20).status_code == 200


def test_a_client_that_goes_away_disturbs_nobody(server: HttpServer, session: requests.Session) -> None:
    created = create(session, server.url, "local/endless")
    with session.get(created["urls"]["stream"], stream=True, timeout=20) as answer:
        assert answer.status_code == 200
    assert session.post(created["urls"]["cancel"], timeout=20).json()["status"] == "canceled"


def test_closing_the_server_ends_streams_held_creates_and_idle_connections(emulator: Emulator) -> None:
    before = set(threading.enumerate())
    server = serve(emulator)
    ended: list[BaseException | int] = []

    def call(method: str, url: str, **options: Any) -> None:
        with requests.Session() as session:
            try:
                with session.request(method, url, stream=True, timeout=20, **options) as answer:
                    started.release()
                    ended.append(len(answer.content))
            except requests.RequestException as error:
                ended.append(error)

    started = threading.Semaphore(0)
    with requests.Session() as idle:
        created = create(idle, server.url, "local/endless")
        body = {"version": "local/endless", "input": {}}
        calls = [
            threading.Thread(target=call, args=("GET", created["urls"]["stream"])),
            threading.Thread(
                target=call,
                args=("POST", f"{server.url}/predictions"),
                kwargs={"json": body, "headers": {"Prefer": "wait"}},
            ),
        ]
        for thread in calls:
            thread.start()
        assert started.acquire(timeout=10)
        while len(emulator.calls) < 2:
            assert calls[1].is_alive()
        server.close()
        for thread in calls:
            thread.join(10)
            assert not thread.is_alive()
    assert [type(outcome) is not int for outcome in ended] == [True, True]
    emulator.close()
    assert set(threading.enumerate()) <= before


def test_a_closed_server_can_be_opened_again_at_the_same_port(emulator: Emulator) -> None:
    with serve(emulator) as first:
        assert requests.get(f"{first.url}/account", timeout=20).status_code == 200
    port = int(first.url.rpartition(":")[2])
    with serve(emulator, port=port) as second:
        assert second.url == first.url
        assert requests.get(f"{second.url}/account", timeout=20).status_code == 200
        with pytest.raises(OSError, match="in use"):
            serve(emulator, port=port)


def test_over_a_virtual_clock_every_look_brings_something_new(session: requests.Session) -> None:
    clock = FakeClock()
    with serve(Emulator(MODELS, clock=clock)) as server:
        created = create(session, server.url, text="a b c", pause=100)
        seen = [session.get(created["urls"]["get"], timeout=20).json()["output"] for _ in range(4)]
        assert (seen, clock.now()) == ([["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c"]], 300.0)
        canceled = create(session, server.url, pause=100)
        assert session.post(canceled["urls"]["cancel"], timeout=20).json()["output"] is None
        assert clock.now() == 300.0


def test_many_clients_at_once(server: HttpServer) -> None:
    outputs: list[Any] = []

    def client(number: int) -> None:
        with requests.Session() as session:
            for _ in range(5):
                outputs.append((number, create(session, server.url, text=f"x {number}", wait="wait")["output"]))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outputs) == sorted((number, ["x", str(number)]) for number in range(8) for _ in range(5))


def test_ipv6_is_served_where_there_is_any(emulator: Emulator, session: requests.Session) -> None:
    try:
        server = serve(emulator, "::1")
    except OSError:
        pytest.skip("no IPv6 here")
    with server:
        created = create(session, server.url, wait="wait")
        assert created["urls"]["get"].startswith(server.url)
