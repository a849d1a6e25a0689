"""What a hostile or broken server, proxy or setting does to the blocking transport: each was once seen to work."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
import zlib

import attrs
import pytest
import requests
from requests_toolbelt.adapters.fingerprint import FingerprintAdapter

from replicate_home.exceptions import ConnectFailed, Disconnected, ProtocolError, ProxyFailed, RequestTimeout, TLSFailed
from replicate_home.testing.scripted_server import (
    Await,
    Cut,
    Drip,
    Flood,
    Freeze,
    Line,
    Over,
    Pause,
    Receive,
    Reset,
    ScriptedServer,
    Send,
    Stall,
    Take,
    answer,
    chunk,
)
from replicate_home.transports.over_requests.transport import RequestsTransport
from replicate_home.wire import Request
from tests.servers.fault_server import AUTHORITY, Call, Relay, speaks_tls
from tests.transports.asking import SOON, ask, failure_of, ok, truth

pytestmark = pytest.mark.reliability

CHUNKED = {"Transfer-Encoding": "chunked"}
LASTING = 20.0
"""How many seconds a server floods or drips; what keeps to its deadline ends long before, on a busy machine too."""


@pytest.fixture
def transport(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
    transport = RequestsTransport()
    yield transport
    transport.close()


@pytest.fixture(params=["tcp", "tls"])
def tls(request):
    return speaks_tls() if request.param == "tls" else None


class TestEarlyAnswers:
    """A server that refuses an upload half-way, and what it does with the rest of it."""

    REFUSAL = Send(answer(401, b'{"detail": "no"}', {"Connection": "close"}))
    BODY = bytes(16_000_000)  # more than the buffers on the way hold

    @pytest.mark.parametrize("end", [Cut(), Reset(), Freeze()], ids=["reads on", "resets", "reads no more"])
    def test_a_refusal_is_heard_while_the_upload_is_under_way(self, transport, tls, end):
        with ScriptedServer([Take(10), self.REFUSAL, Pause(0.05), end], tls=tls) as server:
            response, _ = ask(transport, server.url, "POST", body=self.BODY)
        assert (response.status, response.body) == (401, b'{"detail": "no"}')

    def test_what_comes_before_the_answer_does_not_end_the_upload(self, transport, tls):
        script = [Send(b"HTTP/1.1 100 Continue\r\n\r\n"), Pause(0.05), Receive(), Send(answer(201))]
        with ScriptedServer(script, tls=tls) as server:
            assert ask(transport, server.url, "POST", body=self.BODY[:2_000_000])[0].status == 201

    def test_a_connection_that_was_refused_half_way_is_not_used_again(self, transport):
        refusal = Send(answer(413, b"{}"))
        with ScriptedServer([Take(10), refusal, Freeze()], [ok()]) as server:
            assert ask(transport, server.url, "POST", body=self.BODY)[0].status == 413
            assert ask(transport, server.url)[0].status == 200
            assert server.connections == 2

    def test_a_server_that_goes_away_during_an_upload_may_have_processed_it(self, transport, tls):
        with ScriptedServer([Take(10), Reset()], tls=tls) as server, pytest.raises(Disconnected) as caught:
            ask(transport, server.url, "POST", body=self.BODY)
        assert truth(caught.value) == (Disconnected, "send", True)


@pytest.mark.long
class TestFloods:
    """A server that never pauses does not outlast the deadline."""

    def floods():
        nothing = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
        begun = nothing.compress(b"") + nothing.flush(zlib.Z_SYNC_FLUSH)
        packed = answer(headers={**CHUNKED, "Content-Encoding": "gzip"}, framed=False) + chunk(begun)
        return {
            "gzip that unpacks to nothing": [Send(packed), Flood(chunk(b"\x00\x00\x00\xff\xff" * 5000), LASTING)],
            "chunks of one byte": [Send(answer(headers=CHUNKED, framed=False)), Flood(chunk(b"a") * 3000, LASTING)],
        }

    @pytest.mark.parametrize("name", floods())
    def test_an_answer_that_is_read_whole_ends_at_the_deadline(self, transport, tls, name):
        with ScriptedServer([Receive(), *TestFloods.floods()[name]], tls=tls) as server:
            began = time.monotonic()
            error = failure_of(transport, server.url, RequestTimeout, method="POST", body=b"{}", seconds=1.0)
            took = time.monotonic() - began
        assert truth(error) == (RequestTimeout, "body", True)
        assert took < LASTING / 2


def set_event() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@attrs.frozen
class SlowRelay:
    """A tunnel that passes on what the server says ``size`` bytes at a time, as far as it has come by ``when``."""

    port: int
    size: int = 1
    when: threading.Event = attrs.field(factory=set_event)

    def play(self, line: Line) -> None:
        line.sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self.port)) as upstream:
            while True:
                for source in select.select([line.sock, upstream], [], [], 0.05)[0]:
                    line.pause(0)
                    if source is line.sock:
                        upstream.sendall(received(source))
                    else:
                        Drip(self._gathered(upstream, line), size=self.size).play(line)

    def _gathered(self, upstream: socket.socket, line: Line) -> bytes:
        data = received(upstream)
        Await(self.when).play(line)
        while select.select([upstream], [], [], 0)[0]:
            data += received(upstream)
            Await(self.when).play(line)
        return data


def received(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise Over
    return data


class TestTLSWithinTheTLSOfAProxy:
    @pytest.fixture
    def tunneled(self, monkeypatch):
        """Makes a transport whose way leads through the given proxy."""
        monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
        session = requests.Session()

        def through(proxy):
            session.proxies = {"https": f"https://127.0.0.1:{proxy.port}"}
            return RequestsTransport(session)

        yield through
        session.close()

    def test_it_carries_requests_one_after_another(self, tunneled):
        with (
            ScriptedServer([ok()], tls=speaks_tls()) as server,
            ScriptedServer([Receive(), Relay(server.port)], tls=speaks_tls()) as proxy,
        ):
            transport = tunneled(proxy)
            for _ in range(3):
                assert ask(transport, server.url, "POST", body=bytes(100_000))[0].body == b"{}"
            assert (proxy.connections, server.connections) == (1, 1)

    @pytest.mark.parametrize("headers", [{"Connection": "close"}, CHUNKED, {}], ids=str)
    def test_it_carries_bodies_of_all_framings(self, tunneled, headers):
        body = chunk(b"{}") + chunk(b"") if headers == CHUNKED else b"{}"
        raw = answer(200, body, headers, framed=headers == {"Connection": "close"})
        with (
            ScriptedServer([Receive(), Send(raw), Farewell()], tls=speaks_tls()) as server,
            ScriptedServer([Receive(), Relay(server.port)], tls=speaks_tls()) as proxy,
        ):
            assert ask(tunneled(proxy), server.url)[0].body == b"{}"

    def test_what_came_unasked_is_not_the_answer_to_a_create(self, tunneled):
        read, sent = threading.Event(), threading.Event()
        first = [Receive(), Send(answer()), Await(read), Send(answer(201, b"EVIL")), Call(sent.set), Stall()]
        with (
            ScriptedServer(first, [ok()], tls=speaks_tls()) as server,
            ScriptedServer([Receive(), Relay(server.port)], repeat=True, tls=speaks_tls()) as proxy,
        ):
            transport = tunneled(proxy)
            ask(transport, server.url)
            read.set()
            sent.wait()
            time.sleep(0.2)  # for the relay to pass it on
            assert ask(transport, server.url, "POST", body=b"{}")[0].status == 200

    def test_a_second_answer_in_one_piece_with_the_first_is_not_the_next_one(self, tunneled):
        both = set_event()
        sent = [Send(answer()), Send(answer(201, b"EVIL"))]
        first = [Receive(), Call(both.clear), *sent, Call(both.set), Stall()]
        with (
            ScriptedServer(first, [ok()], tls=speaks_tls()) as server,
            ScriptedServer([Receive(), SlowRelay(server.port, 65536, both)], repeat=True, tls=speaks_tls()) as proxy,
        ):
            transport = tunneled(proxy)
            ask(transport, server.url)
            assert ask(transport, server.url, "POST", body=b"{}")[0].status == 200

    def test_a_handshake_that_drips_is_held_to_the_deadline(self, tunneled):
        with (
            ScriptedServer([ok()], tls=speaks_tls()) as server,
            ScriptedServer([Receive(), SlowRelay(server.port)], tls=speaks_tls()) as proxy,
        ):
            began = time.monotonic()
            error = failure_of(tunneled(proxy), server.url, RequestTimeout, method="POST", seconds=0.5)
            took = time.monotonic() - began
        assert truth(error) == (RequestTimeout, "tls", False)
        assert took < LASTING / 2

    def test_a_body_can_be_closed_from_another_thread(self, tunneled):
        head = answer(headers=CHUNKED, framed=False)
        with (
            ScriptedServer([Receive(), Send(head + chunk(b"a")), Stall()], tls=speaks_tls()) as server,
            ScriptedServer([Receive(), Relay(server.port)], tls=speaks_tls()) as proxy,
        ):
            _, body = ask(tunneled(proxy), server.url, streams=True)
            assert body.read(None) == b"a"
            closer = threading.Timer(0.05, body.close)
            closer.start()
            with pytest.raises(Disconnected):
                body.read(None)
            closer.join()

    def test_a_proxy_whose_certificate_is_not_believed_is_not_asked(self, tunneled, monkeypatch):
        with ScriptedServer([Receive()], tls=speaks_tls("elsewhere")) as proxy:
            error = failure_of(tunneled(proxy), "https://api.example/", TLSFailed, method="POST")
            assert proxy.requests == []
        assert truth(error) == (TLSFailed, "proxy", False)

    def test_a_proxy_that_says_more_than_its_answer_is_not_trusted(self, transport, monkeypatch):
        script = [Receive(), Send(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n"), Stall()]
        with ScriptedServer(script) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            error = failure_of(transport, "https://api.example/", ProxyFailed)
        assert truth(error) == (ProxyFailed, "proxy", False)


@attrs.frozen
class Farewell:
    """End TLS in order."""

    def play(self, line: Line) -> None:
        line.sock.unwrap()
        raise Over


class TestTLS:
    @pytest.mark.parametrize("setting", ["verify", "cert"])
    def test_certificates_of_a_session_that_are_not_there_are_named_before_anything_is_sent(self, setting):
        with requests.Session() as session, ScriptedServer([ok()], tls=speaks_tls()) as server:
            setattr(session, setting, "/nope.pem")
            error = failure_of(RequestsTransport(session), server.url, TLSFailed, method="POST")
            assert server.connections == 0
        assert truth(error) == (TLSFailed, "tls", False)
        assert "/nope.pem" in str(error)

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_server_that_wants_a_certificate_of_ours_has_processed_nothing(self, transport, version):
        context = speaks_tls()
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(AUTHORITY)
        context.minimum_version = context.maximum_version = version
        with ScriptedServer([ok()], tls=context) as server:
            error = failure_of(transport, server.url, TLSFailed, method="POST", body=b"{}")
            assert server.requests == []
        assert truth(error) == (TLSFailed, "tls", False)

    def test_a_fingerprint_that_does_not_fit_is_refused(self):
        with requests.Session() as session, ScriptedServer([ok()], tls=speaks_tls()) as server:
            session.verify = AUTHORITY
            session.mount("https://", FingerprintAdapter("ab" * 32))
            error = failure_of(RequestsTransport(session), server.url, TLSFailed, method="POST")
            assert server.requests == []
        assert truth(error) == (TLSFailed, "tls", False)

    @pytest.mark.parametrize("end", [Cut(), Reset()], ids=["fin", "rst"])
    def test_a_body_that_only_the_connection_ends_is_cut_where_tls_did_not_end(self, transport, end):
        script = [Receive(), Send(answer(200, b"{}", framed=False)), Pause(0.05), end]
        with ScriptedServer(script, tls=speaks_tls()) as server:
            assert truth(failure_of(transport, server.url, Disconnected)) == (Disconnected, "body", True)

    def test_a_body_that_only_the_connection_ends_is_whole_where_tls_ended_in_order(self, transport):
        with ScriptedServer(
            [Receive(), Send(answer(200, b"{}", framed=False)), Farewell()], tls=speaks_tls()
        ) as server:
            assert ask(transport, server.url)[0].body == b"{}"


class TestAnswers:
    def test_what_came_unasked_is_not_the_next_answer(self, transport, tls):
        read, sent = threading.Event(), threading.Event()
        first = [Receive(), Send(answer()), Await(read), Send(answer(201, b"EVIL")), Call(sent.set), Stall()]
        with ScriptedServer(first, [ok()], tls=tls) as server:
            ask(transport, server.url)
            read.set()
            sent.wait()
            assert ask(transport, server.url, "POST", body=b"{}")[0].status == 200

    @pytest.mark.parametrize(
        "raw",
        [
            b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
            answer(200, chunk(b"{}") + chunk(b""), {**CHUNKED, "Content-Length": "2"}, framed=False),
        ],
        ids=["204 with a length", "204 with chunks", "a length and chunks"],
    )
    def test_after_an_answer_of_two_minds_about_its_length_the_connection_is_closed(self, transport, raw):
        with ScriptedServer([Receive(), Send(raw), Stall()], [ok()]) as server:
            ask(transport, server.url)
            ask(transport, server.url)
            assert server.connections == 2

    def test_a_header_line_that_is_none_is_no_answer(self, transport):
        raw = b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}"
        with ScriptedServer([Receive(), Send(raw), Stall()]) as server:
            assert "header line of the response is malformed" in str(failure_of(transport, server.url, ProtocolError))

    def test_a_chunk_of_a_negative_size_is_no_answer(self, transport):
        raw = answer(headers=CHUNKED, framed=False) + b"-5\r\nabcde\r\n0\r\n\r\n"
        with ScriptedServer([Receive(), Send(raw), Stall()]) as server:
            began = time.monotonic()
            assert "negative size" in str(failure_of(transport, server.url, ProtocolError))
        assert time.monotonic() - began < 2

    def test_a_pool_that_is_waited_for_is_told_from_a_server(self):
        with requests.Session() as session, ScriptedServer([Receive(), Stall()]) as server:
            session.mount("http://", requests.adapters.HTTPAdapter(pool_block=True, pool_maxsize=1))
            transport = RequestsTransport(session)
            waiter = threading.Thread(
                target=failure_of, args=(transport, server.url, RequestTimeout), kwargs={"seconds": 0.6}
            )
            waiter.start()
            while not server.requests:
                time.sleep(0.01)
            error = failure_of(transport, server.url, RequestTimeout, method="POST", seconds=SOON)
            waiter.join()
        assert truth(error) == (RequestTimeout, "connect", False)

    def test_a_percent_sign_in_a_host_is_not_decoded(self, transport):
        with ScriptedServer([ok()]) as server:
            url = server.url.replace("127.0.0.1", "127%2e0.0.1")
            with pytest.raises(ConnectFailed, match="not a plain http or https URL"):
                transport.send(Request("GET", url), None)
            assert server.connections == 0
