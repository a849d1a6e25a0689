"""G3: the token leaves only for the configured API's own origin, over https or to this machine itself.

It is in no repr, str, log record, warning, exception chain, traceback with locals, pickle or ``vars()`` printout; a
``.netrc`` neither replaces nor adds credentials; another host is given none, whatever the API's answers name.
"""

from __future__ import annotations

import copy
import http.client
import itertools
import json
import logging
import pickle
import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import attrs
import pytest

from replicate_home import (
    AuthenticationError,
    Client,
    ConnectFailed,
    CreateOutcomeUnknown,
    FakeClock,
    FileExpired,
    InvalidInput,
    ModelError,
    NotFound,
    PredictionTimeout,
    ProtocolError,
    ReplicateHomeError,
    ServerError,
    StreamInterrupted,
    Timeout,
    UnsafeURL,
)
from replicate_home.testing.scripted_server import Cut, Drip, Line, Receive, Reset, ScriptedServer, Send, Step, answer
from replicate_home.transports.over_requests.transport import RequestsTransport
from replicate_home.wire import Request, Response

from .cases import TOKEN, UNHURRIED, counted, virtual_client
from .hosted_server import RECORDINGS, CutAfter, HostedServer, Job, Refuses, Whole, by_name

pytestmark = [pytest.mark.reliability, pytest.mark.long, UNHURRIED]
SECRET = TOKEN.encode()
API = "https://api.replicate.com/v1"


@pytest.fixture(autouse=True)
def nothing_is_said(caplog, capsys, recwarn, monkeypatch) -> Iterator[None]:
    """All logs at DEBUG, all that is printed, all warnings: none has the token."""
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "requests", "replicate_home", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    warnings.simplefilter("always")
    yield
    printed = capsys.readouterr()
    said = [caplog.text, printed.out, printed.err, *(str(warning.message) for warning in recwarn.list)]
    assert not [text for text in said if TOKEN in text]


# ---- where it goes: by the requests that a transport is handed --------------------------------------------------


class Capture:
    """A transport that keeps every request and answers it by its address."""

    backend = "replicate"

    def __init__(self, base_url: str, **answers: Response) -> None:
        self.base_url = base_url
        self.clock = FakeClock()
        self.requests: list[Request] = []
        self.answers = {address.replace("_", "/"): found for address, found in answers.items()}

    def send(self, request: Request, deadline: float | None) -> tuple[Response, None]:
        """What was planned for the end of this address, else 404."""
        self.requests.append(request)
        found = [response for ending, response in self.answers.items() if request.url.endswith(ending)]
        return (found or [Response(404)])[0], None

    def close(self) -> None:
        """Nothing was opened."""

    def beyond_the_api(self) -> list[Request]:
        """The requests for addresses that are not below the base URL."""
        return [request for request in self.requests if not request.url.startswith(self.base_url)]


def prediction(**fields: Any) -> Response:
    """An answer with a prediction in it."""
    shown = {"id": "abc", "status": "starting", "urls": {}, **fields}
    return Response(200, {"content-type": "application/json"}, json.dumps(shown).encode())


def attempt(call: Callable[[], Any]) -> ReplicateHomeError | None:
    """The error that a call ends with, if any."""
    try:
        call()
    except ReplicateHomeError as error:
        return error
    return None


BASES = {
    "https://api.replicate.com": True,
    "https://api.replicate.com/v1": True,
    "https://proxy.example:8443/replicate": True,
    "https://10.0.0.1": True,
    "http://127.0.0.1:5000": True,
    "http://127.8.8.8:5000": True,
    "http://localhost:5000": True,
    "http://[::1]:5000": True,
    "http://api.replicate.com": False,
    "http://10.0.0.1": False,
    "http://192.168.1.4:5000": False,
    "http://0.0.0.0:5000": False,
    "http://127.1:5000": False,
    "http://2130706433:5000": False,
    "http://127.0.0.1.example:5000": False,
    "http://localhost.example:5000": False,
    "http://xlocalhost:5000": False,
    "http://[::ffff:127.0.0.1]:5000": False,
    "http://[fd00::1]:5000": False,
}


def test_the_token_goes_over_https_or_to_this_machine():
    """Anywhere else a client with a token refuses to go, before any request."""
    for base_url, goes in counted(BASES.items(), at_least=19):
        transport = Capture(base_url)
        client = Client(TOKEN, transport=transport)
        for call, argument in ((client.predictions.get, "abc"), (client.run, "owner/model")):
            error = attempt(partial(call, argument))
            assert goes or (isinstance(error, InvalidInput) and "only over https" in str(error)), base_url
        assert [request.token is not None for request in transport.requests] == [True] * 2 * goes, base_url


STREAM_URLS = {
    "https://api.replicate.com/v1/s": True,
    "https://api.replicate.com:443/s": True,
    "https://API.Replicate.Com/s": True,
    "https://stream.replicate.com/v1/s": False,
    "https://api.replicate.com:444/s": False,
    "https://api.replicate.com./s": False,
    "https://api.replicate.com.evil.example/s": False,
    "https://evil.example/api.replicate.com/s": False,
    "https://evil.example/?api.replicate.com/v1": False,
    "https://evil.example#api.replicate.com/v1": False,
    "https://xn--pi-replicate.com/s": False,
}
NEVER_ASKED = (
    "http://api.replicate.com/s", "https://api.replicate.com@evil.example/s", "https://evil.example\\@api.replicate.com/",
    "https://user:pw@api.replicate.com/s", "//evil.example/s", "/v1/relative", "ftp://api.replicate.com/s",
    "file:///etc/passwd", "data:text/event-stream,x", "javascript:alert(1)", "https://api\u3002replicate\u3002com/s",
    " https://evil.example/", "",
    "https://evil.example/\r\nX: y", "https:///s", "https://[::1", "https://evil.example:port/", "HTTPS//evil.example",
)  # fmt: skip
INTERNAL = (
    "https://127.0.0.1/s", "https://localhost/s", "https://[::1]/s", "https://0.0.0.0/s", "https://169.254.169.254/meta",
    "https://metadata.google.internal/", "https://10.0.0.1/", "https://192.168.1.1/", "https://172.16.0.1/",
    "https://100.64.0.1/", "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/",
    "https://[::ffff:169.254.169.254]/", "https://[fd00:ec2::254]/", "https://printer.local/", "http://127.0.0.1/", "http://[fe80::1]/",
)  # fmt: skip


def test_a_stream_url_elsewhere_gets_no_token():
    """The stream URL is a capability of its own: what it names is asked without the token, or not at all."""
    for url, goes in counted(STREAM_URLS.items(), at_least=11):
        transport = Capture(API, predictions=prediction(urls={"stream": url}))
        attempt(
            lambda transport=transport: list(Client(TOKEN, transport=transport).stream("owner/model", {}, timeout=1))
        )
        asked = [request for request in transport.requests if request.streams]
        assert [(request.url, request.token is not None) for request in asked] == [(url, goes)], url


def test_a_stream_url_that_is_unsafe_is_not_asked_at_all():
    for url in counted(NEVER_ASKED + INTERNAL, at_least=36):
        transport = Capture(API, predictions=prediction(urls={"stream": url}))
        attempt(
            lambda transport=transport: list(Client(TOKEN, transport=transport).stream("owner/model", {}, timeout=1))
        )
        assert transport.beyond_the_api() == [], url


def test_the_next_page_elsewhere_is_not_asked_at_all():
    """A list that leads away from the API is an error: nothing that follows it could be trusted."""
    elsewhere = [url for url, goes in STREAM_URLS.items() if not goes] + list(NEVER_ASKED + INTERNAL)
    elsewhere.remove("http://api.replicate.com/s")  # some lists of the API say so, and are asked for over https
    for url in counted(elsewhere, at_least=40):
        page = Response(200, {}, json.dumps({"results": [], "next": url}).encode())
        transport = Capture(API, predictions=page)
        error = attempt(lambda transport=transport: list(Client(TOKEN, transport=transport).predictions.list()))
        assert (type(error), transport.beyond_the_api()) == (ProtocolError, []), url


def redirected(status: int, target: str) -> Response:
    """An answer that points elsewhere."""
    return Response(status, {"location": target})


LEADS_AWAY = (
    "https://another.example/", "http://api.replicate.com/v1/predictions/abc", "https://api.replicate.com:8443/x", "",
    "//evil.example/x", "https://api.replicate.com@evil.example/", "ftp://api.replicate.com/",
    "https://api.replicate.com.evil.example/v1", "https://evil.example\\@api.replicate.com/",
)  # fmt: skip
STAYS = ("/v1/elsewhere", "https://api.replicate.com:443/v1/elsewhere", "elsewhere")


def test_a_redirect_away_from_the_api_is_not_followed():
    for status, target in counted(itertools.product((301, 302, 303, 307, 308), LEADS_AWAY + STAYS), at_least=60):
        transport = Capture(API, predictions_abc=redirected(status, target))
        error = attempt(lambda transport=transport: Client(TOKEN, transport=transport).predictions.get("abc"))
        expected = (NotFound, 2) if target in STAYS else (ProtocolError, 1)
        assert (type(error), len(transport.requests)) == expected, target


def test_a_file_elsewhere_gets_no_token_and_leads_to_no_internal_host():
    delivery = "https://replicate.delivery/x/a.png"
    public = ("https://cdn.example/a.png", "https://api.replicate.com/v1/other", "https://replicate.delivery:8443/b")
    for target in counted(public + NEVER_ASKED[:1] + NEVER_ASKED[6:10] + INTERNAL, at_least=26):
        done = prediction(status="succeeded", output=delivery)
        transport = Capture(API, predictions=done, **{"a.png": redirected(302, target)})
        result = Client(TOKEN, transport=transport).run("owner/model", {})
        error = attempt(result.read)
        files = [request for request in transport.requests if request.method == "GET"]
        assert [request.token for request in files] == [None] * len(files)
        expected = (
            ["https://replicate.delivery/x/a.png", target]
            if target in public
            else ["https://replicate.delivery/x/a.png"]
        )
        if not target.endswith("a.png"):
            assert [request.url for request in files] == expected
            assert type(error) is (FileExpired if target in public else UnsafeURL), target


# ---- where it goes: by the bytes on other hosts' sockets ---------------------------------------------------------


@attrs.frozen
class Overhear:
    """Keep every byte of a request, and answer ``reply``."""

    heard: bytearray
    reply: bytes

    def play(self, line: Line) -> None:
        """Listen to the end of the head."""
        while b"\r\n\r\n" not in self.heard and (data := line.sock.recv(65536)):
            self.heard.extend(data)
        line.sock.sendall(self.reply)


@attrs.define
class Foreign:
    """Another server on this machine: another port, and so another origin."""

    server: ScriptedServer
    heard: bytearray

    @property
    def forms(self) -> list[str]:
        """Addresses that lead to it, plain and in disguise."""
        port = self.server.port
        return [
            f"http://127.0.0.1:{port}/x", f"http://localhost:{port}/x", f"HTTP://127.0.0.1:{port}/x",
            f"//127.0.0.1:{port}/x",
            f"http://127.0.0.1:{{api}}@127.0.0.1:{port}/x", f"http://127.0.0.1:{port}\\@127.0.0.1:{{api}}/x",
            f"http://127.0.0.1:{port}/x#@127.0.0.1:{{api}}/v1/", f"http://127.0.0.1:{port}?@127.0.0.1:{{api}}/v1/",
            f"http://127.0.0.1:{port}/v1/predictions/abc", f"http://127.1:{port}/x", f"http://2130706433:{port}/x",
            f"http://0x7f.1:{port}/x", f"http://0:{port}/x", f"http://127.0.0.2:{port}/x", f"http://[::ffff:127.0.0.1]:{port}/x",
            f" http://127.0.0.1:{port}/x", f"http://127.0.0.1:{port}/\tx", f"ht\ntp://127.0.0.1:{port}/x",
        ]  # fmt: skip


@pytest.fixture
def foreign():
    heard = bytearray()
    reply = answer(404, b"{}", {"Connection": "close"})
    with ScriptedServer([Overhear(heard, reply)], repeat=True) as server:
        yield Foreign(server, heard)


WAYS: dict[str, Callable[[HostedServer, str], None]] = {
    "urls.stream": lambda server, url: server.jobs.append(Job(RECORDINGS[0], stream_url=url)),
    "redirect of the stream": lambda server, url: server.jobs.append(
        Job(RECORDINGS[0], [Refuses(307, headers={"Location": url})])
    ),
    "redirect of a poll": lambda server, url: server.jobs.append(
        Job(RECORDINGS[0], [CutAfter(9)], [answer(302, headers={"Location": url})])
    ),
    "redirect of the create": lambda server, url: setattr(
        server, "instead", lambda received: [Send(answer(307, headers={"Location": url}))]
    ),
    "a page's next": lambda server, url: setattr(
        server, "instead", lambda received: [Send(answer(200, json.dumps({"results": [], "next": url}).encode()))]
    ),
    "redirect of a file": lambda server, url: setattr(
        server, "instead", lambda received: _file_of(server, received.target, url)
    ),
}


def _file_of(server: HostedServer, target: str, url: str) -> list[Step] | None:
    if target.endswith("/file"):
        return [Send(answer(302, headers={"Location": url}))]
    shown = {"id": "abc", "status": "succeeded", "output": [f"{server.url}/v1/file", url]}
    return [Send(answer(201, json.dumps(shown).encode()))]


def test_no_byte_of_the_token_reaches_another_server(foreign, tmp_path, monkeypatch):
    reached = 0
    cases = [(way, form) for way in WAYS for form in foreign.forms]
    for way, form in counted(cases, at_least=100):
        with HostedServer() as server:
            WAYS[way](server, form.replace("{api}", str(server.port)))
            client = virtual_client(server.url, timeout=Timeout(total=60, read=0.5, idle=0.1))
            if way == "a page's next":
                attempt(lambda client=client: list(client.predictions.list()))
            elif way == "redirect of a file":
                result = client.run("owner/model", {})
                for file in result.files:
                    attempt(file.read)
            else:
                attempt(lambda client=client: list(client.stream("owner/model", {})))
            assert server.requests, way
            own = [
                one
                for one in server.requests
                if way != "redirect of a file" or one.target in ("/v1/predictions", "/v1/file")
            ]
            assert {one.headers.get("authorization") for one in own} == {f"Bearer {TOKEN}"}, (way, form)
            client._engine.connections.given.close()
        assert SECRET not in foreign.heard
        assert b"uthorization" not in foreign.heard
        reached += bool(foreign.heard)
        foreign.heard.clear()
    assert reached >= 4  # else nothing here could have been heard


def test_a_netrc_neither_replaces_the_token_nor_adds_to_it(foreign, tmp_path, monkeypatch):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password hidden\nmachine localhost login me password hidden\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    with HostedServer(Job(RECORDINGS[0], stream_url=foreign.forms[0])) as server:
        client = Client(TOKEN, base_url=server.url)
        list(client.stream("owner/model", {}))
        assert {one.headers["authorization"] for one in server.requests} == {f"Bearer {TOKEN}"}
        client.close()
    assert foreign.heard
    assert b"uthorization" not in foreign.heard


def test_cookies_are_not_kept():
    with HostedServer() as server:
        server.instead = lambda received: [
            Send(answer(200, b'{"id":"abc","status":"starting"}', {"Set-Cookie": "a=b"}))
        ]
        client = virtual_client(server.url)
        for _ in range(2):
            client.predictions.get("abc")
        assert [one.headers.get("cookie") for one in server.requests] == [None, None]
        client._engine.connections.given.close()


def test_a_token_given_to_one_client_is_not_sent_by_another():
    with HostedServer() as server:
        first = virtual_client(server.url)
        second = first.with_options(api_token="r8_another_token_altogether")
        for client in (first, second, first):
            attempt(lambda client=client: client.predictions.get("abc"))
        sent = [one.headers["authorization"] for one in server.requests]
        assert sent == [f"Bearer {TOKEN}", "Bearer r8_another_token_altogether", f"Bearer {TOKEN}"]
        first._engine.connections.given.close()


# ---- what shows it ---------------------------------------------------------------------------------------------


def shown(thing: Any) -> str:
    """All that a program could print or store of a thing, down to the parts of its parts."""
    texts: list[str] = []
    waiting, known = [thing], set[int]()
    while waiting:
        found = waiting.pop()
        if id(found) in known or len(known) > 2000:
            continue
        known.add(id(found))
        texts += [repr(found), str(found), format(found, "") if type(found).__format__ is object.__format__ else ""]
        parts = getattr(found, "__dict__", None)
        if isinstance(parts, dict) and not isinstance(found, type) and not callable(found):
            texts.append(repr(parts))
            waiting += parts.values()
        if isinstance(found, (list, tuple)):
            waiting += found
    return "\n".join(texts)


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and all that hangs on it, suppressed or not."""
    waiting: list[BaseException | None] = [error]
    known = set[int]()
    while waiting:
        found = waiting.pop()
        if found is not None and id(found) not in known:
            known.add(id(found))
            yield found
            waiting += [found.__cause__, found.__context__]


def assert_shows_nothing(error: BaseException) -> None:
    """No way of printing, storing or sending an error gives the token away."""
    for found in chain(error):
        seen = traceback.TracebackException.from_exception(found, capture_locals=True, max_group_width=50)
        assert TOKEN not in "".join(seen.format())
        assert TOKEN not in shown(found)
        if isinstance(found, ReplicateHomeError):
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                assert SECRET not in pickle.dumps(found, protocol)
            assert TOKEN not in shown(copy.deepcopy(found))
            assert TOKEN not in shown(pickle.loads(pickle.dumps(found)))


def echo(status: int, body: str = "{}", content_type: str = "application/json", **headers: str) -> bytes:
    """An answer in which the server repeats the token."""
    return answer(status, body.replace("{}", TOKEN).encode(), headers, content_type=content_type)


PROBLEM = json.dumps({"title": "no {}", "detail": f"your header was Bearer {TOKEN}", "type": "about:{}"})
ECHOES: dict[str, bytes] = {
    "a problem": echo(401, PROBLEM),
    "a problem of another kind": echo(422, PROBLEM, "application/problem+json"),
    "an error": echo(400, json.dumps({"error": f"bad {TOKEN}"})),
    "a list": echo(400, json.dumps([{"loc": [TOKEN]}])),
    "a nested problem": echo(422, json.dumps({"detail": [{"loc": ["header", TOKEN], "msg": TOKEN}]})),
    "text": echo(403, "Authorization: Bearer {}", "text/plain"),
    "HTML": echo(404, "<p>Bearer {}</p>", "text/html"),
    "a throttle": echo(429, PROBLEM, **{"Retry-After": "9999"}),
    "a failure": echo(500, PROBLEM),
    "a redirect": answer(302, headers={"Location": f"https://elsewhere.example/{TOKEN}"}),
    "a redirect with a query": answer(307, headers={"Location": f"/x?token={TOKEN}"}),
    "a request id": echo(400, "{}", **{"X-Request-Id": TOKEN}),
    "no JSON": echo(200, "{} {"),
    "another shape": echo(200, json.dumps([TOKEN])),
    "a malformed id": echo(200, json.dumps({"id": f"/{TOKEN}", "status": "starting"})),
    "a malformed status line": f"HTTP/1.1 {TOKEN}\r\n\r\n".encode(),
    "a malformed header": f"HTTP/1.1 200 OK\r\n{TOKEN}\r\n\r\n".encode(),
    "a malformed length": f"HTTP/1.1 200 OK\r\nContent-Length: {TOKEN}\r\n\r\n".encode(),
    "a malformed encoding": answer(200, b"x", {"Content-Encoding": TOKEN}),
    "a malformed transfer encoding": answer(200, b"x", {"Transfer-Encoding": TOKEN}, framed=False),
    "a malformed chunk": answer(200, TOKEN.encode(), {"Transfer-Encoding": "chunked"}, framed=False),
    "no HTTP": TOKEN.encode(),
}

CALLS: dict[str, Callable[[Client], Any]] = {
    "run": lambda client: client.run("owner/model", {"prompt": "x"}, wait=False),
    "stream": lambda client: list(client.stream("owner/model", {"prompt": "x"})),
    "get": lambda client: client.predictions.get("abc"),
    "cancel": lambda client: client.predictions.cancel("abc"),
    "list": lambda client: list(client.predictions.list()),
    "upload": lambda client: client.run("owner/model", {"file": b"x"}, file_encoding_strategy="url"),
}


def test_a_server_that_repeats_the_token_does_not_make_us_show_it():
    cases = [(call, what) for call in CALLS for what in ECHOES]
    for call, what in counted(cases, at_least=132):
        with ScriptedServer([Receive(), Send(ECHOES[what]), Cut()], repeat=True) as server:
            client = virtual_client(server.url)
            error = attempt(lambda call=call, client=client: CALLS[call](client))
            assert error is not None, (call, what)
            assert_shows_nothing(error)
            client._engine.connections.given.close()


FAULTS: dict[str, list[Step]] = {
    "a cut before the answer": [Receive(), Cut()],
    "a reset before the answer": [Receive(), Reset()],
    "a cut within the answer": [Receive(), Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab"), Cut()],
    "silence": [Receive(), Drip(b"HTTP/1.1 200 OK\r\n" * 4, 0.05)],
    "no request at all": [Reset()],
}


def test_a_transport_that_fails_shows_nothing():
    for call, fault in counted([(call, fault) for call in CALLS for fault in FAULTS], at_least=30):
        with ScriptedServer(FAULTS[fault], repeat=True) as server:
            client = virtual_client(server.url, timeout=Timeout(total=600, read=0.1))
            error = attempt(lambda call=call, client=client: CALLS[call](client))
            assert error is not None
            assert_shows_nothing(error)
            client._engine.connections.given.close()


def test_a_server_that_is_not_there_shows_nothing():
    for call in counted(CALLS, at_least=6):
        client = virtual_client("http://127.0.0.1:1")
        error = attempt(lambda call=call, client=client: CALLS[call](client))
        assert isinstance(error, ConnectFailed)
        assert_shows_nothing(error)
        client._engine.connections.given.close()


def lives() -> list[tuple[str, Job]]:
    """Predictions that end badly after their create."""
    half = by_name("plain")
    return [
        ("fails", Job(by_name("fails"))),
        ("is canceled", Job(by_name("canceled"))),
        ("cannot be polled", Job(half, [CutAfter(90)], [echo(503, PROBLEM)] * 20)),
        ("is refused", Job(half, [CutAfter(90)], [echo(401, PROBLEM)])),
        ("makes no sense", Job(half, [CutAfter(90)], [echo(200, "{} {")] * 20)),
        ("contradicts itself", Job(attrs.evolve(half, output=["x"]), [CutAfter(90)], polls_to_end=1)),
        ("takes too long", Job(half, [Refuses(404)], polls_to_end=10**6)),
        ("is another", Job(half, [CutAfter(90)], [answer(200, b'{"id":"other","status":"starting"}')])),
    ]


EXPECTED = (ModelError, PredictionTimeout, StreamInterrupted, ProtocolError, AuthenticationError, ServerError)


def test_a_prediction_that_ends_badly_shows_nothing():
    for _, job in counted(lives(), at_least=8):
        with HostedServer(job) as server:
            client = virtual_client(server.url)
            stream = client.stream("owner/model", {"prompt": "x"})
            error = attempt(lambda stream=stream: list(stream))
            assert isinstance(error, EXPECTED)
            assert_shows_nothing(error)
            assert TOKEN not in shown(stream) + shown(error.prediction)
            client._engine.connections.given.close()


@pytest.mark.parametrize(
    "place",
    [
        "requests.Session.send",
        "requests.sessions.dispatch_hook",
        "urllib3.connectionpool.HTTPConnectionPool.urlopen",
        "http.client.HTTPConnection.send",
        "http.client.HTTPConnection.getresponse",
        "http.client.HTTPResponse.read1",
    ],
)
def test_an_interrupt_on_the_way_shows_nothing(monkeypatch, place):
    """Ctrl-C takes none of the frames along that hold the headers, and leaves no connection open."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with HostedServer() as server:
        client = virtual_client(server.url)
        monkeypatch.setattr(place, interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            client.predictions.get("abc")
        assert_shows_nothing(caught.value)
        client._engine.connections.given.close()


def test_an_error_of_the_callers_own_shows_nothing():
    """The frames of this package are in its traceback, with their locals."""

    def complain(snapshot):
        raise RuntimeError("on_update failed")

    with HostedServer() as server:
        client = virtual_client(server.url)
        with pytest.raises(RuntimeError) as caught:
            client.run("owner/model", {}, on_update=complain)
        assert_shows_nothing(caught.value)
        client._engine.connections.given.close()


def test_nothing_that_a_client_hands_out_shows_it():
    with HostedServer(Job(RECORDINGS[0], [Whole()])) as server:
        client = Client(TOKEN, base_url=server.url, headers={"X-Own": "visible"})
        stream = client.stream("owner/model", {})
        things = [
            client, client.with_options(timeout=3), client.predictions, client.use("owner/model"),
            stream, stream.result(), client.run("owner/model", {}),
            handle := client.predictions.create("owner/model", {}), handle.wait(), handle.stream(),
            client._engine.connections.transport("network"), RequestsTransport(),
        ]  # fmt: skip
        for thing in counted(things, at_least=12):
            assert TOKEN not in shown(thing)
        handle.stream().close()
        client.close()


def test_what_is_pickled_leaves_the_token_behind():
    with HostedServer() as server:
        client = Client(TOKEN, base_url=server.url)
        things = [
            client, client.with_options(max_retries=1), client.run("owner/model", {}),
            client.predictions.create("owner/model", {}), client._engine.settings.token, copy.deepcopy(client),
        ]  # fmt: skip
        for thing in counted(things, at_least=6):
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                assert SECRET not in pickle.dumps(thing, protocol), thing
        client.close()


BAD_TOKENS = (
    "abc\r\nX-Evil: 1",
    "abc\nX: 1",
    "abc\r",
    "abc\0",
    "\u2028abc",
    " abc",
    "abc ",
    "abc\n",
    " ",
    "r8_é",
    "a" * 70_000,
)


def test_a_token_that_cannot_be_one_is_refused_without_being_shown():
    for bad in counted(BAD_TOKENS, at_least=11):
        with pytest.raises(AuthenticationError) as caught:
            Client(f"{TOKEN}{bad}")
        assert TOKEN not in str(caught.value) + repr(caught.value)


def test_an_unknown_outcome_shows_nothing_of_the_request():
    with ScriptedServer([Receive(), Cut()]) as server:
        client = virtual_client(server.url)
        error = attempt(lambda: CALLS["run"](client))
        assert isinstance(error, CreateOutcomeUnknown)
        assert error.__cause__ is not None
        assert error.__cause__.request.token is not None
        assert_shows_nothing(error)
        client._engine.connections.given.close()
