"""The server before browsers and bad clients: who may ask, how long one may be silent, what is read one way only."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import requests

from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.http_server import HttpServer, Manners, serve

BODY = json.dumps({"version": "local/model", "input": {}}).encode()


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator({"local/model": lambda: "x"}) as emulator:
        yield emulator


@pytest.fixture
def server(emulator: Emulator) -> Iterator[HttpServer]:
    with serve(emulator, manners=Manners(patience=0.3, connections=8)) as server:
        yield server


def address(server: HttpServer) -> tuple[str, int]:
    host, port = server.url.removeprefix("http://").split(":")
    return host, int(port)


def raw(server: HttpServer, data: bytes) -> bytes:
    with socket.create_connection(address(server), timeout=20) as connection:
        connection.sendall(data)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
        return answer


def create(server: HttpServer, **headers: str) -> int:
    told = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    return requests.post(f"{server.url}/v1/predictions", data=BODY, headers=told, timeout=20).status_code


def test_pages_of_other_origins_may_not_use_it(emulator: Emulator, server: HttpServer) -> None:
    port = address(server)[1]
    refused = [
        create(server, Origin="http://evil.example"),
        create(server, Origin="null"),
        create(server, Origin=f"http://localhost:{port + 1}"),
        create(server, Host="evil.example"),
        create(server, Host="127.evil.example"),
        create(server, Sec_Fetch_Site="cross-site"),
    ]
    assert refused == [403] * 6
    assert list(emulator.calls) == []
    assert create(server, Origin=server.url) == 201
    assert (
        create(server, Host=f"localhost:{port}", Origin=f"http://localhost:{port}", Sec_Fetch_Site="same-origin") == 201
    )


def test_with_any_host_it_answers_to_other_names(emulator: Emulator) -> None:
    with serve(emulator, manners=Manners(any_host=True)) as server:
        assert create(server, Host="host.docker.internal") == 201
        assert create(server, Host="host.docker.internal", Origin="http://evil.example") == 403


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_has_to_say_that_it_is_json(server: HttpServer, kind: str) -> None:
    assert create(server, Content_Type=kind) == 415


def test_a_search_is_sent_as_text(server: HttpServer) -> None:
    headers = {"Content-Type": "text/plain"}
    answer = requests.request("QUERY", f"{server.url}/v1/models", data="word", headers=headers, timeout=20)
    assert (answer.status_code, answer.json()["next"]) == (200, None)


def test_what_was_uploaded_is_an_attachment(server: HttpServer) -> None:
    page = {"content": ("x.html", b"<script>alert(1)</script>", "text/html")}
    file = requests.post(f"{server.url}/v1/files", files=page, timeout=20).json()
    signed = {"owner": "local", "expiry": 9_999_999_999, "signature": "x"}
    answer = requests.get(file["urls"]["get"] + "/download", params=signed, timeout=20)
    shown = {name: answer.headers[name] for name in ("content-disposition", "content-security-policy")}
    assert shown == {"content-disposition": "attachment", "content-security-policy": "sandbox"}
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_ids_are_new_each_time() -> None:
    made = []
    for _ in range(2):
        with Emulator({"local/model": lambda: "x"}) as emulator, serve(emulator) as server:
            told = {"Content-Type": "application/json"}
            made.append(requests.post(f"{server.url}/predictions", data=BODY, headers=told, timeout=20).json()["id"])
    assert made[0] != made[1]


@pytest.mark.parametrize("sent", [b"", b"GET /v1/acc", b"POST /v1/predictions HTTP/1.1\r\nContent-Length: 99\r\n\r\n{"])
def test_a_client_that_falls_silent_is_not_waited_for(server: HttpServer, sent: bytes) -> None:
    began = time.monotonic()
    raw(server, sent)
    assert 0.2 < time.monotonic() - began < 10


def test_there_are_only_so_many_connections(server: HttpServer) -> None:
    threads = threading.active_count()
    connections = [socket.create_connection(address(server), timeout=20) for _ in range(20)]
    refused = [connection for connection in connections[8:] if connection.recv(100).startswith(b"HTTP/1.1 503 ")]
    assert (len(refused), threading.active_count() - threads <= 8) == (12, True)
    for connection in connections:
        connection.close()
    for _ in range(500):
        if create(server) == 201:
            return
        time.sleep(0.01)
    pytest.fail("the places of closed connections are not free again")


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: %d\r\nContent-Length: 3\r\n",
        b"Content-Length : %d\r\n",
        b"Content-Length: %d\r\nTransfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: xchunked\r\nX: %d\r\n",
        b"Transfer-Encoding: chunked, identity\r\nX: %d\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\nX: %d\r\n",
        b"Content-Length: +%d\r\n",
        b"Content-Length: %d,3\r\n",
        b"X: a\r\n b\r\nContent-Length: %d\r\n",
        b"Content-Length: %d\r\nHost: localhost\r\n",
    ],
)
def test_a_request_whose_end_may_be_read_in_two_ways_is_refused(
    emulator: Emulator, server: HttpServer, framing: bytes
) -> None:
    head = b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    answer = raw(server, head + framing % len(BODY) + b"\r\n" + BODY + b"GET /v1/account HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert list(emulator.calls) == []


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (b"--b\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n" * 100_000 + b"--b--", "more than 100 parts"),
        (b"--b\r\n" + b"A: b\r\n" * 1_000_000 + b"\r\n\r\nx\r\n--b--", "more than 8192 bytes"),
    ],
)
def test_a_form_costs_no_more_than_its_size(server: HttpServer, form: bytes, said: str) -> None:
    began = time.process_time()
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = requests.post(f"{server.url}/v1/files", data=form, headers=kind, timeout=20)
    assert (answer.status_code, said in answer.text) == (422, True)
    assert time.process_time() - began < 1.0
