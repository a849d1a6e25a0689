"""The transport over requests, beyond the contract of all: TLS, proxies, pools, processes, sessions and mocks."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import socket
import subprocess
import sys
import threading
import warnings

import pytest
import requests
import responses
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from replicate_home.exceptions import (
    ConnectFailed,
    Disconnected,
    ProtocolError,
    ProxyFailed,
    RequestTimeout,
    TLSFailed,
    TransportError,
)
from replicate_home.testing.scripted_server import (
    Await,
    Cut,
    Drip,
    Receive,
    Reset,
    ScriptedServer,
    Send,
    Serve,
    Stall,
    Take,
    answer,
    chunk,
    chunked,
)
from replicate_home.transports.over_requests import connections as pooled
from replicate_home.transports.over_requests.transport import RequestsTransport
from replicate_home.wire import Request, Secret
from tests.servers.fault_server import AUTHORITY, Relay, black_hole, speaks_tls
from tests.transports.asking import ENOUGH, SOON, TOKEN, ask, failure_of, ok, truth


@pytest.fixture
def transport():
    transport = RequestsTransport()
    yield transport
    transport.close()


class TestTLS:
    def test_a_stream_under_tls_is_given_as_it_arrives(self, transport, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
        head = answer(headers={"Transfer-Encoding": "chunked"}, framed=False)
        with ScriptedServer([Receive(), Send(head + chunk(b"a")), Stall()], tls=speaks_tls()) as server:
            _, body = ask(transport, server.url, streams=True)
            assert body.read(transport.clock.now() + ENOUGH) == b"a"
            closer = threading.Timer(0.05, body.close)
            closer.start()
            with pytest.raises(Disconnected):
                body.read(transport.clock.now() + ENOUGH)
            closer.join()

    def test_an_unknown_authority_is_refused_without_a_hint_at_trusting_it(self, transport):
        with ScriptedServer([ok()], tls=speaks_tls()) as server:
            error = failure_of(transport, server.url, TLSFailed, method="POST")
        assert truth(error) == (TLSFailed, "tls", False)
        assert "certificate" in str(error)
        assert "verify=False" not in str(error)

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_a_bundle_that_does_not_exist_is_named(self, transport, monkeypatch, variable):
        monkeypatch.setenv(variable, "/nowhere/bundle.pem")
        error = failure_of(transport, "https://127.0.0.1:1/", TLSFailed)
        assert f"{variable} names '/nowhere/bundle.pem'" in str(error)
        assert not error.may_have_been_processed

    def test_a_bundle_that_is_none_is_an_error_of_ours(self, transport, monkeypatch, tmp_path):
        (tmp_path / "bundle.pem").write_text("not a certificate")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bundle.pem"))
        assert truth(failure_of(transport, "https://127.0.0.1:1/", TLSFailed)) == (TLSFailed, "tls", False)

    def test_a_session_that_trusts_no_environment_does_not_take_certificates_from_it(self, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", AUTHORITY)
        with requests.Session() as session, ScriptedServer([ok()], repeat=True, tls=speaks_tls()) as server:
            session.trust_env = False
            assert failure_of(RequestsTransport(session), server.url, TLSFailed)
            session.verify = AUTHORITY
            assert ask(RequestsTransport(session), server.url)[0].status == 200


class TestProxies:
    def test_an_http_url_goes_to_the_proxy_whole_with_its_credentials(self, transport, monkeypatch):
        with ScriptedServer([ok()]) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@127.0.0.1:{proxy.port}")
            response, _ = transport.send(Request("GET", "http://api.example/v1/x?q=1"), None)
            (received,) = proxy.requests
        assert response.status == 200
        assert received.target == "http://api.example/v1/x?q=1"
        assert received.headers["host"] == "api.example"
        assert received.headers["proxy-authorization"] == "Basic bWU6c2VjcmV0"

    def test_a_tunnel_carries_tls_and_only_the_tunnel_sees_the_credentials(self, transport, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
        with ScriptedServer([ok()], tls=speaks_tls("elsewhere")) as server:
            with ScriptedServer([Receive(), Relay(server.port)]) as proxy:
                monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{proxy.port}")
                for _ in range(2):
                    assert ask(transport, "https://elsewhere.example:99/")[0].status == 200
                (tunnel,) = proxy.requests
                transport.close()
            first, second = server.requests
        assert (tunnel.method, tunnel.target) == ("CONNECT", "elsewhere.example:99")
        assert tunnel.headers["proxy-authorization"] == "Basic bWU6c2VjcmV0"
        assert "authorization" not in tunnel.headers
        assert "proxy-authorization" not in first.headers | second.headers

    @pytest.mark.parametrize("script", [[Receive(), Cut()], [Receive(), Send(b"what?\r\n\r\n"), Cut()]])
    def test_a_proxy_that_does_not_answer_in_http_is_proxy_failed(self, transport, monkeypatch, script):
        with ScriptedServer(script) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            assert truth(failure_of(transport, "https://api.example/", ProxyFailed)) == (ProxyFailed, "proxy", False)

    def test_a_malformed_proxy_is_an_error_without_its_password(self, transport, monkeypatch):
        monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@")
        error = failure_of(transport, "https://api.example/", ProxyFailed)
        assert truth(error) == (ProxyFailed, "proxy", False)
        assert "secret" not in str(error)


class TestConnecting:
    def test_a_name_that_is_not_known_is_connect_failed(self, transport, monkeypatch):
        def unknown(*args):
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        error = failure_of(transport, "http://api.example/", ConnectFailed, method="POST")
        assert truth(error) == (ConnectFailed, "resolve", False)

    def test_a_port_that_neither_takes_nor_refuses_is_given_up_at_the_deadline(self, transport):
        with black_hole() as port:
            error = failure_of(transport, f"http://127.0.0.1:{port}/", RequestTimeout, method="POST", seconds=SOON)
        assert truth(error) == (RequestTimeout, "connect", False)

    def test_connecting_has_the_limit_that_the_request_says(self, transport):
        with black_hole() as port:
            error = failure_of(transport, f"http://127.0.0.1:{port}/", RequestTimeout, connect=SOON)
        assert truth(error) == (RequestTimeout, "connect", False)

    def test_the_addresses_of_a_host_are_tried_in_turn_within_one_limit(self, transport, monkeypatch):
        with black_hole() as hole, ScriptedServer([ok()]) as server:
            here = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            found = [(*here, ("127.0.0.1", port)) for port in (hole, 1, server.port)]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *args: found)
            assert ask(transport, "http://api.example/", connect=3 * SOON)[0].status == 200

    def test_without_a_limit_for_connecting_the_deadline_is_one(self, transport):
        with black_hole() as port:
            error = failure_of(transport, f"http://127.0.0.1:{port}/", RequestTimeout, seconds=SOON, connect=None)
        assert truth(error) == (RequestTimeout, "connect", False)

    @pytest.mark.parametrize(
        "url",
        ["ftp://127.0.0.1/", "127.0.0.1", "http://", "http://me:pw@127.0.0.1:1/", "http://127.0.0.1:x/", "http://a b/"],
    )
    def test_what_is_no_plain_url_is_connect_failed_and_shows_no_credentials(self, transport, url):
        error = failure_of(transport, url, ConnectFailed)
        assert truth(error) == (ConnectFailed, "resolve", False)
        assert "pw" not in str(error)

    def test_spaces_and_letters_in_a_path_are_encoded(self, transport):
        with ScriptedServer([ok()]) as server:
            ask(transport, server.url + "/größe?x=%20")
            assert server.requests[0].target == "/gr%C3%B6%C3%9Fe?x=%20"


class TestPooling:
    def test_a_create_takes_no_connection_that_was_idle_for_long_and_a_poll_does(self, transport, monkeypatch):
        monkeypatch.setattr(pooled, "CREATE_REUSE_SECONDS", 0.0)
        with ScriptedServer([ok()], repeat=True) as server:
            for method, connections in [("GET", 1), ("GET", 1), ("POST", 2), ("GET", 2)]:
                ask(transport, server.url, method)
                assert server.connections == connections

    def test_nothing_takes_a_connection_that_was_idle_for_too_long(self, transport, monkeypatch):
        monkeypatch.setattr(pooled, "REUSE_SECONDS", 0.0)
        with ScriptedServer([ok()], repeat=True) as server:
            for _ in range(3):
                ask(transport, server.url)
            assert server.connections == 3

    def test_a_stale_connection_that_did_not_show_it_is_disconnected_and_possibly_processed(self, transport):
        with ScriptedServer([Receive(), Send(answer()), Receive(), Cut()]) as server:
            ask(transport, server.url)
            error = failure_of(transport, server.url, Disconnected)
            assert truth(error) == (Disconnected, "wait", True)
            assert server.connections == 1

    def test_a_body_read_in_part_closes_its_connection_and_one_read_whole_keeps_it(self, transport):
        with ScriptedServer([Serve(lambda _: chunked(b"a", b"b"))], repeat=True) as server:
            _, body = ask(transport, server.url, streams=True)
            while body.read(None):
                pass
            _, body = ask(transport, server.url, streams=True)
            body.close()
            ask(transport, server.url)
            assert server.connections == 2

    def test_a_dropped_body_closes_its_socket_in_silence(self, transport):
        with ScriptedServer(
            [Receive(), Send(answer(200, b"", {"Content-Length": "9"}, framed=False)), Stall()]
        ) as server:
            _, body = ask(transport, server.url, streams=True)
            del body
            gc.collect()

    def test_an_interrupt_passes_unchanged_and_closes_the_connection(self, transport, monkeypatch):
        def interrupted(answer):
            raise KeyboardInterrupt

        with ScriptedServer([Receive(), Stall()], [ok()]) as server:
            with monkeypatch.context() as patch:
                patch.setattr("http.client.HTTPResponse.begin", interrupted)
                with pytest.raises(KeyboardInterrupt):
                    ask(transport, server.url)
            assert ask(transport, server.url)[0].status == 200
            assert server.connections == 2

    @pytest.mark.parametrize("own", [True, False])
    def test_a_child_process_takes_connections_of_its_own(self, own):
        with requests.Session() as session, ScriptedServer([ok()], repeat=True) as server:
            transport = RequestsTransport(None if own else session)
            ask(transport, server.url)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of forking where threads run: that is the point
                child = os.fork()
            if not child:
                status = 1
                try:
                    status = ask(transport, server.url)[0].status != 200
                    transport.close()
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
            ask(transport, server.url)
            transport.close()
            assert [received.connection for received in server.requests] == [0, 1, 0]


class TestSessions:
    def test_auth_cookies_params_and_headers_of_a_session_do_not_count(self):
        with requests.Session() as session, ScriptedServer([ok()]) as server:
            session.auth = ("me", "secret")
            session.cookies.set("a", "b")
            session.headers["X-Session"] = "1"
            session.params = {"a": "b"}
            ask(RequestsTransport(session), server.url)
            (received,) = server.requests
        assert received.headers["authorization"] == f"Bearer {TOKEN}"
        assert {"cookie", "x-session"}.isdisjoint(received.headers)
        assert received.target == "/"

    def test_hooks_of_a_session_see_each_answer_and_may_read_it(self):
        seen = []
        with requests.Session() as session, ScriptedServer([ok(b'{"a": 1}')]) as server:
            session.hooks["response"] = [lambda response, **_: seen.append(response.json())]
            assert ask(RequestsTransport(session), server.url)[0].body == b'{"a": 1}'
        assert seen == [{"a": 1}]

    def test_a_redirect_is_given_as_it_came_and_its_target_is_not_looked_up(self):
        raw = answer(302, b"elsewhere", {"Location": "http://[nowhere"})
        with requests.Session() as session, ScriptedServer([Receive(), Send(raw)]) as server:
            response, _ = ask(RequestsTransport(session), server.url)
        assert (response.status, response.headers["location"], response.body) == (302, "http://[nowhere", b"elsewhere")

    def test_netrc_is_never_read(self, transport, monkeypatch, tmp_path):
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        with ScriptedServer([ok()], repeat=True) as server:
            ask(transport, server.url)
            transport.send(Request("GET", server.url), None)
            assert [received.headers.get("authorization") for received in server.requests] == [f"Bearer {TOKEN}", None]

    def test_the_proxies_of_a_session_go_before_the_environment(self, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        with requests.Session() as session, ScriptedServer([ok()]) as proxy:
            session.proxies = {"http": f"http://127.0.0.1:{proxy.port}"}
            response, _ = RequestsTransport(session).send(Request("GET", "http://api.example/"), None)
        assert response.status == 200

    def test_a_session_is_not_closed_and_goes_on_working_for_its_owner(self):
        with requests.Session() as session, ScriptedServer([ok(b'{"a": 1}')], repeat=True) as server:
            transport = RequestsTransport(session)
            ask(transport, server.url)
            transport.close()
            assert session.get(server.url, timeout=ENOUGH).json() == {"a": 1}
            ask(transport, server.url)

    @pytest.mark.parametrize("methods", [None, {"GET", "POST"}])
    def test_an_adapter_that_repeats_posts_is_refused(self, methods):
        adapter = HTTPAdapter(max_retries=Retry(3, allowed_methods=methods))
        with requests.Session() as session:
            later = RequestsTransport(session)
            session.mount("https://", adapter)
            with pytest.raises(ValueError, match="repeats POST requests"):
                RequestsTransport(session)
            with pytest.raises(ValueError, match="repeats POST requests"):
                ask(later, "https://127.0.0.1:1/")

    @pytest.mark.parametrize("end", [Cut(), Reset()], ids=["cut", "reset"])
    def test_other_retries_of_an_adapter_are_not_done(self, end):
        with requests.Session() as session, ScriptedServer([Receive(), end], repeat=True) as server:
            session.mount("http://", HTTPAdapter(max_retries=3))
            failure_of(RequestsTransport(session), server.url, Disconnected)
            assert server.connections == 1

    def test_an_adapter_with_settings_of_its_own_obeys_deadlines(self):
        class Bound(HTTPAdapter):
            def init_poolmanager(self, *args, **options):
                super().init_poolmanager(*args, source_address=("127.0.0.1", 0), **options)

        with requests.Session() as session, ScriptedServer([Receive(), Drip(answer() * 9)]) as server:
            session.mount("http://", Bound(pool_block=True, pool_maxsize=1))
            error = failure_of(RequestsTransport(session), server.url, RequestTimeout, seconds=SOON)
        assert truth(error) == (RequestTimeout, "headers", True)

    def test_a_blocking_pool_without_a_free_connection_is_waited_for_until_the_deadline(self):
        head = answer(headers={"Transfer-Encoding": "chunked"}, framed=False)
        with (
            requests.Session() as session,
            ScriptedServer([Receive(), Send(head + chunk(b"a")), Stall()], [ok()]) as server,
        ):
            session.mount("http://", HTTPAdapter(pool_block=True, pool_maxsize=1))
            transport = RequestsTransport(session)
            _, body = ask(transport, server.url, streams=True)
            assert not failure_of(transport, server.url, RequestTimeout, seconds=SOON).may_have_been_processed
            body.close()
            assert ask(transport, server.url)[0].status == 200


class Stamping(HTTPAdapter):
    """An adapter that replaces ``send``, and so keeps urllib3's own connections."""

    def send(self, request, **options):
        request.headers["X-Stamp"] = "1"
        return super().send(request, **options)


class TestForeignAdapters:
    @pytest.fixture
    def transport(self):
        with requests.Session() as session:
            session.mount("http://", Stamping())
            session.mount("https://", Stamping())
            yield RequestsTransport(session)

    def test_a_request_goes_through_it(self, transport):
        with ScriptedServer([ok(b'{"a": 1}')]) as server:
            response, body = ask(transport, server.url, "POST", body=b"{}")
            assert (response.status, response.body, body) == (200, b'{"a": 1}', None)
            assert server.requests[0].headers["x-stamp"] == "1"
            assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"

    @pytest.mark.parametrize("headers", [{"Transfer-Encoding": "chunked"}, {}])
    def test_a_stream_is_given_as_it_arrives(self, transport, headers):
        taken = threading.Event()
        pieces = [chunk(b"one"), chunk(b"two") + chunk(b"")] if headers else [b"one", b"two"]
        script = [Receive(), Send(answer(headers=headers, framed=False) + pieces[0]), Await(taken), Send(pieces[1])]
        with ScriptedServer(script) as server:
            _, body = ask(transport, server.url, streams=True)
            assert body.read(transport.clock.now() + ENOUGH) == b"one"
            taken.set()
            assert [body.read(transport.clock.now() + ENOUGH) for _ in range(2)] == [b"two", b""]
            body.close()

    @pytest.mark.parametrize(
        ("script", "expected"),
        [
            ([Receive(), Cut()], (Disconnected, "wait", True)),
            ([Receive(), Stall()], (RequestTimeout, "wait", True)),
            ([Receive(), Send(answer(200, b"{}")[:-1]), Cut()], (Disconnected, "body", True)),
            ([Receive(), Send(answer(200, b"{}")[:-1]), Stall()], (RequestTimeout, "body", True)),
        ],
    )
    def test_faults_are_told_as_well_as_they_are_known(self, transport, script, expected):
        with ScriptedServer(script) as server:
            error = failure_of(transport, server.url, TransportError, method="POST", seconds=SOON)
        assert truth(error) == expected

    def test_a_port_where_nobody_listens_is_connect_failed(self, transport):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert truth(failure_of(transport, url, ConnectFailed, method="POST")) == (ConnectFailed, "connect", False)

    def test_a_server_that_does_not_speak_tls_is_tls_failed(self, transport):
        with ScriptedServer([Take(5), Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Cut()]) as server:
            error = failure_of(transport, server.url.replace("http", "https"), TLSFailed)
        assert truth(error) == (TLSFailed, "tls", False)

    def test_broken_gzip_and_foreign_encodings_are_protocol_errors(self, transport):
        raws = [
            answer(200, b"plain", {"Content-Encoding": "gzip"}),
            answer(200, b"x", {"Content-Encoding": "br, gzip"}),
        ]
        for raw in raws:
            with ScriptedServer([Receive(), Send(raw), Stall()]) as server:
                failure_of(transport, server.url, ProtocolError)

    def test_a_deadline_that_has_passed_sends_nothing(self, transport):
        with ScriptedServer([ok()]) as server:
            failure_of(transport, server.url, RequestTimeout, seconds=-1)
            assert server.requests == []


class TestResponses:
    """The ``responses`` library, with which users' tests replace what requests sends."""

    URL = "https://api.replicate.com/v1/predictions"

    @responses.activate
    def test_a_mocked_answer_comes_as_any_other(self, transport):
        matcher = responses.matchers.json_params_matcher({"input": {}})
        responses.post(self.URL, json={"id": "abc"}, status=201, headers={"X-A": "b"}, match=[matcher])
        headers = {"Content-Type": "application/json"}
        response, body = ask(transport, self.URL, "POST", body=b'{"input": {}}', headers=headers)
        assert (response.status, response.body, response.headers["x-a"], body) == (201, b'{"id": "abc"}', "b", None)
        assert responses.calls[0].request.headers["Authorization"] == f"Bearer {TOKEN}"

    @responses.activate
    def test_a_mocked_error_is_an_answer(self, transport):
        responses.get(self.URL, json={"detail": "no"}, status=404)
        assert ask(transport, self.URL)[0].status == 404

    @responses.activate
    def test_a_mocked_stream_is_a_body(self, transport):
        responses.get(self.URL, body=b"data: a\n\n", content_type="text/event-stream")
        response, body = ask(transport, self.URL, streams=True, headers={"Accept": "text/event-stream"})
        assert response.is_event_stream
        assert [body.read(None), body.read(None)] == [b"data: a\n\n", b""]
        body.close()

    @responses.activate
    def test_what_was_not_mocked_is_an_error_of_ours(self, transport):
        error = failure_of(transport, self.URL, TransportError)
        assert "doesn't match any registered mock" in str(error)

    @pytest.mark.parametrize(
        ("mocked", "expected"),
        [
            (requests.ConnectTimeout("slow"), (RequestTimeout, "connect", False)),
            (requests.ReadTimeout("slow"), (RequestTimeout, "wait", True)),
            (requests.ConnectionError("gone"), (Disconnected, "wait", True)),
            (requests.exceptions.SSLError("bad certificate"), (TLSFailed, "tls", False)),
            (requests.exceptions.ProxyError("no"), (ProxyFailed, "proxy", False)),
            (ConnectionRefusedError("no"), (ConnectFailed, "connect", False)),
            (RuntimeError("what"), (TransportError, "wait", True)),
        ],
    )
    def test_a_mocked_exception_becomes_ours(self, transport, mocked, expected):
        with responses.mock as mocks:
            mocks.post(self.URL, body=mocked)
            assert truth(failure_of(transport, self.URL, TransportError, method="POST")) == expected


class TestItself:
    def test_its_repr_shows_nothing_of_a_session(self):
        with requests.Session() as session:
            session.auth = ("me", "secret")
            assert repr(RequestsTransport()) == "RequestsTransport()"
            assert repr(RequestsTransport(session)) == "RequestsTransport(session=...)"

    def test_a_copy_has_connections_of_its_own(self, transport):
        with ScriptedServer([ok()], repeat=True) as server:
            ask(transport, server.url)
            for again in (copy.copy(transport), pickle.loads(pickle.dumps(transport))):
                ask(again, server.url)
                again.close()
            assert server.connections == 3

    def test_requests_is_imported_when_a_transport_is_made(self):
        code = (
            "import sys; from replicate_home.transports.over_requests.transport import RequestsTransport;"
            "assert not {'requests', 'urllib3'} & set(sys.modules);"
            "RequestsTransport(); assert 'requests' in sys.modules"
        )
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0

    def test_a_token_in_a_foreign_message_is_masked_and_the_message_clipped(self, transport):
        with responses.mock as mocks:
            mocks.get("http://api.example/", body=requests.ConnectionError(f"{TOKEN}\r\n\x1b[31m" + "a" * 1000))
            error = failure_of(transport, "http://api.example/?key=1", Disconnected)
        assert "***" in str(error)
        assert len(str(error)) < 400
        assert str(error).isprintable()
        assert "key=1" not in str(error)

    def test_a_token_that_cannot_be_sent_is_not_shown(self, transport):
        with ScriptedServer([ok()]) as server:
            request = Request("GET", server.url, token=Secret(TOKEN + "\r\nX-Evil: 1"))
            with pytest.raises(TransportError) as caught:
                transport.send(request, None)
            assert server.connections == 0
        assert truth(caught.value) == (TransportError, "send", False)
        assert TOKEN not in str(caught.value)

    def test_an_error_has_its_request_without_the_source_of_an_upload(self, transport):
        class Source:
            length = 3

            def open(self):
                yield b"abc"

        with ScriptedServer([Receive(), Cut()]) as server:
            error = failure_of(transport, server.url, Disconnected, method="POST", body=Source())
        assert (error.request.method, error.request.body) == ("POST", None)

    def test_an_exchange_makes_few_calls_more_than_urllib3_alone(self, transport):
        """Function calls are counted, because they do not depend on the machine."""
        with ScriptedServer([ok()], repeat=True) as server, urllib3.PoolManager() as pool:
            headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json"}
            request = Request("GET", server.url + "/", {"Accept": "application/json"}, token=Secret(TOKEN))
            ours = calls_made(lambda: transport.send(request, None))
            theirs = calls_made(lambda: pool.request("GET", server.url + "/", headers=headers).data)
        assert ours < 1.7 * theirs, f"{ours} calls, urllib3 {theirs}"


def calls_made(exchange):
    for _ in range(3):  # so that connections and caches are there
        exchange()
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        exchange()
    finally:
        sys.setprofile(None)
    return count
