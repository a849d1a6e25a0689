"""The transport for event loops beyond the contract: TLS, proxies, connections, event loops, cancelling, pickling."""

from __future__ import annotations

import asyncio
import base64
import gc
import logging
import pickle
import threading
import traceback
from contextlib import suppress

import aiohappyeyeballs
import aiohttp
import attrs
import pytest

from replicate_home import AiohttpTransport, MissingExtra
from replicate_home.exceptions import ConnectFailed, Disconnected, ProxyFailed, RequestTimeout, TLSFailed
from replicate_home.testing.contract.blocking import Blocking
from replicate_home.testing.scripted_server import (
    Await,
    Freeze,
    Line,
    Over,
    Receive,
    ScriptedServer,
    Send,
    Serve,
    Stall,
    Take,
    answer,
    chunk,
)
from replicate_home.transports.over_aiohttp import connector, session
from replicate_home.wire import Request, Secret
from tests.servers.fault_server import AUTHORITY, Relay, speaks_tls
from tests.transports.asking import ENOUGH, SOON, TOKEN, ask, failure_of, ok, truth


@pytest.fixture
def transport():
    shim = Blocking(AiohttpTransport())
    yield shim
    shim.end()


class TestTLS:
    def test_a_stream_under_tls_is_given_as_it_arrives(self, transport, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
        head = answer(headers={"Transfer-Encoding": "chunked"}, framed=False)
        with ScriptedServer([Receive(), Send(head + chunk(b"a")), Stall()], tls=speaks_tls()) as server:
            _, body = ask(transport, server.url, streams=True)
            assert body.read(transport.clock.now() + ENOUGH) == b"a"
            body.close()
            with pytest.raises(Disconnected):
                body.read(transport.clock.now() + ENOUGH)

    def test_an_unknown_authority_is_refused_without_a_hint_at_trusting_it(self, transport):
        with ScriptedServer([ok()], tls=speaks_tls()) as server:
            error = failure_of(transport, server.url, TLSFailed, method="POST")
        assert truth(error) == (TLSFailed, "tls", False)
        assert "certificate" in str(error)
        assert "verify" not in str(error).partition("certificate")[0]

    def test_a_connection_that_idled_too_long_is_closed_though_the_server_is_frozen(self, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", AUTHORITY)
        monkeypatch.setattr(connector, "CREATE_REUSE_SECONDS", 0.0)

        async def main(url):
            transport = AiohttpTransport()
            await transport.send(Request("GET", url), None)
            await transport.send(Request("POST", url), None)

        last = [Receive(), Send(answer(headers={"Connection": "close"}))]
        with ScriptedServer([Receive(), Send(answer()), Freeze()], last, tls=speaks_tls()) as server:
            asyncio.run(main(server.url))
            gc.collect()  # a transport that is still open warns

    def test_a_request_that_a_frozen_server_does_not_answer_leaves_nothing_open(self, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", AUTHORITY)

        async def main(url):
            transport = AiohttpTransport()
            with pytest.raises(RequestTimeout):
                await transport.send(Request("GET", url), transport.clock.now() + SOON)

        with ScriptedServer([Receive(), Freeze()], tls=speaks_tls()) as server:
            asyncio.run(main(server.url))
            gc.collect()  # a transport that is still open warns

    def test_a_bundle_that_does_not_exist_is_named(self, transport, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/bundle.pem")
        error = failure_of(transport, "https://127.0.0.1:1/", TLSFailed)
        assert "SSL_CERT_FILE names '/nowhere/bundle.pem'" in str(error)


class TestProxies:
    def test_an_http_url_goes_to_the_proxy_whole_with_its_credentials(self, transport, monkeypatch):
        with ScriptedServer([ok()], repeat=True) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@127.0.0.1:{proxy.port}")
            for _ in range(2):
                assert transport.send(Request("GET", "http://api.example/v1/x?a=b"), None)[0].body == b"{}"
            received = proxy.requests
        assert [each.target for each in received] == ["http://api.example/v1/x?a=b"] * 2
        assert [each.headers["proxy-authorization"] for each in received] == [basic("me", "secret")] * 2

    def test_an_https_url_goes_through_a_tunnel_and_the_credentials_no_further(self, transport, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
        with (
            ScriptedServer([ok()], tls=speaks_tls("elsewhere")) as server,
            ScriptedServer([Receive(), Relay(server.port)]) as proxy,
        ):
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{proxy.port}")
            for _ in range(2):
                assert ask(transport, "https://elsewhere.example/")[0].body == b"{}"
            (tunnel,) = proxy.requests
            first, second = server.requests
        assert (tunnel.method, tunnel.target) == ("CONNECT", "elsewhere.example:443")
        assert tunnel.headers["proxy-authorization"] == basic("me", "secret")
        assert "authorization" not in tunnel.headers
        assert "proxy-authorization" not in first.headers | second.headers
        assert first.headers["authorization"] == f"Bearer {TOKEN}"

    def test_tls_goes_through_the_tls_of_a_proxy(self, transport, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
        with (
            ScriptedServer([ok()], tls=speaks_tls("elsewhere")) as server,
            ScriptedServer([Receive(), Relay(server.port)], tls=speaks_tls()) as proxy,
        ):
            monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{proxy.port}")
            for _ in range(2):
                assert ask(transport, "https://elsewhere.example/")[0].body == b"{}"
            assert (proxy.connections, len(server.requests)) == (1, 2)

    def test_a_proxy_that_was_given_goes_before_the_environment(self, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        with ScriptedServer([ok()], [ok()]) as proxy:
            given = AiohttpTransport(proxy=f"http://me:secret@127.0.0.1:{proxy.port}")
            shim, blocking = Blocking(given), given.blocking()
            try:
                assert shim.send(Request("GET", "http://api.example/"), None)[0].status == 200
                assert blocking.send(Request("GET", "http://api.example/"), None)[0].status == 200
            finally:
                shim.end()
                blocking.close()
            assert [received.target for received in proxy.requests] == ["http://api.example/"] * 2
        assert "secret" not in repr(given)

    def test_no_proxy_of_the_environment_is_asked_for_what_is_on_this_machine(self, transport, monkeypatch):
        with ScriptedServer([ok()]) as server, ScriptedServer([ok()]) as proxy:
            for name in ("HTTP_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            assert ask(transport, server.url)[0].status == 200
            assert (len(server.requests), proxy.connections) == (1, 0)

    def test_a_token_is_not_sent_to_a_proxy_in_the_clear(self):
        with ScriptedServer([ok()]) as proxy:
            shim = Blocking(AiohttpTransport(proxy=f"http://127.0.0.1:{proxy.port}"))
            error = failure_of(shim, "http://127.0.0.1:9/", ProxyFailed, method="POST")
            shim.end()
            assert proxy.connections == 0
        assert truth(error) == (ProxyFailed, "proxy", False)

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_a_proxy_that_speaks_no_http_is_not_asked(self, transport, monkeypatch, scheme):
        with ScriptedServer([Stall()]) as proxy:
            monkeypatch.setenv("ALL_PROXY", f"socks5://me:secret@127.0.0.1:{proxy.port}")
            error = failure_of(transport, f"{scheme}://api.example/", ProxyFailed, method="POST", seconds=SOON)
            assert proxy.connections == 0
        assert truth(error) == (ProxyFailed, "proxy", False)
        assert "socks5" in str(error)
        assert "secret" not in str(error)

    def test_a_proxy_that_does_not_answer_in_http_is_proxy_failed(self, transport, monkeypatch):
        with ScriptedServer([Receive(), Send(b"220 mail ready\r\n\r\n")]) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            assert truth(failure_of(transport, "https://api.example/", ProxyFailed)) == (ProxyFailed, "proxy", False)

    @pytest.mark.parametrize("limit", [{"connect": SOON}, {"connect": None, "seconds": SOON}])
    def test_connecting_has_the_limit_that_the_request_says(self, transport, monkeypatch, limit):
        async def never(*args, **options):
            await asyncio.sleep(3600)

        monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", never)
        error = failure_of(transport, "http://api.example/", RequestTimeout, method="POST", **limit)
        assert truth(error) == (RequestTimeout, "resolve", False)


@attrs.frozen
class Break:
    """Close the connection with what has come unread, which breaks it."""

    def play(self, line: Line) -> None:
        line.sock.close()
        raise Over


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class TestConnections:
    def test_a_name_that_is_none_is_connect_failed(self, transport):
        error = failure_of(transport, "http://no-such-host.invalid/", ConnectFailed, method="POST")
        assert truth(error) == (ConnectFailed, "resolve", False)

    def test_a_name_that_is_none_is_the_same_for_all_who_ask_for_it_at_once(self):
        async def main():
            transport = AiohttpTransport()
            requests = [Request("POST", "http://no-such-host.invalid/") for _ in range(2)]
            return await asyncio.gather(*(transport.send(each, None) for each in requests), return_exceptions=True)

        assert [truth(error) for error in asyncio.run(main())] == [(ConnectFailed, "resolve", False)] * 2

    def test_what_is_no_http_url_is_not_asked(self, transport):
        for url in ("ftp://127.0.0.1/", "http://me:secret@127.0.0.1/", "http://127.0.0.1 /", "nonsense"):
            assert truth(failure_of(transport, url, ConnectFailed)) == (ConnectFailed, "resolve", False)

    def test_a_create_takes_no_connection_that_has_idled_long_and_other_requests_do(self, transport, monkeypatch):
        monkeypatch.setattr(connector, "CREATE_REUSE_SECONDS", 0.0)
        with ScriptedServer([ok()], repeat=True) as server:
            ask(transport, server.url)
            ask(transport, server.url)
            assert server.connections == 1
            ask(transport, server.url, method="POST", body=b"{}")
            assert server.connections == 2

    def test_after_its_deadline_a_request_is_not_sent_over_an_idle_connection_either(self, transport):
        with ScriptedServer([ok()], repeat=True) as server:
            ask(transport, server.url)
            error = failure_of(transport, server.url, RequestTimeout, method="POST", seconds=-1)
            assert truth(error) == (RequestTimeout, "resolve", False)
            assert len(server.requests) == 1

    def test_a_body_of_many_megabytes_is_sent_whole(self, transport):
        with ScriptedServer([ok()]) as server:
            ask(transport, server.url, method="POST", body=b"ab" * 1_500_000)
            assert server.requests[0].body == b"ab" * 1_500_000
            assert server.requests[0].headers["content-length"] == "3000000"

    def test_an_answer_is_heard_while_the_body_is_still_being_sent(self, transport):
        early = [Take(10), Send(answer(413, b"{}")), Freeze()]
        with ScriptedServer(early, [ok()]) as server:
            response, _ = ask(transport, server.url, method="POST", body=bytes(20_000_000))
            assert response.status == 413
            assert ask(transport, server.url)[0].status == 200
            assert server.connections == 2

    def test_an_answer_is_heard_though_the_server_breaks_the_connection_after_it(self, transport, caplog):
        statuses = []
        broken = [Take(300), Send(answer(413, b"{}")), Break()]
        with ScriptedServer(broken, repeat=True) as server:
            for _ in range(5):
                with suppress(Disconnected):  # it may break before the answer was read
                    statuses.append(ask(transport, server.url, method="POST", body=bytes(20_000_000))[0].status)
        assert 413 in statuses
        assert "socket.send() raised" not in caplog.text  # which asyncio says where writing goes on

    def test_a_connection_that_breaks_while_the_body_is_sent_says_so(self, transport):
        with ScriptedServer([Take(300), Break()]) as server:
            error = failure_of(transport, server.url, Disconnected, method="POST", body=bytes(20_000_000))
        assert truth(error) == (Disconnected, "send", True)

    def test_an_upload_whose_source_stalls_is_held_to_the_deadline(self, transport):
        go_on = threading.Event()

        class Stalling:
            length = 2

            def open(self):
                yield b"a"
                go_on.wait(ENOUGH)
                yield b"b"

        with ScriptedServer([ok()]) as server:
            try:
                error = failure_of(transport, server.url, RequestTimeout, method="POST", body=Stalling(), seconds=SOON)
            finally:
                go_on.set()
        assert truth(error) == (RequestTimeout, "send", True)

    @pytest.mark.long
    def test_of_many_requests_at_once_most_wait_their_turn_to_connect_and_their_time_waits_too(self, monkeypatch):
        monkeypatch.setattr(session, "OPENING", 2)
        opening, most = 0, 0
        connect = aiohappyeyeballs.start_connection

        async def slow(*arguments, **options):
            nonlocal opening, most
            opening += 1
            most = max(most, opening)
            await asyncio.sleep(0.15)
            opening -= 1
            return await connect(*arguments, **options)

        monkeypatch.setattr(aiohappyeyeballs, "start_connection", slow)

        async def main(url):
            transport = AiohttpTransport()
            requests = [Request("GET", url, connect=2.0) for _ in range(40)]  # the last begin to connect after 2.85 s
            return await asyncio.gather(*(transport.send(request, None) for request in requests))

        with ScriptedServer([ok()], repeat=True) as server:
            assert [response.status for response, _ in asyncio.run(main(server.url))] == [200] * 40
        assert most == 2

    def test_an_idle_connection_is_used_while_others_are_being_opened(self):
        async def main(url):
            transport = AiohttpTransport()
            await transport.send(Request("GET", url), None)
            (loop_session,) = transport._sessions.values()
            (route,) = loop_session._routes.values()
            for _ in range(session.OPENING):
                await route.turn.acquire()
            await transport.send(Request("GET", url), transport.clock.now() + ENOUGH)
            first, second = await asyncio.gather(
                transport.send(Request("GET", url), None),
                transport.send(Request("GET", url), transport.clock.now() + SOON),
                return_exceptions=True,
            )
            return first[0].status, type(second)  # the second has to open one

        with ScriptedServer([ok()], repeat=True) as server:
            assert asyncio.run(main(server.url)) == (200, RequestTimeout)
            assert server.connections == 1

    def test_who_waits_for_his_turn_to_connect_is_held_to_the_deadline(self, monkeypatch):
        monkeypatch.setattr(session, "OPENING", 1)

        async def never(*arguments, **options):
            await asyncio.sleep(3600)

        monkeypatch.setattr(aiohappyeyeballs, "start_connection", never)

        async def main():
            transport = AiohttpTransport()
            first = asyncio.create_task(transport.send(Request("GET", "http://127.0.0.1:1/", connect=None), None))
            await asyncio.sleep(0)
            with pytest.raises(RequestTimeout) as caught:
                await transport.send(Request("POST", "http://127.0.0.1:1/"), transport.clock.now() + SOON)
            first.cancel()
            return caught.value

        assert truth(asyncio.run(main())) == (RequestTimeout, "connect", False)

    def test_a_body_that_is_thrown_away_unread_closes_its_connection(self, caplog):
        async def main(url):
            transport = AiohttpTransport()
            await transport.send(Request("GET", url, streams=True), None)
            gc.collect()
            return (await transport.send(Request("GET", url), None))[0].status

        cut_short = answer(200, b"", {"Content-Length": "9"}, framed=False) + b"some"
        with ScriptedServer([Receive(), Send(cut_short), Stall()], [ok()]) as server:
            assert asyncio.run(main(server.url)) == 200
        assert "Unclosed" not in caplog.text

    @pytest.mark.parametrize("ending", ["dropped", "closed", "in a cycle"])
    def test_a_body_that_outlives_its_loop_ends_in_silence(self, ending):
        async def main(url):
            return (await AiohttpTransport().send(Request("GET", url, streams=True), None))[1]

        cut_short = answer(200, b"", {"Content-Length": "9"}, framed=False) + b"some"
        with ScriptedServer([Receive(), Send(cut_short), Stall()]) as server:
            body = asyncio.run(main(server.url))
            if ending == "closed":
                body.close()
            if ending == "in a cycle":
                cycle = [body]
                cycle.append(cycle)
                del cycle
            del body
            gc.collect()

    def test_netrc_is_never_read(self, transport, monkeypatch, tmp_path):
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        with ScriptedServer([ok()]) as server:
            transport.send(Request("GET", server.url), transport.clock.now() + ENOUGH)
            assert "authorization" not in server.requests[0].headers


class TestCancelling:
    @pytest.mark.parametrize("streams", [False, True])
    def test_a_task_that_is_cancelled_closes_its_connection_and_shows_no_token(self, streams):
        arrived = threading.Event()

        async def main(url):
            transport = AiohttpTransport()
            request = Request("POST", url, body=b"{}", token=Secret(TOKEN), streams=streams)
            task = asyncio.create_task(transport.send(request, None))
            await asyncio.to_thread(arrived.wait, ENOUGH)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            return "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())

        def note(received):
            arrived.set()
            return b""

        with ScriptedServer([Serve(note)]) as server:  # it serves on until the connection is closed
            assert TOKEN not in asyncio.run(main(server.url))
            assert len(server.requests) == 1

    def test_asyncio_timeout_ends_a_read_and_the_body_can_be_read_on(self):
        go_on = threading.Event()
        head = answer(headers={"Transfer-Encoding": "chunked"}, content_type="text/event-stream", framed=False)

        async def main(url):
            transport = AiohttpTransport()
            request = Request("GET", url, {"Accept": "text/event-stream"}, streams=True)
            _, body = await transport.send(request, None)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await body.read(None)
            go_on.set()
            assert await body.read(None) == b"a"
            body.close()
            with pytest.raises(Disconnected):
                await body.read(None)

        with ScriptedServer([Receive(), Send(head), Await(go_on), Send(chunk(b"a")), Stall()]) as server:
            asyncio.run(main(server.url))


class TestLoops:
    def test_one_transport_serves_several_event_loops_one_after_another_unclosed(self, caplog):
        caplog.set_level(logging.DEBUG)
        transport = AiohttpTransport()

        async def main(url):
            return (await transport.send(Request("GET", url), None))[0].body

        with ScriptedServer([ok()], repeat=True) as server:
            assert [asyncio.run(main(server.url)) for _ in range(3)] == [b"{}"] * 3
            assert server.connections == 3
        assert len(transport._sessions) <= 1
        assert "Unclosed" not in caplog.text

    def test_who_looks_up_a_name_when_it_is_closed_is_not_cancelled(self, monkeypatch):
        looking = []

        async def never(*args, **options):
            looking.append(True)
            await asyncio.sleep(3600)

        monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", never)

        async def main():
            transport = AiohttpTransport()
            requests = [Request("POST", "http://api.example/") for _ in range(2)]
            tasks = [asyncio.create_task(transport.send(each, None)) for each in requests]
            while not looking:
                await asyncio.sleep(0)
            await transport.close()
            return await asyncio.gather(*tasks, return_exceptions=True)

        for error in asyncio.run(main()):
            assert (type(error), error.may_have_been_processed) == (ConnectFailed, False)

    def test_one_that_is_closed_closes_the_connections_of_other_loops(self):
        transport = AiohttpTransport()
        shim = Blocking(transport)

        async def main(url):
            await transport.send(Request("GET", url), None)
            await transport.close()

        with ScriptedServer([ok()], repeat=True) as server:
            ask(shim, server.url)
            asyncio.run(main(server.url))
            ask(shim, server.url)
            assert server.connections == 3
        shim.end()


def test_it_pickles_without_its_connections():
    assert repr(pickle.loads(pickle.dumps(AiohttpTransport()))) == "AiohttpTransport()"
    assert repr(pickle.loads(pickle.dumps(AiohttpTransport(proxy="http://p")))) == "AiohttpTransport(proxy=...)"


def test_without_aiohttp_the_error_names_the_command(monkeypatch):
    monkeypatch.setattr("replicate_home.transports.over_aiohttp.transport.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="python -m pip install aiohttp"):
        AiohttpTransport()
