"""What code that was written for the official client says, it can say here: the same names, places and arguments."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import pickle
from collections.abc import Iterator

import pytest

import replicate_home
from replicate_home import (
    APIError,
    AsyncStream,
    Body,
    Client,
    FileURL,
    InvalidInput,
    ModelError,
    Prediction,
    ReplicateHomeError,
    Request,
    Response,
)
from replicate_home.testing import FakeReplicate

VERSION = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    with FakeReplicate() as fake:
        fake.on(f"owner/llm:{VERSION}").streams("Hel", "lo")
        yield fake


@pytest.fixture
def client(fake: FakeReplicate) -> Client:
    return fake.client()


class Noting:
    """The fake's transport, which notes the requests with their headers."""

    backend = "replicate"

    def __init__(self, fake: FakeReplicate) -> None:
        self.clock, self._inner = fake.clock, fake.transport
        self.noted: list[Request] = []

    def send(self, request: Request, deadline: float | None) -> tuple[Response, Body | None]:
        self.noted.append(request)
        return self._inner.send(request, deadline)


class Refusing:
    """A server that refuses everything, with a problem document."""

    def __init__(self, status: int) -> None:
        body = b'{"title": "Odd", "detail": "This is odd."}'
        self._answer = Response(status, {"content-type": "application/problem+json", "retry-after": "0"}, body)

    def send(self, request: Request, deadline: float | None) -> tuple[Response, Body | None]:
        return self._answer, None


def paths(fake: FakeReplicate) -> list[str]:
    return [request.path for request in fake.requests if request.method == "POST"]


class TestImports:
    def test_a_client_a_file_and_the_errors_are_where_they_were(self):
        from replicate_home.client import Client as TheClient
        from replicate_home.exceptions import ModelError as TheModelError
        from replicate_home.exceptions import ReplicateError, ReplicateException
        from replicate_home.helpers import FileOutput

        assert TheClient is Client
        assert FileOutput is replicate_home.FileOutput
        assert (ReplicateException, ReplicateError) == (ReplicateHomeError, APIError)
        assert TheModelError is ModelError

    def test_the_module_has_the_functions_and_resources(self):
        functions = "run async_run stream async_stream paginate async_paginate default_client"
        resources = "collections deployments files hardware models predictions trainings webhooks"
        assert {*functions.split(), *resources.split()} <= set(replicate_home.__all__)


class TestRunAndStream:
    @pytest.mark.parametrize("method", [Client.run, Client.stream, replicate_home.async_run])
    def test_the_options_that_both_have_are_there_with_their_defaults(self, method):
        shared = {"use_file_output": True, "file_encoding_strategy": None, "wait": None, "webhook": None}
        taken = inspect.signature(method).parameters
        assert {name: taken[name].default for name in shared} == shared
        assert {taken[name].kind for name in shared} == {inspect.Parameter.KEYWORD_ONLY}

    @pytest.mark.parametrize(("wait", "asked"), [(True, "wait=60"), (7, "wait=7"), (0.5, "wait=1"), (False, None)])
    def test_wait_is_how_long_the_server_may_hold_the_create(self, fake, wait, asked):
        noting = Noting(fake)
        Client(transport=noting).run("owner/llm", {"prompt": "Hi"}, wait=wait)
        assert noting.noted[0].headers.get("Prefer") == asked

    def test_what_runs_may_be_a_record(self, fake, client):
        model = client.models.get("owner/llm")
        for runs in (model, model.latest_version, model.versions.get(VERSION)):
            assert client.run(runs, {"prompt": "Hi"}) == ["Hel", "lo"]
            assert list(client.stream(runs, input={"prompt": "Hi"})) == ["Hel", "lo"]
        assert {call.model for call in fake.calls} == {"owner/llm"}

    @pytest.mark.parametrize("loops", [1, 2])
    def test_event_loops_have_them_too_one_after_the_other(self, fake, loops):
        async def main():
            stream = replicate_home.async_stream("owner/llm", input={"prompt": "Hi"})
            assert await stream is stream
            assert isinstance(stream, AsyncStream)
            streamed = [chunk async for chunk in await replicate_home.async_stream("owner/llm", input={"prompt": "Hi"})]
            return await replicate_home.async_run("owner/llm", input={"prompt": "Hi"}), streamed

        with fake.installed():
            for _ in range(loops):
                assert asyncio.run(main()) == (["Hel", "lo"], ["Hel", "lo"])

    def test_many_run_at_once_on_the_default_client_of_event_loops(self, fake):
        async def main():
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(replicate_home.async_run("owner/llm", {"n": n})) for n in range(50)]
            return [task.result() for task in tasks]

        with fake.installed():
            assert asyncio.run(main()) == [["Hel", "lo"]] * 50
        assert sorted(call.input["n"] for call in fake.calls) == list(range(50))


class TestCreating:
    def test_the_signature_of_create_is_the_one_that_was_promised(self):
        taken = inspect.signature(Client("t").predictions.create).parameters.values()
        assert [each.name for each in taken if each.kind is not inspect.Parameter.KEYWORD_ONLY] == ["version", "input"]
        assert {each.name: each.default for each in taken if each.name != "timeout"} == dict.fromkeys(
            ["version", "input", "model", "deployment", "prompt", "messages", "webhook", "webhook_events_filter",
             "wait", "file_encoding_strategy", "stream"]
        )  # fmt: skip

    def test_any_reference_or_record_will_do_in_any_of_the_three(self, fake, client):
        model = client.models.get("owner/llm")
        deployed = client.deployments.create("app", model, VERSION, "cpu", 0, 1)
        named = ["owner/llm", f"owner/llm:{VERSION}", VERSION, "deployments/local/app", model, model.latest_version]
        there = ["/predictions"] * 3 + ["/deployments/local/app/predictions"] + ["/predictions"] * 2
        for way, first in (("version", "owner/llm"), ("model", "owner/llm"), ("deployment", "local/app")):
            before = len(paths(fake))
            for runs in [first, *named[1:], deployed]:
                client.predictions.create(**{way: runs}, input={"prompt": "Hi"})
            of_name = "/deployments/local/app/predictions" if way == "deployment" else "/predictions"
            expected = [of_name, *there[1:], "/deployments/local/app/predictions"]
            assert paths(fake)[before:] == expected, way

    def test_stream_has_no_effect(self, client):
        for told in (True, False, None):
            made = client.predictions.create(model="owner/llm", input={"prompt": "Hi"}, stream=told)
            assert [str(event) for event in made.stream()] == ["Hel", "lo"]
        assert client.models.predictions.create("owner/llm", input={"prompt": "Hi"}, stream=True).wait().output

    def test_a_version_is_a_function_of_its_inputs(self, fake, client):
        assert client.models.get("owner/llm").versions.get(VERSION).predict(prompt="Hi") == ["Hel", "lo"]
        assert fake.calls[-1].input == {"prompt": "Hi"}


class TestTheOutputOfAPredictionThatIsHeld:
    @pytest.fixture
    def painted(self, fake, client):
        fake.on("owner/painter").returns({"images": [b"one", b"two"], "text": "two pictures"})
        return client.predictions.create("owner/painter", {"prompt": "Hi"}).wait()

    def test_is_the_json_that_was_sent_whose_files_can_be_read(self, painted):
        assert painted.output == painted.to_dict()["output"] == painted.snapshot.output
        assert [url.read() for url in painted.output["images"]] == [b"one", b"two"]
        assert painted.output["images"][0].read(2) == b"on"
        assert not hasattr(painted.output["text"], "read")

    def test_its_files_are_strings_to_all_others(self, fake, client, painted):
        url = painted.output["images"][0]
        assert isinstance(url, FileURL)
        assert json.loads(json.dumps(painted.output)) == painted.output
        for plain in (pickle.loads(pickle.dumps(url)), copy.deepcopy(url)):
            assert (plain, type(plain)) == (url, str)
        client.run("owner/llm", {"prompt": url})
        assert fake.calls[-1].input == {"prompt": url}

    def test_the_file_behind_it_is_that_of_a_result(self, painted, tmp_path):
        assert painted.output["images"][0].file == painted.result().files[0]
        assert painted.output["images"][0].file.save(tmp_path / "one.png").read_bytes() == b"one"

    def test_is_the_same_object_until_it_is_updated(self, client, painted):
        assert painted.output is painted.output
        held = client.predictions.create("owner/llm", {"prompt": "Hi"})
        assert held.output is None
        assert held.wait().output is held.output == ["Hel", "lo"]

    def test_without_a_client_they_are_strings(self, painted):
        orphan = Prediction.from_dict(painted.to_dict())
        assert [type(url) for url in orphan.output["images"]] == [str, str]

    def test_the_same_awaited(self, fake, painted):
        async def main():
            held = await fake.async_client().predictions.get(painted.id)
            first, second = held.output["images"]
            return await first.file.aread(), second.read()

        assert asyncio.run(main()) == (b"one", b"two")


class TestErrors:
    @pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 410, 422, 429, 500, 503])
    def test_the_text_of_a_refusal_holds_its_status_title_and_detail(self, status):
        client = Client("t", transport=Refusing(status), max_retries=0)
        for ask in (client.accounts.current, lambda: client.predictions.get("abc")):
            with pytest.raises(APIError) as caught:
                ask()
            error = caught.value
            assert (error.status, error.title, error.detail) == (status, "Odd", "This is odd.")
            assert [part for part in (str(status), "Odd", "This is odd.") if part not in str(error)] == []

    def test_a_failed_model_is_known_by_its_prediction(self, fake):
        fake.on("owner/other").fails("out of memory").logs("step 1\n")
        with pytest.raises(ModelError) as caught:
            fake.client().run("owner/other", {"prompt": "Hi"})
        assert (caught.value.prediction.error, caught.value.prediction.logs) == ("out of memory", "step 1\n")
        assert caught.value.prediction.id in str(caught.value)

    def test_a_malformed_reference_is_a_value_error(self, client):
        with pytest.raises(InvalidInput, match="expected 'owner/name'") as caught:
            client.predictions.create(deployment="app", input={})
        assert isinstance(caught.value, ValueError)


def test_headers_of_a_client_go_with_its_requests(fake):
    noting = Noting(fake)
    Client(transport=noting, headers={"User-Agent": "my-app/1.0"}).models.list()
    assert noting.noted[0].headers["User-Agent"] == "my-app/1.0"
