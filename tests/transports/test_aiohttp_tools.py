"""What people put around aiohttp sees the calls of an AsyncClient: mocks, recorders, tracing.

Each is used as its own README shows it, with no setting for our sake, in an interpreter of its own, since most of them
patch what all share. ``server`` is real, and counts what reaches it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from importlib.metadata import version
from importlib.util import find_spec

import pytest

from replicate_home.testing.scripted_server import Received, ScriptedServer, Serve, answer

pytestmark = pytest.mark.reliability


def needs(module, *, oldest=False):
    missing = find_spec(module) is None
    if oldest and version("aiohttp") >= "3.14":
        return pytest.mark.skip(reason=f"{module} works with aiohttp before 3.14 only: CI tries it with the lowest")
    return pytest.mark.skipif(missing, reason=f"{module} is not installed: python -m pip install '.[tools]'")


PREDICTION = {"id": "abc", "status": "succeeded", "output": "mocked", "urls": {}}
PRELUDE = f"""
import asyncio, json, sys
from replicate_home import AsyncClient, ReplicateHomeError

API = "https://api.replicate.com/v1"
PREDICTION = {PREDICTION!r}
URL = sys.argv[1]

def client(base_url=API):
    return AsyncClient(api_token="r8_0123456789abcdefghij", base_url=base_url, max_retries=0)

async def arun(base_url=API, prompt="x"):
    async with client(base_url) as c:
        return str(await c.run("owner/model", prompt=prompt))

async def aget(base_url=API):
    async with client(base_url) as c:
        return (await c.predictions.get("abc")).output

def run(*args, **options):
    return asyncio.run(arun(*args, **options))

def get(*args, **options):
    return asyncio.run(aget(*args, **options))

def error_of(call, *args):
    try:
        call(*args)
    except ReplicateHomeError as error:
        return type(error).__name__
"""


def real(received: Received) -> bytes:
    """A prediction that a server of our own has made."""
    return answer(201 if received.method == "POST" else 200, json.dumps({**PREDICTION, "output": "real"}).encode())


@pytest.fixture
def server():
    with ScriptedServer([Serve(real)], repeat=True) as server:
        yield server


def said_by(script: str, server: ScriptedServer) -> list[str]:
    """The lines that a script prints."""
    command = [sys.executable, "-W", "ignore", "-c", PRELUDE + textwrap.dedent(script), server.url + "/v1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


class TestMocks:
    """What is mocked is answered by the mock, and what is not mocked does not leave."""

    @needs("pook", oldest=True)
    def test_pook(self, server):
        script = """
            import pook
            with pook.use():
                mock = pook.post(f"{API}/predictions", reply=201, response_json=PREDICTION)
                print(run(), mock.calls)
            with pook.use():
                print(error_of(run, URL))
        """
        assert said_by(script, server) == ["mocked 1", "ConnectFailed"]
        assert server.requests == []

    @needs("aioresponses", oldest=True)
    def test_aioresponses(self, server):
        script = """
            from aioresponses import aioresponses
            with aioresponses() as mocked:
                mocked.post(f"{API}/predictions", status=201, payload=PREDICTION)
                mocked.get(f"{API}/predictions/abc", payload=PREDICTION)
                print(run(), get())
                print(error_of(get, URL))
        """
        assert said_by(script, server) == ["mocked mocked", "Disconnected"]
        assert server.requests == []

    @needs("aioresponses", oldest=True)
    def test_what_aioresponses_raises_says_truly_whether_anything_may_have_been_processed(self, server):
        script = """
            import aiohttp
            from aioresponses import aioresponses
            refused = aiohttp.ClientConnectorError(None, ConnectionRefusedError(111, "refused"))
            for raised in (refused, aiohttp.ServerDisconnectedError(), TimeoutError()):
                with aioresponses() as mocked:
                    mocked.post(f"{API}/predictions", exception=raised)
                    print(error_of(run))
        """
        assert said_by(script, server) == ["ConnectFailed", "CreateOutcomeUnknown", "CreateOutcomeUnknown"]


class TestRecorders:
    @needs("vcr")
    def test_vcrpy_records_and_plays_without_the_server(self, server, tmp_path):
        script = f"""
            import vcr
            for _ in range(2):
                with vcr.use_cassette({str(tmp_path / "cassette.yaml")!r}):
                    print(run(URL))
        """
        assert said_by(script, server) == ["real", "real"]
        assert [received.method for received in server.requests] == ["POST"]

    @needs("vcr")
    def test_vcrpy_lets_nothing_leave_where_nothing_may_be_recorded(self, server, tmp_path):
        script = f"""
            import vcr
            with vcr.use_cassette({str(tmp_path / "none.yaml")!r}, record_mode="none"):
                print(error_of(run, URL))
        """
        assert said_by(script, server) == ["CreateOutcomeUnknown"]
        assert server.requests == []

    @needs("vcr")
    def test_vcrpy_records_long_bodies_whole(self, server, tmp_path):
        script = f"""
            import vcr
            for _ in range(2):
                with vcr.use_cassette({str(tmp_path / "cassette.yaml")!r}, match_on=["method", "uri", "body"]):
                    print(run(URL, prompt="x" * 2_000_000))
        """
        assert said_by(script, server) == ["real", "real"]
        (received,) = server.requests
        assert len(received.body) > 2_000_000


class TestTracing:
    @needs("opentelemetry.instrumentation.aiohttp_client" if find_spec("opentelemetry") else "opentelemetry")
    def test_opentelemetry_has_a_span_and_the_server_is_told_of_it(self, server):
        script = """
            from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import SimpleSpanProcessor
            from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
            spans, provider = InMemorySpanExporter(), TracerProvider()
            provider.add_span_processor(SimpleSpanProcessor(spans))
            AioHttpClientInstrumentor().instrument(tracer_provider=provider)
            get(URL)
            for span in spans.get_finished_spans():
                print(span.name, span.attributes["http.status_code"], format(span.context.trace_id, "032x"))
        """
        ((name, status, trace),) = [line.split() for line in said_by(script, server)]
        assert (name, status) == ("GET", "200")
        assert trace in server.requests[0].headers["traceparent"]

    @needs("sentry_sdk")
    def test_sentry_has_a_span_and_the_server_is_told_of_it(self, server):
        script = """
            import sentry_sdk
            from sentry_sdk.integrations.aiohttp import AioHttpIntegration
            from sentry_sdk.transport import Transport

            class Kept(Transport):
                def capture_envelope(self, envelope):
                    for item in envelope.items:
                        for span in (item.payload.json or {}).get("spans", []):
                            print(span["op"], span["description"].rpartition("/")[2])

            sentry_sdk.init("https://key@sentry.invalid/1", traces_sample_rate=1.0, transport=Kept,
                            integrations=[AioHttpIntegration()])
            with sentry_sdk.start_transaction(name="test"):
                get(URL)
        """
        assert said_by(script, server) == ["http.client abc"]
        assert "sentry-trace" in server.requests[0].headers
