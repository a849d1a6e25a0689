"""What people put around requests and urllib3 sees the calls of a Client: mocks, recorders, tracing, adapters, patches.

Each is used as its own README shows it, with no setting for our sake, in an interpreter of its own, since most of them
patch what all share. ``server`` is real, and counts what reaches it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from importlib.util import find_spec

import pytest

from replicate_home.testing.scripted_server import Pause, Receive, Received, ScriptedServer, Send, Serve, answer, chunk
from tests.servers.fault_server import AUTHORITY, speaks_tls

pytestmark = pytest.mark.reliability

needs = lambda module: pytest.mark.skipif(  # noqa: E731  # reads as a mark
    find_spec(module) is None, reason=f"{module} is not installed: python -m pip install '.[tools]'"
)
PREDICTION = {"id": "abc", "status": "succeeded", "output": "mocked", "urls": {}}
PRELUDE = f"""
import json, sys
from replicate_home import Client

API = "https://api.replicate.com/v1"
PREDICTION = {PREDICTION!r}
URL = sys.argv[1]

def client(base_url=API, **options):
    return Client(api_token="r8_0123456789abcdefghij", base_url=base_url, max_retries=0, **options)

def run(base_url=API, **options):
    with client(base_url, **options) as c:
        return str(c.run("owner/model", prompt="x"))

def create_and_get(base_url=API, **options):
    with client(base_url, **options) as c:
        return c.predictions.create("owner/model", {{"prompt": "x"}}).reload().output
"""


def real(received: Received) -> bytes:
    """A prediction that a server of our own has made."""
    return answer(201 if received.method == "POST" else 200, json.dumps({**PREDICTION, "output": "real"}).encode())


@pytest.fixture
def server():
    with ScriptedServer([Serve(real)], repeat=True) as server:
        yield server


def said_by(script: str, server: ScriptedServer, first: str = "", **environment: str) -> list[str]:
    """The lines that a script prints; ``first`` is done before anything is imported."""
    code = first + PRELUDE + textwrap.dedent(script)
    command = [sys.executable, "-W", "ignore", "-c", code, server.url + "/v1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


class TestMocks:
    """What is mocked is answered by the mock, and what is not mocked does not leave."""

    def test_responses(self, server):
        script = """
            import responses

            @responses.activate
            def test():
                responses.post(f"{API}/predictions", json=PREDICTION, status=201)
                responses.get(f"{API}/predictions/abc", json=PREDICTION)
                print(run())
                print(responses.calls[0].request.headers["Authorization"])
                try:
                    run(URL)
                except Exception as error:
                    print("doesn't match any registered mock" in str(error))

            test()
        """
        assert said_by(script, server) == ["mocked", "Bearer r8_0123456789abcdefghij", "True"]
        assert server.connections == 0

    def test_the_mocker_of_requests_mock(self, server):
        script = """
            import requests_mock

            with requests_mock.Mocker() as m:
                m.post(f"{API}/predictions", json=PREDICTION, status_code=201)
                m.get(f"{API}/predictions/abc", json=PREDICTION)
                print(run())
                print(m.request_history[0].json()["input"], m.request_history[0].headers["Authorization"])
                try:
                    run(URL)
                except Exception as error:
                    print("No mock address" in str(error))
        """
        expected = ["mocked", "{'prompt': 'x'} Bearer r8_0123456789abcdefghij", "True"]
        assert said_by(script, server) == expected
        assert server.connections == 0

    def test_the_mocker_of_requests_mock_on_one_session(self, server):
        script = """
            import requests, requests_mock
            from replicate_home import RequestsTransport

            session = requests.Session()
            with requests_mock.Mocker(session=session) as m:
                m.post(f"{API}/predictions", json=PREDICTION, status_code=201)
                m.get(f"{API}/predictions/abc", json=PREDICTION)
                print(run(transport=RequestsTransport(session)))
            print(run(URL))
        """
        assert said_by(script, server) == ["mocked", "real"]

    def test_the_adapter_of_requests_mock(self, server):
        script = """
            import requests, requests_mock
            from replicate_home import RequestsTransport

            session = requests.Session()
            adapter = requests_mock.Adapter()
            session.mount("https://", adapter)
            adapter.register_uri("POST", f"{API}/predictions", json=PREDICTION, status_code=201)
            adapter.register_uri("GET", f"{API}/predictions/abc", json=PREDICTION)
            print(run(transport=RequestsTransport(session)))
        """
        assert said_by(script, server) == ["mocked"]

    @needs("pook")
    def test_pook(self, server):
        script = """
            import pook

            @pook.on
            def test():
                pook.post(f"{API}/predictions", reply=201, response_json=PREDICTION)
                pook.get(f"{API}/predictions/abc", reply=200, response_json=PREDICTION)
                print(run())
                try:
                    run(URL)
                except Exception as error:
                    print("Cannot match any mock" in str(error))

            test()
        """
        assert said_by(script, server) == ["mocked", "True"]
        assert server.connections == 0

    @needs("httpretty")
    def test_httpretty(self, server):
        script = """
            import httpretty

            @httpretty.activate
            def test():
                httpretty.register_uri(httpretty.POST, f"{API}/predictions", json.dumps(PREDICTION), status=201)
                httpretty.register_uri(httpretty.GET, f"{API}/predictions/abc", json.dumps(PREDICTION))
                print(run())
                print(httpretty.last_request().headers["Authorization"])

            test()
        """
        assert said_by(script, server) == ["mocked", "Bearer r8_0123456789abcdefghij"]

    @pytest.mark.parametrize("place", ["requests.Session.send", "requests.adapters.HTTPAdapter.send"])
    def test_a_patch_of_send(self, server, place):
        script = f"""
            import requests
            from unittest import mock

            response = requests.Response()
            response.status_code = 201
            response.headers["Content-Type"] = "application/json"
            response._content = json.dumps(PREDICTION).encode()
            with mock.patch({place!r}, return_value=response) as send:
                print(run(URL))
            print(send.call_args_list[0].args[0].url == URL + "/predictions")
        """
        assert said_by(script, server) == ["mocked", "True"]
        assert server.connections == 0

    def test_a_stream_that_is_mocked(self, server):
        script = """
            import responses

            events = "event: output\\nid: 1\\ndata: mocked\\n\\nevent: done\\ndata: {}\\n\\n"
            begun = PREDICTION | {"status": "processing", "output": None}
            begun["urls"] = {"stream": "https://stream.replicate.com/v1/streams/abc"}

            @responses.activate
            def test():
                responses.post(f"{API}/predictions", json=begun, status=201)
                responses.get(begun["urls"]["stream"], events, content_type="text/event-stream")
                responses.get(f"{API}/predictions/abc", json=PREDICTION | {"output": ["mocked"]})
                print(list(client().stream("owner/model", prompt="x")))

            test()
        """
        assert said_by(script, server) == ["['mocked']"]


class TestRecorders:
    def test_vcrpy_records_plays_and_lets_nothing_out_that_it_has_not(self, server, tmp_path):
        script = """
            import os, vcr

            cassette = os.environ["CASSETTE"]
            for mode in ("once", "once", "none"):
                with vcr.use_cassette(cassette, record_mode=mode) as tape:
                    print(create_and_get(URL), tape.play_count)
            with vcr.use_cassette(cassette, record_mode="none"), client(URL) as c:
                try:
                    c.predictions.get("another")
                except Exception as error:
                    print("cassette" in str(error))
            print(create_and_get(URL))
        """
        said = said_by(script, server, CASSETTE=str(tmp_path / "cassette.yaml"))
        assert said == ["real 0", "real 2", "real 2", "True", "real"]
        assert [received.method for received in server.requests] == ["POST", "GET"] * 2

    def test_vcrpy_records_a_stream(self, tmp_path):
        head = answer(headers={"Transfer-Encoding": "chunked"}, content_type="text/event-stream", framed=False)
        events = b"event: output\nid: 1\ndata: hi\n\nevent: done\ndata: {}\n\n"
        urls = {"stream": "URL"}
        script = """
            import os, vcr

            for _ in range(2):
                with vcr.use_cassette(os.environ["CASSETTE"]) as tape, client(URL) as c:
                    print(list(c.stream("owner/model", prompt="x")), tape.play_count)
        """

        def say(received: Received) -> bytes:
            if received.target.endswith("/stream"):
                return head + chunk(events) + chunk(b"")
            urls["stream"] = f"{server.url}/v1/stream"
            return answer(201 if received.method == "POST" else 200, json.dumps(
                {**PREDICTION, "status": "processing" if received.method == "POST" else "succeeded",
                 "output": None if received.method == "POST" else ["hi"], "urls": urls}).encode())  # fmt: skip

        with ScriptedServer([Serve(say)], repeat=True) as server:
            said = said_by(script, server, CASSETTE=str(tmp_path / "cassette.yaml"))
            assert said == ["['hi'] 0", "['hi'] 3"]
            assert len(server.requests) == 3


class TestTracing:
    @needs("opentelemetry")
    @pytest.mark.parametrize(
        ("library", "instrumentor"), [("requests", "RequestsInstrumentor"), ("urllib3", "URLLib3Instrumentor")]
    )
    def test_opentelemetry_makes_a_span_and_sends_its_traceparent(self, server, library, instrumentor):
        script = f"""
            from opentelemetry import trace
            from opentelemetry.instrumentation.{library} import {instrumentor}
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import SimpleSpanProcessor
            from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

            spans = InMemorySpanExporter()
            trace.set_tracer_provider(TracerProvider())
            trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(spans))
            {instrumentor}().instrument()
            print(create_and_get(URL))
            for span in spans.get_finished_spans():
                print(span.name, span.attributes["http.status_code"])
        """
        assert said_by(script, server) == ["real", "POST 201", "GET 200"]
        assert all("traceparent" in received.headers for received in server.requests)

    @needs("sentry_sdk")
    def test_sentry_makes_a_span_of_each_call(self, server):
        script = """
            import sentry_sdk

            events = []
            keep = lambda event, hint: events.append(event)
            sentry_sdk.init("http://key@127.0.0.1:1/1", traces_sample_rate=1.0, before_send_transaction=keep)
            with sentry_sdk.start_transaction(name="test"):
                print(create_and_get(URL))
            for span in events[0]["spans"]:
                print(span["op"], span["description"].partition(" ")[0], span["data"]["http.response.status_code"])
        """
        assert said_by(script, server) == ["real", "http.client POST 201", "http.client GET 200"]
        assert all("sentry-trace" in received.headers for received in server.requests)


class TestSessions:
    def test_adapters_of_the_toolbelt_are_gone_through(self, server):
        script = """
            import requests
            from requests_toolbelt.adapters.socket_options import TCPKeepAliveAdapter
            from requests_toolbelt.adapters.source import SourceAddressAdapter
            from replicate_home import RequestsTransport

            for adapter in (SourceAddressAdapter("127.0.0.2"), TCPKeepAliveAdapter(idle=120, interval=10)):
                session = requests.Session()
                session.mount("http://", adapter)
                print(run(URL, transport=RequestsTransport(session)))
        """
        assert said_by(script, server) == ["real", "real"]

    def test_the_host_header_of_the_toolbelts_adapter_is_what_the_certificate_is_for(self):
        script = """
            import os, requests
            from requests_toolbelt.adapters.host_header_ssl import HostHeaderSSLAdapter
            from replicate_home import RequestsTransport

            session = requests.Session()
            session.verify = os.environ["AUTHORITY"]
            session.mount("https://", HostHeaderSSLAdapter())
            options = {"transport": RequestsTransport(session), "headers": {"Host": "elsewhere.example"}}
            print(run(URL, **options))
        """
        with ScriptedServer([Serve(real)], repeat=True, tls=speaks_tls("elsewhere")) as server:
            assert said_by(script, server, AUTHORITY=AUTHORITY) == ["real"]

    @needs("requests_cache")
    def test_a_cached_session_gives_no_old_answers(self, server):
        script = """
            import requests_cache
            from replicate_home import RequestsTransport

            session = requests_cache.CachedSession(backend="memory")
            c = client(URL, transport=RequestsTransport(session))
            print([c.predictions.get("abc").output for _ in range(3)])
        """
        assert said_by(script, server) == ["['real', 'real', 'real']"]
        assert len(server.requests) == 3


class TestPatches:
    @needs("truststore")
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_truststore_may_be_injected(self, when):
        script = f"""
            import truststore, urllib3
            {"truststore.inject_into_ssl()" if when == "before" else ""}
            c = client(URL)
            {"truststore.inject_into_ssl()" if when == "after" else ""}
            print(c.run("owner/model", prompt="x"))
        """
        with ScriptedServer([Serve(real)], repeat=True, tls=speaks_tls()) as server:
            assert said_by(script, server, SSL_CERT_FILE=AUTHORITY) == ["real"]

    @needs("gevent")
    @needs("eventlet")
    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize(
        ("patch", "spawn"),
        [
            ("from gevent import monkey; monkey.patch_all()",
             "import gevent; spawn, wait = gevent.spawn, gevent.joinall"),
            ("from gevent import monkey; monkey.patch_socket(); monkey.patch_ssl(); monkey.patch_select()",
             "import gevent; spawn, wait = gevent.spawn, gevent.joinall"),
            ("import eventlet; eventlet.monkey_patch()",
             "spawn = eventlet.spawn; wait = lambda threads: [thread.wait() for thread in threads]"),
        ],
        ids=["gevent", "gevent in part", "eventlet"],
    )  # fmt: skip
    @pytest.mark.long
    def test_green_threads_share_a_client_and_wait_together(self, patch, spawn, scheme):
        script = f"""
            import time
            {spawn}

            with client(URL) as c:
                begun, said = time.monotonic(), []
                wait([spawn(lambda: said.append(c.predictions.get("abc").output)) for _ in range(8)])
                print(said == ["real"] * 8, time.monotonic() - begun < 3)
        """
        slow = [Receive(), Pause(0.5), Send(real(Received("GET", "", {}, b"", 0))), Serve(real)]
        with ScriptedServer(slow, repeat=True, tls=speaks_tls() if scheme == "https" else None) as server:
            assert said_by(script, server, first=patch, SSL_CERT_FILE=AUTHORITY) == ["True True"]
