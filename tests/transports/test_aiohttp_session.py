"""The transport over a ``ClientSession`` that its user has made: used, left open, and not obeyed in everything."""

from __future__ import annotations

import asyncio
import pickle
import ssl
import threading

import aiohttp
import pytest

from replicate_home import AiohttpTransport, AsyncClient
from replicate_home.exceptions import ConnectFailed, Disconnected
from replicate_home.testing.scripted_server import Cut, Receive, ScriptedServer, Send, Serve, answer
from replicate_home.transports.over_aiohttp.exchange import TRACING
from replicate_home.version import USER_AGENT
from replicate_home.wire import Request, Secret
from tests.servers.fault_server import AUTHORITY, speaks_tls
from tests.transports.asking import TOKEN, ok, truth


def run_with(use, **options):
    """What ``use`` returns of a session that is made with these options, which are themselves made in its loop."""

    async def main():
        made = {name: option() if callable(option) else option for name, option in options.items()}
        async with aiohttp.ClientSession(**made) as session:
            return await use(session)

    return asyncio.run(main())


def post(url, **parts):
    return Request("POST", url, body=b"{}", token=Secret(TOKEN), **parts)


def test_it_is_used_and_left_open():
    async def use(session):
        transport = AiohttpTransport(session=session)
        await transport.send(post(server.url), None)
        await transport.close()
        assert not session.closed
        async with session.get(server.url) as response:
            return response.status

    with ScriptedServer([ok()]) as server:
        assert run_with(use) == 200
        assert server.connections == 1
        assert [received.headers.get("authorization") for received in server.requests] == [f"Bearer {TOKEN}", None]


def test_an_async_client_runs_over_it_and_leaves_it_open():
    async def use(session):
        async with AsyncClient(base_url=server.url, transport=AiohttpTransport(session=session)) as client:
            prediction = await client.predictions.get("abc")
        return prediction.status, session.closed

    found = b'{"id": "abc", "status": "succeeded", "urls": {}}'
    with ScriptedServer([ok(found)]) as server:
        assert run_with(use) == ("succeeded", False)


def test_its_connector_counts():
    async def use(session):
        return (await AiohttpTransport(session=session).send(post(server.url), None))[0].status

    context = ssl.create_default_context(cafile=AUTHORITY)
    with ScriptedServer([ok(), Cut()], tls=speaks_tls()) as server:
        assert run_with(use, connector=lambda: aiohttp.TCPConnector(ssl=context)) == 200


class TestWhatDoesNotCount:
    def test_its_auth(self):
        async def use(session):
            transport = AiohttpTransport(session=session)
            await transport.send(post(server.url), None)
            await transport.send(Request("GET", server.url), None)

        with ScriptedServer([ok()]) as server:
            run_with(use, headers={"Authorization": "Bearer of-the-session"})
            assert [received.headers.get("authorization") for received in server.requests] == [f"Bearer {TOKEN}", None]

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_its_auth_as_it_was_given_once(self):
        async def use(session):
            transport = AiohttpTransport(session=session)
            await transport.send(post(server.url), None)
            await transport.send(Request("GET", server.url), None)

        with ScriptedServer([ok()]) as server:
            run_with(use, auth=aiohttp.BasicAuth("me", "secret"))
            assert [received.headers.get("authorization") for received in server.requests] == [f"Bearer {TOKEN}", None]

    def test_its_cookies(self):
        async def use(session):
            transport = AiohttpTransport(session=session)
            for _ in range(2):
                await transport.send(post(server.url), None)

        with ScriptedServer([Serve(lambda _: answer(headers={"Set-Cookie": "c=d"}))]) as server:
            run_with(use, cookies={"a": "b"}, cookie_jar=lambda: aiohttp.CookieJar(unsafe=True))
            assert not any("cookie" in received.headers for received in server.requests)

    def test_its_headers_except_those_that_the_request_has_too(self):
        async def use(session):
            await AiohttpTransport(session=session).send(post(server.url, headers={"X-Ours": "1"}), None)

        with ScriptedServer([ok()]) as server:
            run_with(use, headers={"X-Theirs": "1", "X-Ours": "2", "User-Agent": "theirs"})
            headers = server.requests[0].headers
        assert [headers.get(name) for name in ("x-theirs", "x-ours", "user-agent")] == [None, "1", USER_AGENT]

    def test_its_raise_for_status_timeout_and_base_url(self):
        async def use(session):
            return (await AiohttpTransport(session=session).send(post(server.url), None))[0].status

        options = {"raise_for_status": True, "timeout": aiohttp.ClientTimeout(total=1e-6), "base_url": "http://other/"}
        with ScriptedServer([Serve(lambda _: answer(404))]) as server:
            assert run_with(use, **options) == 404

    def test_the_proxies_of_the_environment(self, monkeypatch):
        async def use(session):
            return (await AiohttpTransport(session=session).send(Request("GET", "http://localhost.test/"), None))[0]

        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        with ScriptedServer([ok()]) as server:

            class Resolver(aiohttp.abc.AbstractResolver):
                async def resolve(self, host, port=0, family=0):
                    found = {"hostname": host, "host": "127.0.0.1", "port": server.port}
                    return [{**found, "family": family, "proto": 0, "flags": 0}]

                async def close(self):
                    pass

            assert run_with(use, connector=lambda: aiohttp.TCPConnector(resolver=Resolver())).status == 200


class TestTracing:
    def test_ours_is_added_once_and_theirs_stay(self):
        async def use(session):
            for _ in range(2):
                await AiohttpTransport(session=session).send(post(server.url), None)
            return session.trace_configs

        seen = []
        theirs = aiohttp.TraceConfig()

        async def listen(session, context, parameters):
            seen.append(parameters.method)

        theirs.on_request_start.append(listen)
        with ScriptedServer([ok()]) as server:
            assert run_with(use, trace_configs=[theirs]) == [theirs, TRACING]
        assert seen == ["POST", "POST"]

    def test_the_sessions_own_requests_pass_untouched(self):
        async def use(session):
            AiohttpTransport(session=session)
            async with session.get(server.url, trace_request_ctx={"mine": 1}) as response:
                return response.status

        with ScriptedServer([ok()]) as server:
            assert run_with(use, headers={"X-Theirs": "1"}) == 200
            assert server.requests[0].headers["x-theirs"] == "1"

    def test_nothing_is_sent_again_over_it(self):
        async def use(session):
            transport = AiohttpTransport(session=session)
            await transport.send(Request("GET", server.url), None)
            with pytest.raises(Disconnected) as caught:
                await transport.send(Request("GET", server.url), None)
            return caught.value

        with ScriptedServer([Receive(), Send(answer()), Receive(), Cut()], [ok()]) as server:
            assert truth(run_with(use)) == (Disconnected, "wait", True)
            assert len(server.requests) == 2


class TestWhatIsRefused:
    def test_another_event_loop(self):
        async def use(session):
            transport = AiohttpTransport(session=session)

            def elsewhere():
                with pytest.raises(RuntimeError, match="belongs to another event loop"):
                    asyncio.run(transport.send(post("http://127.0.0.1:1/"), None))

            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()

        run_with(use)

    def test_no_event_loop(self):
        session = run_with(_same)
        with pytest.raises(RuntimeError, match="no running event loop"):
            AiohttpTransport(session=session)

    def test_a_session_that_is_closed(self):
        async def use(session):
            transport = AiohttpTransport(session=session)
            await session.close()
            with pytest.raises(ConnectFailed) as caught:
                await transport.send(post("http://127.0.0.1:1/"), None)
            return caught.value

        assert truth(run_with(use)) == (ConnectFailed, "connect", False)

    def test_one_that_reads_netrc(self):
        async def use(session):
            with pytest.raises(ValueError, match="trust_env"):
                AiohttpTransport(session=session)

        run_with(use, trust_env=True)

    def test_what_is_no_session(self):
        async def main():
            with pytest.raises(TypeError, match=r"must be an aiohttp\.ClientSession, got str"):
                AiohttpTransport(session="session")

        asyncio.run(main())

    def test_being_pickled(self):
        async def use(session):
            transport = AiohttpTransport(session=session)
            assert repr(transport) == "AiohttpTransport(session=...)"
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(transport)

        run_with(use)


async def _same(session):
    return session
