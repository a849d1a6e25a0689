"""AsyncClient: the same calls as Client, awaited; and what leaving means in an event loop."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import logging
import pickle
import threading
import warnings

import attrs
import pytest

import replicate_home
from replicate_home import (
    AsyncClient,
    AsyncFunction,
    AsyncPage,
    AsyncPrediction,
    AsyncPredictions,
    AsyncStream,
    AuthenticationError,
    Client,
    DoneEvent,
    FileOutput,
    Function,
    LogsEvent,
    ModelCanceled,
    ModelError,
    OutputEvent,
    Page,
    Prediction,
    Predictions,
    PredictionTimeout,
    ReplicateHomeError,
    Response,
    Snapshot,
    StatusEvent,
    Stream,
    StreamInterrupted,
    ThreadedTransport,
    async_paginate,
)
from replicate_home.clock import SYSTEM_CLOCK
from replicate_home.drivers import leaving
from replicate_home.testing.fake import FakeReplicate

ENOUGH = 10.0
MODEL = "owner/llm"


@pytest.fixture
def fake():
    with FakeReplicate() as fake:
        fake.on(MODEL).streams("Hel", "lo").takes(600)
        yield fake


@pytest.fixture
def client(fake):
    client = AsyncClient(transport=fake.transport, clock=fake.clock)
    yield client
    asyncio.run(client.close())


RESOURCES = {
    "accounts", "collections", "deployments", "files", "hardware", "models", "predictions", "search", "trainings",
    "webhooks",
}  # fmt: skip


class TestInStep:
    """The names and signatures of both clients are the same."""

    @pytest.mark.parametrize(
        ("blocking", "awaited"),
        [
            (Client, AsyncClient),
            (Predictions, AsyncPredictions),
            (Prediction, AsyncPrediction),
            (Stream, AsyncStream),
            (Function, AsyncFunction),
            (Page, AsyncPage),
        ],
    )
    def test_names_and_signatures(self, blocking, awaited):
        ours, theirs = public(blocking), public(awaited)
        extra = {"aclose"} & theirs.keys()
        missing = {"as_async"} & ours.keys()
        assert ours.keys() - missing == theirs.keys() - extra
        for name in ours.keys() & theirs.keys():
            assert parameters(ours[name]) == parameters(theirs[name]), name

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    @pytest.mark.parametrize("name", ["run", "stream"])
    def test_every_option_reaches_the_call(self, monkeypatch, kind, name):
        given = {
            "model": MODEL, "input": {"x": 1}, "prompt": "Hi", "messages": [], "timeout": 3.0, "wait": 2,
            "webhook": "https://a.example", "webhook_events_filter": ["start"], "on_update": print, "progress": list,
            "cancel_on_exit": False, "use_file_output": False, "file_encoding_strategy": "url",
        }  # fmt: skip
        seen = []

        def note(engine, options, *, delivers):
            seen.append((attrs.asdict(options, recurse=False), delivers))
            raise ModelError("enough", prediction=Snapshot({"id": "p1"}))

        monkeypatch.setattr(Stream if kind is Client else AsyncStream, "of", note)

        async def ask():
            outcome = getattr(kind("t"), name)(**given)
            return await outcome

        with pytest.raises(ModelError):
            asyncio.run(ask())
        assert seen == [(given, name == "stream")]
        assert inspect.signature(getattr(kind, name)).parameters.keys() - {"self"} == given.keys()

    def test_what_waits_is_awaited_and_what_does_not_is_not(self):
        plain = {name for name, method in public(AsyncClient).items() if not inspect.iscoroutinefunction(method)}
        assert plain == RESOURCES | {"local", "map", "run", "stream", "use", "with_options"}


def public(cls):
    return {name: inspect.getattr_static(cls, name) for name in dir(cls) if not name.startswith("_")}


def parameters(method):
    method = getattr(method, "__func__", method)
    if not inspect.isfunction(method):
        return type(method)
    return [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]


class TestCalls:
    def test_run_returns_the_output_in_virtual_time(self, fake, client):
        result = asyncio.run(client.run(MODEL, prompt="Hi", timeout=None))
        assert (result, str(result), result.prediction.status) == (["Hel", "lo"], "Hello", "succeeded")
        assert fake.clock.now() >= 600
        assert fake.calls[0].input == {"prompt": "Hi"}

    def test_stream_is_iterated(self, client):
        async def main():
            return [chunk async for chunk in client.stream(MODEL, prompt="Hi", timeout=None)]

        assert asyncio.run(main()) == ["Hel", "lo"]

    def test_stream_gives_events_text_and_result(self, fake, client):
        fake.on(MODEL).streams("a", "b").logs("line").takes(1)

        async def main():
            async with client.stream(MODEL, prompt="Hi") as stream:
                events = [event async for event in stream.events()]
                return events, await stream.text(), await stream.result(), stream.prediction.status

        events, text, result, status = asyncio.run(main())
        kinds = [type(event) for event in events]
        assert (kinds[0], kinds[-1]) == (StatusEvent, DoneEvent)
        assert [event.data for event in events if isinstance(event, OutputEvent)] == ["a", "b"]
        assert "".join(event.data for event in events if isinstance(event, LogsEvent)) == "line\n"
        assert (text, result, status) == ("ab", ["a", "b"], "succeeded")

    def test_events_begin_where_iterating_stopped(self, fake, client):
        fake.on(MODEL).streams("a", "b", "c")

        async def main():
            stream = client.stream(MODEL, prompt="Hi")
            first = await anext(stream)
            return first, [event.data async for event in stream.events() if isinstance(event, OutputEvent)]

        assert asyncio.run(main()) == ("a", ["b", "c"])

    def test_nothing_is_sent_before_the_stream_is_iterated(self, fake, client):
        async def main():
            stream = client.stream(MODEL, prompt="Hi")
            assert (stream.prediction, fake.requests) == (None, [])
            await stream.aclose()
            with pytest.raises(ReplicateHomeError, match="this stream has ended"):
                aiter(stream)
            with pytest.raises(ReplicateHomeError, match="closed before its end"):
                await stream.result()

        asyncio.run(main())
        assert fake.requests == []

    @pytest.mark.parametrize(
        "messages", [None, [{"role": "user", "content": "Hi"}]], ids=["at once", "after a request"]
    )
    def test_a_second_task_that_iterates_is_told_so_and_nothing_is_created_twice(self, fake, client, messages):
        async def main():
            stream = client.stream(MODEL, prompt=None if messages else "Hi", messages=messages, timeout=None)
            first, second = await asyncio.gather(stream.text(), stream.text(), return_exceptions=True)
            assert first == "Hello"
            assert type(second) is ReplicateHomeError
            assert "can have only one consumer" in str(second)
            assert await stream.text() == "Hello"

        asyncio.run(main())
        assert len(fake.calls) == 1

    def test_a_stream_that_did_not_begin_may_be_tried_again(self, fake, client):
        async def main():
            stream = client.stream(MODEL, messages=[{"role": "user", "content": "Hi"}], timeout=None)
            beginning = asyncio.create_task(stream.text())
            await asyncio.sleep(0)
            beginning.cancel()
            with pytest.raises(asyncio.CancelledError):
                await beginning
            assert fake.calls == []
            return await stream.text()

        assert asyncio.run(main()) == "Hello"

    def test_what_is_wrong_with_the_call_itself_is_said_at_once(self, monkeypatch):
        with pytest.raises(AuthenticationError):
            AsyncClient().stream("owner/unknown")
        with pytest.raises(TypeError, match="on_update"):
            AsyncClient().stream(MODEL, on_update=1)

    def test_a_failed_model_is_an_error(self, fake, client):
        fake.on(MODEL).streams("a").fails("boom")
        with pytest.raises(ModelError, match="boom"):
            asyncio.run(client.run(MODEL, prompt="Hi"))

    def test_at_the_deadline_the_prediction_is_canceled(self, fake, client):
        with pytest.raises(PredictionTimeout) as caught:
            asyncio.run(client.run(MODEL, prompt="Hi", timeout=30))
        assert caught.value.canceled
        assert fake.requests[-1].path.endswith("/cancel")

    def test_messages_are_put_in_as_the_schema_allows(self, fake, client):
        asyncio.run(client.run(MODEL, messages=[{"role": "user", "content": "Hi"}], timeout=None))
        assert fake.calls[0].input == {"prompt": "Hi"}

    def test_on_update_may_be_a_coroutine(self, client):
        seen = []

        async def note(snapshot):
            await asyncio.sleep(0)
            seen.append(snapshot.status)

        asyncio.run(client.run(MODEL, prompt="Hi", timeout=None, on_update=note))
        asyncio.run(client.run(MODEL, prompt="Hi", timeout=None, on_update=lambda snapshot: seen.append("plain")))
        assert (seen[0], seen[-1]) == ("starting", "plain")
        assert "succeeded" in seen

    def test_an_error_of_on_update_cancels_and_passes(self, fake, client):
        def broken(snapshot):
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            asyncio.run(client.run(MODEL, prompt="Hi", on_update=broken))
        assert fake.requests[-1].path.endswith("/cancel")

    def test_a_model_as_a_function(self, client):
        async def main():
            model = client.use(MODEL, timeout=None)
            return await model(prompt="Hi"), [chunk async for chunk in model.stream(prompt="Hi")], repr(model)

        name = "AsyncClient(transport=FakeTransport).use('owner/llm')"
        assert asyncio.run(main()) == (["Hel", "lo"], ["Hel", "lo"], name)

    def test_files_go_in_and_come_out(self, fake, client, tmp_path):
        (tmp_path / "in.txt").write_bytes(b"in")
        threads = set()
        fake.on("owner/file").calls(lambda file, other: other + b"!")

        class Source:
            name = "other.bin"

            def read(self):
                threads.add(threading.current_thread())
                return b"other"

        async def main():
            result = await client.run("owner/file", {"file": tmp_path / "in.txt", "other": Source()})
            return result, await result.aread(), [piece async for piece in result], result.read()

        fake.on("owner/file").returns(b"out")
        result, whole, pieces, blocking = asyncio.run(main())
        assert isinstance(result, FileOutput)
        assert (whole, b"".join(pieces), blocking) == (b"out", b"out", b"out")
        assert fake.calls[0].input["file"].startswith("data:text/plain;base64,")
        assert threading.current_thread() not in threads
        assert threads

    def test_a_large_file_is_uploaded_once(self, fake, client):
        fake.on("owner/file").returns("done")
        asyncio.run(client.run("owner/file", {"file": b"x" * 300_000}))
        posted = [request.path for request in fake.requests if request.method == "POST"]
        assert posted == ["/files", "/predictions"]

    def test_the_local_backend_needs_no_account(self):
        def greet(name: str) -> str:
            return f"Hello {name}"

        async def main():
            async with AsyncClient.local({"local/greet": greet}) as client:
                return await client.run("local/greet", {"name": "you"})

        assert asyncio.run(main()) == "Hello you"

    def test_many_at_once_on_one_client(self, fake, client):
        fake.on(MODEL).returns("done").takes(1)

        async def main():
            return await asyncio.gather(*(client.run(MODEL, prompt=f"{n}") for n in range(50)))

        assert asyncio.run(main()) == ["done"] * 50
        assert sorted(int(call.input["prompt"]) for call in fake.calls) == list(range(50))


class TestTransports:
    """The same over sockets, by aiohttp and by threads."""

    @pytest.mark.parametrize("native", [True, False], ids=["aiohttp", "threads"])
    def test_run_stream_and_files_over_sockets(self, fake, monkeypatch, native):
        fake.on("owner/file").returns(b"out")
        if not native:
            monkeypatch.setattr("replicate_home.client.engine.async_connections.find_spec", lambda name: None)

        async def main(url):
            async with AsyncClient(base_url=url) as client:
                chunks = [chunk async for chunk in client.stream(MODEL, prompt="Hi")]
                file = await client.run("owner/file", {"file": b"in"})
                return chunks, str(await client.run(MODEL, prompt="Hi")), await file.aread()

        with fake.serve() as url:
            assert asyncio.run(main(url)) == (["Hel", "lo"], "Hello", b"out")

    def test_a_stream_for_which_there_is_no_place_polls(self, fake, monkeypatch):
        monkeypatch.setattr("replicate_home.transports.threaded.STREAMS", 0)
        monkeypatch.setattr("replicate_home.client.engine.async_connections.find_spec", lambda name: None)

        async def main(url):
            async with AsyncClient(base_url=url) as client:
                return [chunk async for chunk in client.stream(MODEL, prompt="Hi", timeout=None)]

        with fake.serve() as url:
            assert asyncio.run(main(url)) == ["Hel", "lo"]
        assert not any("stream" in request.path for request in fake.requests)


class TestPredictions:
    def test_create_wait_result_and_stream(self, client):
        async def main():
            prediction = await client.predictions.create(MODEL, {"prompt": "Hi"})
            first = prediction.status
            assert await prediction.wait() is prediction
            again = await client.predictions.get(prediction.id)
            return first, prediction == again, await again.result(), [c async for c in again.output_iterator()]

        assert asyncio.run(main()) == ("starting", True, ["Hel", "lo"], ["Hel", "lo"])

    def test_reload_and_cancel(self, client):
        async def main():
            prediction = await client.predictions.create(version=MODEL, prompt="Hi")
            await (await client.predictions.get(prediction.id)).cancel()
            assert (await prediction.reload()).status == "canceled"
            with pytest.raises(ModelCanceled):
                await prediction.result()
            return (await client.predictions.cancel(prediction.id)).status

        assert asyncio.run(main()) == "canceled"

    def test_waiting_that_times_out_leaves_it_running_and_knows_more(self, fake, client):
        async def main():
            prediction = await client.predictions.create(MODEL, {"prompt": "Hi"})
            with pytest.raises(PredictionTimeout) as caught:
                await prediction.wait(timeout=10)
            assert not caught.value.canceled
            return prediction.status

        assert asyncio.run(main()) == "processing"
        assert not any(request.path.endswith("/cancel") for request in fake.requests)

    def test_a_list_goes_through_all_its_pages(self, fake, client):
        fake.on(MODEL).returns("x")

        async def main():
            for n in range(120):
                await client.predictions.create(MODEL, {"prompt": str(n)})
            page = await client.predictions.list()
            own = [prediction.id async for prediction in client.predictions.list()]
            assert own == [prediction.id for prediction in page] == [prediction.id async for prediction in page]
            pages = [len(page) async for page in async_paginate(client.predictions.list)]
            return len(own), [prediction.id async for prediction in client.predictions.list().all()], repr(page), pages

        first, ids, shown, pages = asyncio.run(main())
        assert first < len(set(ids)) == len(ids) == 120
        assert (pages, shown) == ([first, 120 - first], f"AsyncPage({first} items, more)")

    def test_create_takes_a_model_or_a_version(self, client):
        with pytest.raises(TypeError, match="one of them"):
            asyncio.run(client.predictions.create())

    def test_one_without_a_client_says_so_and_pickles(self, client):
        async def main():
            return await client.predictions.create(MODEL, {"prompt": "Hi"})

        orphan = pickle.loads(pickle.dumps(asyncio.run(main())))
        assert type(orphan) is AsyncPrediction
        with pytest.raises(ReplicateHomeError, match="belongs to no client"):
            asyncio.run(orphan.reload())


class TestClients:
    def test_with_options_shares_the_connections(self, client):
        other = client.with_options(timeout=5, headers={"X-A": "b"})
        assert type(other) is AsyncClient
        assert other._engine.async_connections is client._engine.async_connections

    def test_pickled_it_leaves_its_token_behind(self):
        client = pickle.loads(pickle.dumps(AsyncClient("r8_0123456789abcdef")))
        assert repr(client) == "AsyncClient()"
        with pytest.raises(AuthenticationError):
            client.stream("owner/name")

    def test_a_client_adapted_shares_its_transport_and_leaves_it_open(self, fake):
        client = fake.client(headers={"X-A": "b"})

        async def main():
            async with client.as_async() as other:
                return await other.run(MODEL, prompt="Hi", timeout=None)

        assert asyncio.run(main()) == client.run(MODEL, prompt="Hi", timeout=None) == ["Hel", "lo"]

    def test_a_blocking_client_refuses_a_transport_for_event_loops(self, fake):
        with pytest.raises(TypeError, match="give it to AsyncClient"):
            Client(transport=ThreadedTransport(fake.transport))

    def test_it_goes_over_aiohttp_where_that_is_installed_and_over_threads_elsewhere(self, monkeypatch):
        client = AsyncClient("r8_0123456789abcdef")
        assert repr(client._engine.async_connections.transport("network")) == "AiohttpTransport()"
        monkeypatch.setattr("replicate_home.client.engine.async_connections.find_spec", lambda name: None)
        client = AsyncClient("r8_0123456789abcdef")
        assert repr(client._engine.async_connections.transport("network")) == "ThreadedTransport(RequestsTransport())"

    def test_by_threads_a_create_is_not_held_and_by_aiohttp_it_is(self, monkeypatch):
        async def holds(client):
            server = client._engine.async_connections.shared.given
            await client.run(MODEL, {"x": 1}, wait=9)
            await client.run(MODEL, {"x": 1})
            await client.close()
            return [value for request in server.requests if (value := request.headers.get("Prefer"))]

        assert asyncio.run(holds(AsyncClient(transport=Server()))) == ["wait=9", "wait=1"]
        blocking = BlockingServer()
        assert asyncio.run(holds(AsyncClient(transport=blocking))) == ["wait=9"]

    def test_the_public_names_are_exported(self):
        for name in ("AsyncClient", "AsyncStream", "AsyncPrediction", "AiohttpTransport", "ThreadedTransport"):
            assert name in replicate_home.__all__
            assert getattr(replicate_home, name).__name__ == name


class Server:
    """An async transport: predictions that go on until they are canceled, with a stream in which nothing comes.

    ``reached`` is set when the life waits for news; ``at_create`` holds the answer to a create back.
    """

    clock = SYSTEM_CLOCK
    URL = "https://server.example/v1"

    def __init__(self, *, streams=False, held=False):
        self.requests = []
        self.reached = asyncio.Event()
        self.creating = asyncio.Event()
        self.answer_create = asyncio.Event()
        self.canceled = threading.Event()
        self.stalls_cancel = False
        self.open_bodies = 0
        self.torn = []
        self._streams = streams
        if not held:
            self.answer_create.set()

    base_url = URL

    def kind(self, request):
        return request.method, request.url.removeprefix(self.URL).replace("/id1", "/ID")

    async def send(self, request, deadline):
        self.requests.append(request)
        try:
            return await self._answer(self.kind(request), request)
        except asyncio.CancelledError:
            self.torn.append(self.kind(request))
            raise

    async def _answer(self, kind, request):
        if kind == ("POST", "/predictions/ID/cancel"):
            if self.stalls_cancel:
                await asyncio.Event().wait()
            self.canceled.set()
            return self.prediction(200, "canceled"), None
        if kind[0] == "POST":
            self.creating.set()
            await self.answer_create.wait()
            held = "Prefer" in request.headers
            return self.prediction(201, "succeeded" if held else "starting", "done" if held else None), None
        self.reached.set()
        if request.streams:
            self.open_bodies += 1
            return Response(200, {"content-type": "text/event-stream"}), ServerBody(self)
        return await asyncio.Event().wait(), None

    def prediction(self, status_code, status, output=None):
        urls = {"get": f"{self.URL}/predictions/id1", "cancel": f"{self.URL}/predictions/id1/cancel"}
        if self._streams:
            urls["stream"] = f"{self.URL}/streams/1"
        found = {
            "id": "id1",
            "status": status,
            "model": MODEL,
            "version": "v",
            "input": {},
            "output": output,
            "urls": urls,
        }
        return Response(status_code, {"content-type": "application/json"}, json.dumps(found).encode())

    async def close(self):
        pass


class ServerBody:
    def __init__(self, server):
        self._server = server
        self._closed = False

    async def read(self, deadline):
        await asyncio.Event().wait()

    def close(self):
        if not self._closed:
            self._closed = True
            self._server.open_bodies -= 1


class BlockingServer:
    """The same for threads; its predictions have ended when they are asked for."""

    clock = SYSTEM_CLOCK
    base_url = Server.URL

    def __init__(self):
        self.requests = []

    def send(self, request, deadline):
        self.requests.append(request)
        return Server().prediction(201, "succeeded", "done"), None

    def close(self):
        pass


@pytest.fixture
def quiet(caplog):
    """Nothing is left to the event loop's complaints, and no coroutine is forgotten."""
    caplog.set_level(logging.WARNING, "asyncio")
    yield
    gc.collect()
    assert caplog.records == []


@pytest.mark.usefixtures("quiet")
class TestLeaving:
    """Leaving early, in any way, frees the connection and cancels the prediction."""

    @pytest.mark.parametrize("streams", [False, True], ids=["polling", "streaming"])
    def test_a_task_that_is_cancelled(self, streams):
        async def main():
            server = Server(streams=streams)
            task = asyncio.create_task(drain(AsyncClient(transport=server)))
            await server.reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert server.canceled.is_set()
            assert server.open_bodies == 0
            assert "while waiting for prediction id1" in caught.value.__notes__

        asyncio.run(main())

    def test_a_timeout_of_asyncio(self):
        async def main():
            server = Server(streams=True)
            with pytest.raises(TimeoutError):
                await drain_until(server.reached, AsyncClient(transport=server))
            assert (server.canceled.is_set(), server.open_bodies) == (True, 0)

        asyncio.run(main())

    def test_a_task_group_in_which_another_task_fails(self):
        async def fail(server):
            await server.reached.wait()
            raise KeyError("another")

        async def together(server):
            async with asyncio.TaskGroup() as group:
                group.create_task(drain(AsyncClient(transport=server)))
                group.create_task(fail(server))

        async def main():
            server = Server(streams=True)
            with pytest.raises(ExceptionGroup):
                await together(server)
            assert (server.canceled.is_set(), server.open_bodies) == (True, 0)

        asyncio.run(main())

    def test_run_that_is_cancelled(self):
        async def main():
            server = Server(held=True)
            task = asyncio.create_task(AsyncClient(transport=server).run(MODEL, {"x": 1}, timeout=3))
            await server.creating.wait()
            server.answer_create.set()
            await server.reached.wait()
            task.cancel()
            await asyncio.wait({task})
            assert server.canceled.is_set()

        asyncio.run(main())

    def test_an_exception_in_the_block(self):
        async def block(server):
            async with AsyncClient(transport=server).stream(MODEL, {"x": 1}) as stream:
                await anext(stream.events())
                raise KeyError("mine")

        async def main():
            server = Server(streams=True)
            with pytest.raises(KeyError):
                await block(server)
            assert (server.canceled.is_set(), server.open_bodies) == (True, 0)

        asyncio.run(main())

    def test_a_break_and_aclose(self, fake, client):
        async def main():
            stream = client.stream(MODEL, prompt="Hi", timeout=None)
            async for _ in stream:
                break
            assert not any(request.path.endswith("/cancel") for request in fake.requests)
            await stream.aclose()
            await stream.close()
            with pytest.raises(ReplicateHomeError, match="this stream has ended"):
                aiter(stream)

        asyncio.run(main())
        assert [request.path.endswith("/cancel") for request in fake.requests].count(True) == 1

    def test_cancel_on_exit_false_leaves_the_prediction_alone(self):
        async def main():
            server = Server(streams=True)
            task = asyncio.create_task(drain(AsyncClient(transport=server), cancel_on_exit=False))
            await server.reached.wait()
            task.cancel()
            await asyncio.wait({task})
            assert (server.canceled.is_set(), server.open_bodies) == (False, 0)

        asyncio.run(main())

    def test_a_create_under_way_is_heard_out_for_its_id_and_then_canceled(self):
        async def main():
            server = Server(held=True)
            task = asyncio.create_task(drain(AsyncClient(transport=server)))
            await server.creating.wait()
            task.cancel()
            await asyncio.sleep(0)
            server.answer_create.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert server.canceled.is_set()
            assert server.torn == []

        asyncio.run(main())

    def test_a_create_that_is_nobodys_to_cancel_is_torn_off_at_once(self):
        async def main():
            server = Server(held=True)
            client = AsyncClient(transport=server)
            task = asyncio.create_task(client.predictions.create(MODEL, {"x": 1}))
            await server.creating.wait()
            task.cancel()
            await asyncio.wait({task})
            assert (server.torn, server.canceled.is_set()) == ([("POST", "/predictions")], False)

        asyncio.run(main())

    def test_a_second_cancellation_passes_at_once_and_the_cancel_goes_on(self):
        async def main():
            server = Server(streams=True)
            server.stalls_cancel = True
            client = AsyncClient(transport=server)
            task = asyncio.create_task(drain(client))
            await server.reached.wait()
            task.cancel()
            while server.kind(server.requests[-1])[1] != "/predictions/ID/cancel":
                await asyncio.sleep(0)
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (len(client._engine.async_connections.leaving), server.torn) == (1, [])

        asyncio.run(main())

    def test_closing_the_client_waits_for_cancels_under_way(self):
        async def main():
            server = Server(streams=True)
            async with AsyncClient(transport=server) as client:
                async for _ in client.stream(MODEL, {"x": 1}).events():
                    break
            assert server.canceled.is_set()

        asyncio.run(main())

    def test_another_task_closes_the_stream(self):
        async def main():
            server = Server(streams=True)
            stream = AsyncClient(transport=server).stream(MODEL, {"x": 1})
            task = asyncio.create_task(anext_of(stream))
            await server.reached.wait()
            await stream.aclose()
            task_ended = await asyncio.wait({task}, timeout=0)
            assert server.canceled.is_set()
            task.cancel()
            await asyncio.wait({task})
            return task_ended

        asyncio.run(main())

    def test_another_task_cancels_the_prediction(self, fake, client):
        async def main():
            stream = client.stream(MODEL, prompt="Hi", timeout=None)
            await stream.cancel()
            assert fake.requests == []
            stream = client.stream(MODEL, prompt="Hi", timeout=None)
            await anext(stream)
            await stream.cancel()
            with pytest.raises(ModelCanceled):
                await stream.result()

        asyncio.run(main())

    def test_a_dropped_stream_is_left_by_its_event_loop(self):
        async def main():
            server = Server(streams=True)
            stream = AsyncClient(transport=server).stream(MODEL, {"x": 1})
            await anext(stream.events())
            del stream
            gc.collect()
            async with asyncio.timeout(ENOUGH):
                while not server.canceled.is_set():
                    await asyncio.sleep(0)
            assert server.open_bodies == 0

        asyncio.run(main())

    def test_a_stream_dropped_at_the_very_end_of_its_event_loop_is_left_by_a_thread(self):
        async def main():
            async for _ in AsyncClient(transport=server).stream(MODEL, {"x": 1}).events():
                return

        server = Server(streams=True)
        asyncio.run(main())
        assert server.canceled.wait(ENOUGH)
        ended("replicate-home-leaving")

    def test_a_stream_dropped_after_its_event_loop_has_ended_is_left_by_a_thread(self):
        async def main():
            stream = AsyncClient(transport=server).stream(MODEL, {"x": 1})
            await anext(stream.events())
            return stream

        server = Server(streams=True)
        kept = asyncio.run(main())
        assert not server.canceled.is_set()
        del kept
        gc.collect()
        assert server.canceled.wait(ENOUGH)
        assert server.open_bodies == 0
        ended("replicate-home-leaving")

    def test_the_finalizer_itself_sends_nothing(self, monkeypatch):
        async def main():
            stream = AsyncClient(transport=server).stream(MODEL, {"x": 1})
            await anext(stream.events())
            del stream
            gc.collect()
            assert server.kind(server.requests[-1])[1] != "/predictions/ID/cancel"

        server = Server(streams=True)
        monkeypatch.setattr(leaving, "_leave_in_thread", lambda drive: None)
        asyncio.run(main())

    def test_a_loop_that_is_closed_without_ceremony_makes_no_noise_of_ours(self):
        server = Server(streams=True)
        loop = asyncio.new_event_loop()
        task = loop.create_task(drain(AsyncClient(transport=server)))
        loop.run_until_complete(server.reached.wait())
        task._log_destroy_pending = False  # that is the caller's own
        loop.close()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            del task
            gc.collect()
        assert server.canceled.wait(ENOUGH)
        ended("replicate-home-leaving")


async def drain(client, **options):
    async for _ in client.stream(MODEL, {"x": 1}, **options):
        pass


async def anext_of(stream):
    with pytest.raises(StreamInterrupted):
        await anext(stream)


async def drain_until(event, client):
    """Drain a stream under a timeout that ends when something happens."""

    async def expire():
        await event.wait()
        timeout.reschedule(asyncio.get_running_loop().time())

    async with asyncio.timeout(None) as timeout:
        expiring = asyncio.create_task(expire())
        await drain(client)
    await expiring


def ended(name):
    """Wait for the threads of that name."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(ENOUGH)


class TestEventsAndPieces:
    """One stream may be read in both ways."""

    def test_pieces_that_the_events_did_not_reach_are_iterated(self):
        async def use():
            fake = FakeReplicate()
            fake.on(MODEL).streams("a", "b", "c")
            async with AsyncClient(transport=fake.transport, clock=fake.clock) as client:
                stream = client.stream(MODEL, prompt="Hi")
                async for event in stream.events():
                    if event.event == "output":
                        break
                return [piece async for piece in stream]

        assert asyncio.run(use()) == ["b", "c"]
