"""What a hostile or broken server does to an event loop: each was once seen to work."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import threading
import time
import zlib

import aiohttp
import attrs
import pytest

from replicate_home import AiohttpTransport
from replicate_home.exceptions import Disconnected, ProtocolError, RequestTimeout, TLSFailed
from replicate_home.testing.contract.blocking import Blocking
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
from replicate_home.wire import Request
from tests.servers.fault_server import AUTHORITY, Call, Relay, speaks_tls
from tests.transports.asking import SOON, ask, failure_of, ok, truth

pytestmark = pytest.mark.reliability

CHUNKED = {"Transfer-Encoding": "chunked"}
LASTING = 20.0
"""How many seconds a server floods or drips; what keeps to its deadline ends long before, on a busy machine too."""
EVENTS = "text/event-stream"


@pytest.fixture
def transport(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
    shim = Blocking(AiohttpTransport())
    yield shim
    shim.end()


@pytest.fixture(params=["tcp", "tls"])
def tls(request, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
    return speaks_tls() if request.param == "tls" else None


@pytest.mark.long
class TestFloods:
    """A server that never pauses must not outlast the deadline."""

    def floods():
        nothing = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
        begun = nothing.compress(b"") + nothing.flush(zlib.Z_SYNC_FLUSH)
        more = chunk(nothing.flush(zlib.Z_FULL_FLUSH) or b"\x00\x00\x00\xff\xff" * 5000)
        packed = answer(headers={**CHUNKED, "Content-Encoding": "gzip"}, framed=False) + chunk(begun)
        return {
            "interim answers": ([Flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, LASTING)], "wait"),
            "gzip that unpacks to nothing": ([Send(packed), Flood(more, LASTING)], "body"),
            "chunks of one byte": (
                [Send(answer(headers=CHUNKED, framed=False)), Flood(chunk(b"a") * 3000, LASTING)],
                "body",
            ),
        }

    @pytest.mark.parametrize("name", floods())
    def test_an_answer_that_is_read_whole_ends_at_the_deadline(self, transport, tls, name):
        steps, phase = TestFloods.floods()[name]
        with ScriptedServer([Receive(), *steps], tls=tls) as server:
            began = time.monotonic()
            error = failure_of(transport, server.url, RequestTimeout, method="POST", body=b"{}", seconds=1.0)
            took = time.monotonic() - began
        assert truth(error) == (RequestTimeout, phase, True)
        assert took < LASTING / 2

    def test_a_stream_of_comments_ends_at_the_deadline_of_its_reads(self, transport, tls):
        head = answer(headers=CHUNKED, content_type=EVENTS, framed=False)
        with ScriptedServer([Receive(), Send(head), Flood(chunk(b": nothing\n\n" * 1000), LASTING)], tls=tls) as server:
            _, body = ask(transport, server.url, streams=True, headers={"Accept": EVENTS})
            began = time.monotonic()
            deadline = transport.clock.now() + SOON
            with pytest.raises(RequestTimeout):
                all(iter(lambda: body.read(deadline), b""))
            took = time.monotonic() - began
            body.close()
        assert took < LASTING / 2


SPOKEN = {
    "an answer": [Send(answer(201, b"EVIL")), Stall()],
    "an end": [Cut()],
    "a 408 and an end": [Send(answer(408, headers={"Connection": "close"})), Cut()],
}


class TestWhatNobodyAskedFor:
    """An answer that comes on an idle connection is not the answer to the next request."""

    @pytest.mark.parametrize("spoken", SPOKEN)
    @pytest.mark.parametrize("busy", [True, False], ids=["the loop is busy", "the loop is idle"])
    def test_a_create_opens_a_new_connection(self, tls, busy, spoken):
        async def main(url):
            transport = AiohttpTransport()
            await transport.send(Request("GET", url), None)
            heard.set()
            if busy:
                said.wait()
                time.sleep(0.1)  # for an end to come, which follows what was said
            else:
                await asyncio.to_thread(said.wait)
                await asyncio.sleep(0.1)
            return (await transport.send(Request("POST", url, body=b"{}"), None))[0]

        heard, said = threading.Event(), threading.Event()
        *steps, last = SPOKEN[spoken]
        first = [Receive(), Send(answer()), Await(heard), *steps, Call(said.set), last]
        with ScriptedServer(first, [Receive(), Send(answer(201, b"real"))], tls=tls) as server:
            response = asyncio.run(main(server.url))
            assert (response.status, response.body, server.creates, server.connections) == (201, b"real", 1, 2)

    def test_nor_is_one_that_comes_with_the_answer_before_it(self, transport, tls):
        doubled = [Receive(), Send(answer() + answer(201, b"EVIL")), Stall()]
        with ScriptedServer(doubled, [Receive(), Send(answer(201, b"real"))], tls=tls) as server:
            ask(transport, server.url)
            assert ask(transport, server.url, method="POST")[0].body == b"real"

    def test_nor_through_the_tls_of_a_proxy(self, transport, monkeypatch):
        doubled = [Receive(), Send(answer()), Pause(0.02), Send(answer(201, b"EVIL")), Stall()]
        with (
            ScriptedServer(doubled, [Receive(), Send(answer(201, b"real"))], tls=speaks_tls("elsewhere")) as server,
            ScriptedServer([Receive(), Relay(server.port)], repeat=True, tls=speaks_tls()) as proxy,
        ):
            monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{proxy.port}")
            ask(transport, "https://elsewhere.example/")
            time.sleep(0.1)
            assert ask(transport, "https://elsewhere.example/", method="POST")[0].body == b"real"


class TestSentOnce:
    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    def test_a_request_whose_kept_connection_breaks_is_not_sent_again_behind_our_back(self, transport, method):
        kept = [Receive(), Send(answer()), Receive(), Cut()]
        with ScriptedServer(kept, [ok()], repeat=True) as server:
            ask(transport, server.url)
            error = failure_of(transport, server.url, Disconnected, method=method)
            assert (len(server.requests), server.connections) == (2, 1)
        assert truth(error) == (Disconnected, "wait", True)


class TestTLS:
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_server_that_wants_a_certificate_of_ours_has_processed_nothing(self, transport, version):
        with ScriptedServer([WantCertificate(version), Stall()]) as server:
            url = server.url.replace("http", "https")
            error = failure_of(transport, url, TLSFailed, method="POST", body=b"{}")
        assert truth(error) == (TLSFailed, "tls", False)

    def test_a_wrong_fingerprint_is_not_tried_again(self):
        async def main(url):
            connector = aiohttp.TCPConnector(ssl=aiohttp.Fingerprint(b"x" * 32))
            async with aiohttp.ClientSession(connector=connector) as session:
                with pytest.raises(TLSFailed) as caught:
                    await AiohttpTransport(session=session).send(Request("POST", url), None)
            while not gone.is_set():  # it ends TLS in order, which its session does not wait for
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)
            return caught.value

        gone = threading.Event()
        with ScriptedServer([Notify(gone)], tls=speaks_tls()) as server:
            assert truth(asyncio.run(main(server.url))) == (TLSFailed, "tls", False)

    @pytest.mark.parametrize("end", [Cut(), Reset()], ids=["closed", "reset"])
    def test_a_body_that_ends_with_a_connection_that_was_cut_is_no_answer(self, transport, end):
        whole = [Receive(), Send(answer(200, b"a part", framed=False)), Pause(0.05), end]
        with ScriptedServer(whole, tls=speaks_tls()) as server:
            assert truth(failure_of(transport, server.url, Disconnected)) == (Disconnected, "body", True)

    def test_a_body_that_ends_with_a_connection_that_was_reset_is_no_answer_in_the_clear_either(self, transport):
        with ScriptedServer([Receive(), Send(answer(200, b"a part", framed=False)), Pause(0.05), Reset()]) as server:
            assert truth(failure_of(transport, server.url, Disconnected)) == (Disconnected, "body", True)

    def test_a_body_that_ends_with_a_connection_that_was_ended_is_whole(self, transport):
        whole = [Receive(), Send(answer(200, b"all of it", framed=False)), SayGoodbye()]
        with ScriptedServer(whole, tls=speaks_tls()) as server:
            assert ask(transport, server.url)[0].body == b"all of it"

    def test_a_handshake_that_drips_through_the_tls_of_a_proxy_ends_at_the_deadline(self, transport, monkeypatch):
        granted = b"HTTP/1.1 200 Connection established\r\n\r\n"
        with ScriptedServer([Receive(), Send(granted), Drip(b"\x16\x03\x03\x40\x00" * 200)], tls=speaks_tls()) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{proxy.port}")
            began = time.monotonic()
            error = failure_of(transport, "https://elsewhere.example/", RequestTimeout, method="POST", seconds=SOON)
            took = time.monotonic() - began
        assert truth(error) == (RequestTimeout, "proxy", False)
        assert took < LASTING / 2


class TestEarlyAnswers:
    @pytest.mark.parametrize("status", [401, 413])
    @pytest.mark.parametrize("ending", [[Cut()], [Freeze()]], ids=["and hangs up", "and waits"])
    def test_an_answer_to_a_body_that_is_still_being_sent_is_heard(self, transport, tls, status, ending):
        early = [Take(10), Send(answer(status, b"{}", {"Connection": "close"})), *ending]
        with ScriptedServer(early, tls=tls) as server:
            assert ask(transport, server.url, method="POST", body=bytes(8_000_000))[0].status == status


class TestEncodings:
    def test_a_gzip_that_is_cut_is_no_answer_though_its_length_was_right(self, transport):
        with ScriptedServer(
            [Receive(), Send(answer(200, gzip.compress(b"{}")[:-4], {"Content-Encoding": "gzip"}))]
        ) as s:
            assert truth(failure_of(transport, s.url, Disconnected)) == (Disconnected, "body", True)

    def test_lengths_that_differ_are_refused(self, transport):
        with ScriptedServer([Receive(), Send(answer(200, b"{}", {"Content-Length": "1"}))]) as server:
            failure_of(transport, server.url, ProtocolError)

    def test_a_length_besides_chunks_is_refused_or_ends_the_connection(self, transport):
        both = answer(headers={**CHUNKED, "Content-Length": "2"}, framed=False) + chunk(b"{}") + chunk(b"")
        with ScriptedServer([Receive(), Send(both), Stall()]) as server:
            failure_of(transport, server.url, ProtocolError)


@attrs.frozen
class WantCertificate:
    """Set up TLS, and refuse a client that shows no certificate without closing the connection."""

    version: ssl.TLSVersion

    def play(self, line: Line) -> None:
        context = speaks_tls()
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(AUTHORITY)
        context.maximum_version = self.version
        arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(arrived, leaving, server_side=True)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                line.sock.sendall(leaving.read())
                arrived.write(line.sock.recv(65536))
            except ssl.SSLError:
                line.sock.sendall(leaving.read())
                return


@attrs.frozen
class Notify:
    """Wait until the client has gone, and tell of it."""

    gone: threading.Event

    def play(self, line: Line) -> None:
        try:
            Stall().play(line)
        finally:
            line.sock.close()
            self.gone.set()


@attrs.frozen
class SayGoodbye:
    """End TLS in order, and then the connection."""

    def play(self, line: Line) -> None:
        line.sock.unwrap()
        raise Over
