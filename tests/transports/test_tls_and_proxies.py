"""TLS and proxies as the environment sets them: the same over requests and over aiohttp."""

from __future__ import annotations

import socket

import pytest

from replicate_home import AiohttpTransport
from replicate_home.exceptions import ConnectFailed, ProxyFailed, RequestTimeout, TLSFailed
from replicate_home.testing.contract.blocking import Blocking
from replicate_home.testing.scripted_server import Drip, Receive, ScriptedServer, Send, Stall, answer
from replicate_home.transports.over_requests.transport import RequestsTransport
from replicate_home.wire import Request
from tests.servers.fault_server import AUTHORITY, Relay, speaks_tls
from tests.transports.asking import SOON, ask, failure_of, ok, truth


@pytest.fixture(params=["requests", "aiohttp"])
def transport(request):
    if request.param == "aiohttp":
        shim = Blocking(AiohttpTransport())
        yield shim
        shim.end()
    else:
        transport = RequestsTransport()
        yield transport
        transport.close()


class TestTLS:
    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_a_certificate_is_believed_if_the_environment_names_its_authority(self, transport, monkeypatch, variable):
        monkeypatch.setenv(variable, AUTHORITY)
        with ScriptedServer([ok()], tls=speaks_tls()) as server:
            for _ in range(3):
                assert ask(transport, server.url)[0].body == b"{}"
            assert server.connections == 1

    def test_a_certificate_for_another_host_is_refused(self, transport, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", AUTHORITY)
        with ScriptedServer([ok()], tls=speaks_tls("elsewhere")) as server:
            assert truth(failure_of(transport, server.url, TLSFailed)) == (TLSFailed, "tls", False)


class TestProxies:
    def test_no_proxy_is_honored(self, transport, monkeypatch):
        def unknown(*args, **options):
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "api.example")
        assert truth(failure_of(transport, "https://api.example/", ConnectFailed)) == (ConnectFailed, "resolve", False)

    @pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"])
    def test_for_what_is_on_this_machine_no_proxy_of_the_environment_is_asked(self, transport, monkeypatch, variable):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
        monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
        for tls in (None, speaks_tls()):
            with ScriptedServer([ok()], tls=tls) as server:
                assert ask(transport, server.url)[0].status == 200

    @pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
    def test_no_proxy_is_sent_the_token_in_the_clear(self, transport, monkeypatch, variable):
        with ScriptedServer([ok()]) as proxy:
            monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
            error = failure_of(transport, "http://api.example/", ProxyFailed, method="POST")
            assert proxy.connections == 0
        assert truth(error) == (ProxyFailed, "proxy", False)
        assert "the token in the clear" in str(error)

    @pytest.mark.parametrize("status", [403, 407, 502])
    def test_a_tunnel_that_is_refused_is_proxy_failed(self, transport, monkeypatch, status):
        with ScriptedServer([Receive(), Send(answer(status))]) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{proxy.port}")
            error = failure_of(transport, "https://api.example/", ProxyFailed, method="POST")
        assert truth(error) == (ProxyFailed, "proxy", False)
        assert str(status) in str(error)
        assert "secret" not in str(error)

    def test_a_407_that_comes_through_a_tunnel_is_the_servers_own_answer(self, transport, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
        with (
            ScriptedServer([Receive(), Send(answer(407)), Stall()], tls=speaks_tls("elsewhere")) as server,
            ScriptedServer([Receive(), Relay(server.port)]) as proxy,
        ):
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            assert ask(transport, "https://elsewhere.example:99/", method="POST")[0].status == 407

    def test_a_proxy_that_wants_credentials_for_an_http_url_is_proxy_failed(self, transport, monkeypatch):
        with ScriptedServer([Receive(), Send(answer(407)), Stall()]) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
            with pytest.raises(ProxyFailed) as caught:
                transport.send(Request("GET", "http://api.example/"), None)
        assert truth(caught.value) == (ProxyFailed, "proxy", False)

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_a_proxy_that_is_not_there_is_proxy_failed(self, transport, monkeypatch, scheme):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://me:secret@127.0.0.1:{port}")
        with pytest.raises(ProxyFailed) as caught:
            transport.send(Request("POST", f"{scheme}://api.example/"), None)
        assert truth(caught.value) == (ProxyFailed, "proxy", False)
        assert "secret" not in str(caught.value)

    def test_a_proxy_that_drips_is_held_to_the_deadline(self, transport, monkeypatch):
        with ScriptedServer([Receive(), Drip(b"HTTP/1.1 200 OK\r\n" * 9)]) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            error = failure_of(transport, "https://api.example/", RequestTimeout, seconds=SOON)
        assert truth(error) == (RequestTimeout, "proxy", False)
