"""The fake that tests of downstream code use: loud, exact, and without waiting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests

from replicate_home.client.client import Client
from replicate_home.clock import FakeClock
from replicate_home.emulator.registry import LocalRun, version_of
from replicate_home.exceptions import ModelError, NotFound, PredictionTimeout, RateLimited, UnexpectedRequest
from replicate_home.testing import Limits
from replicate_home.testing.fake import FakeReplicate
from replicate_home.wire import Request

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    with FakeReplicate() as fake:
        yield fake


def test_a_downstream_test_needs_four_lines() -> None:
    fake = FakeReplicate()
    fake.on("owner/llm").streams("Hel", "lo")
    assert "".join(fake.client().stream("owner/llm", prompt="Hi")) == "Hello"
    assert fake.calls[0].input == {"prompt": "Hi"}


def test_the_transport_and_the_clock_are_all_a_client_needs(fake: FakeReplicate) -> None:
    fake.on("owner/llm").streams("Hel", "lo")
    with Client(transport=fake.transport, clock=fake.clock) as client:
        assert str(client.run("owner/llm", prompt="Hi")) == "Hello"
    assert (fake.transport.backend, fake.transport.base_url) == ("replicate", "https://fake.invalid/v1")


def test_a_clock_of_ones_own_may_be_given() -> None:
    clock = FakeClock(100)
    assert FakeReplicate(clock).clock is clock


def test_options_of_the_client_are_passed_on(fake: FakeReplicate) -> None:
    fake.on("owner/slow").returns(1).takes(20)
    with pytest.raises(PredictionTimeout):
        fake.client(timeout=10).run("owner/slow")


# -- what a model answers


@pytest.mark.parametrize("value", ["text", 3, 1.5, True, None, [1, "a"], {"a": [None]}, "", []])
def test_returns_gives_the_value(fake: FakeReplicate, value: Any) -> None:
    fake.on("owner/model").returns(value)
    assert fake.client().predictions.create("owner/model", input={}).wait().output == value


def test_bytes_are_a_file_that_is_served(fake: FakeReplicate) -> None:
    fake.on("owner/img").returns({"picture": PNG, "name": "x"})
    output = fake.client().run("owner/img", prompt="x")
    assert output["picture"].read() == PNG
    assert output["picture"].url.startswith("https://fake.invalid/delivery/")
    assert output["name"] == "x"


def test_text_pieces_are_a_list_and_a_stream(fake: FakeReplicate) -> None:
    fake.on("owner/llm").streams("a\n", "", "b")
    client = fake.client()
    assert client.run("owner/llm") == ["a\n", "", "b"]
    assert "".join(client.stream("owner/llm")) == "a\nb"
    assert "stream" in client.predictions.create("owner/llm", input={}).urls


def test_pieces_that_are_not_text_have_no_stream_url(fake: FakeReplicate) -> None:
    fake.on("owner/numbers").streams(1, 2, {"a": 3}).takes(3)
    client = fake.client()
    assert "stream" not in client.predictions.create("owner/numbers", input={}).urls
    assert list(client.stream("owner/numbers")) == [1, 2, {"a": 3}]


def test_pieces_that_are_files_are_streamed_as_files(fake: FakeReplicate) -> None:
    fake.on("owner/frames").streams(PNG, PNG)
    assert [file.read() for file in fake.client().stream("owner/frames")] == [PNG, PNG]


def test_fails_is_the_models_own_error(fake: FakeReplicate) -> None:
    fake.on("owner/llm").streams("a").fails("out of memory").logs("loading", "failing")
    with pytest.raises(ModelError) as caught:
        fake.client().run("owner/llm")
    prediction = caught.value.prediction
    assert prediction is not None
    assert (prediction.error, prediction.output, prediction.logs) == ("out of memory", ["a"], "loading\nfailing\n")


def test_takes_spreads_the_pieces_evenly_the_last_at_the_end(fake: FakeReplicate) -> None:
    fake.on("owner/llm").streams("a", "b", "c", "d").takes(600)
    moments = [(fake.clock.now(), piece) for piece in fake.client(timeout=None).stream("owner/llm")]
    assert moments == [(150.0, "a"), (300.0, "b"), (450.0, "c"), (600.0, "d")]


def test_six_hundred_seconds_pass_on_the_clock_only(fake: FakeReplicate) -> None:
    fake.on("owner/slow").returns("done").takes(600)
    with pytest.raises(PredictionTimeout):
        fake.client().run("owner/slow", timeout=599)
    assert 599 <= fake.clock.now() < 600
    status = fake.client().predictions.get(fake.calls[0].prediction_id).status
    assert status == "canceled"


def test_a_run_may_wait_before_it_starts(fake: FakeReplicate) -> None:
    fake.on("owner/cold").returns(1).starts_after(60).takes(5)
    prediction = fake.client().predictions.create("owner/cold", input={})
    fake.clock.sleep(59)
    assert prediction.reload().status == "starting"
    fake.clock.sleep(2)
    assert prediction.reload().status == "processing"
    fake.clock.sleep(10)
    assert (prediction.reload().status, prediction.metrics) == (
        "succeeded",
        {"predict_time": 5.0, "total_time": 65.0},
    )


def test_a_deadline_before_the_start_aborts(fake: FakeReplicate) -> None:
    fake.on("owner/cold").returns(1).starts_after(60)
    body = json.dumps({"version": "owner/cold", "input": {}}).encode()
    request = Request("POST", "https://fake.invalid/v1/predictions", {"Cancel-After": "10", "Prefer": "wait"}, body)
    response, _ = fake.transport.send(request, None)
    prediction = json.loads(response.body)
    assert (prediction["status"], fake.clock.now(), "started_at" in prediction) == ("aborted", 10.0, False)


@pytest.mark.parametrize("seconds", [-1, 86_401, float("nan")])
def test_a_run_takes_no_less_than_nothing_and_no_more_than_a_day(fake: FakeReplicate, seconds: float) -> None:
    with pytest.raises(ValueError, match="a run takes"):
        fake.on("owner/slow").takes(seconds)


def test_a_function_may_be_the_model(fake: FakeReplicate) -> None:
    def model(run: LocalRun, prompt: str, n: int = 2) -> Iterator[str]:
        for _ in range(n):
            run.sleep(1)
            yield prompt

    fake.on("owner/fn").calls(model)
    client = fake.client()
    assert ("".join(client.stream("owner/fn", prompt="ab")), fake.clock.now()) == ("abab", 2.0)
    schema = json.loads(fake.transport.send(Request("GET", "https://fake.invalid/v1/models/owner/fn"), None)[0].body)
    inputs = schema["latest_version"]["openapi_schema"]["components"]["schemas"]["Input"]
    assert inputs["required"] == ["prompt"]


# -- which script answers


def test_the_most_specific_script_answers_and_of_these_the_last(fake: FakeReplicate) -> None:
    fake.on("owner/llm").returns("any")
    fake.on("owner/llm", prompt="hi", n=1).returns("both")
    fake.on("owner/llm", prompt="hi").returns("first")
    fake.on("owner/llm", prompt="hi").returns("second")
    fake.on("owner/llm", model="x").returns("by the name of a parameter")
    client = fake.client()

    def answer(**given: Any) -> str:
        return str(client.run("owner/llm", given))

    assert [answer(), answer(prompt="no"), answer(prompt="hi"), answer(prompt="hi", n=1), answer(model="x")] == [
        "any",
        "any",
        "second",
        "both",
        "by the name of a parameter",
    ]


def test_a_model_may_run_any_number_of_times(fake: FakeReplicate) -> None:
    fake.on("owner/llm").streams("a", "b")
    client = fake.client()
    assert [client.run("owner/llm", prompt=str(n)) for n in range(3)] == [["a", "b"]] * 3
    assert [(call.model, call.input) for call in fake.calls] == [("owner/llm", {"prompt": str(n)}) for n in range(3)]
    assert len({call.prediction_id for call in fake.calls}) == 3


def test_a_version_is_known_where_it_was_told(fake: FakeReplicate) -> None:
    version = "39ed52f2a78e934b3ba6e2a89f5b1c712de7dfea535525255b1aa35c5565e08b"
    fake.on(f"owner/img:{version}").returns("x")
    client = fake.client()
    assert client.run(f"owner/img:{version}").prediction.version == version
    assert str(client.run("owner/img")) == "x"
    assert fake.calls[0].model == "owner/img"


@pytest.mark.parametrize("name", ["llm", "a/b/c", "", "owner/ llm"])
def test_a_name_that_is_no_model_is_a_value_error(fake: FakeReplicate, name: str) -> None:
    with pytest.raises(ValueError, match="owner/name"):
        fake.on(name)


# -- loud failures


def refusal(fake: FakeReplicate, do: Any) -> str:
    with pytest.raises(UnexpectedRequest) as caught:
        do()
    assert isinstance(caught.value, AssertionError)
    assert fake.unexpected == [caught.value]
    fake.unexpected.clear()
    return str(caught.value)


def test_a_model_that_was_not_defined_fails_loudly_and_says_what_to_add(fake: FakeReplicate) -> None:
    assert refusal(fake, lambda: fake.client().run("owner/none", prompt="x")) == (
        "the fake was asked for the model 'owner/none'.\n"
        "Defined:\n  nothing\n"
        'Add, for example: fake.on("owner/none").streams("Hello", " world")'
    )


def test_an_input_that_no_script_contains_fails_loudly(fake: FakeReplicate) -> None:
    fake.on("owner/llm", prompt="a").returns(1)
    fake.on("owner/llm", prompt="b", n=2).returns(2)
    assert refusal(fake, lambda: fake.client().run("owner/llm", prompt="x")) == (
        "the fake was asked for a prediction of 'owner/llm' with the input {'prompt': 'x'}.\n"
        "Defined:\n"
        "  fake.on('owner/llm', prompt='a')\n"
        "  fake.on('owner/llm', prompt='b', n=2)\n"
        'Add, for example: fake.on("owner/llm").streams("Hello", " world")'
    )


def test_a_version_and_an_endpoint_it_was_not_told_fail_loudly(fake: FakeReplicate) -> None:
    fake.on("owner/llm").returns(1)
    version = "a" * 64
    assert f'fake.on("owner/name:{version}")' in refusal(fake, lambda: fake.client().run(f"owner/llm:{version}"))
    request = Request("GET", "https://fake.invalid/v1/software")
    assert "GET /software" in refusal(fake, lambda: fake.transport.send(request, None))


def test_an_unknown_prediction_is_an_ordinary_404(fake: FakeReplicate) -> None:
    with pytest.raises(NotFound):
        fake.client().predictions.get("ufawqhfynnddngldkgtslldrkq")
    assert fake.unexpected == []


def test_code_that_swallows_the_exception_is_caught_by_check() -> None:
    fake = FakeReplicate()
    with suppress(Exception):
        fake.client().run("owner/none")
    with pytest.raises(UnexpectedRequest, match="owner/none"):
        fake.check()


def test_the_end_of_a_with_block_is_a_check_that_hides_no_other_error() -> None:
    def swallowing(then: BaseException | None) -> None:
        with FakeReplicate() as fake:
            with suppress(Exception):
                fake.client().run("owner/none")
            if then is not None:
                raise then

    with pytest.raises(UnexpectedRequest, match="owner/none"):
        swallowing(None)
    with pytest.raises(ZeroDivisionError):
        swallowing(ZeroDivisionError())


def test_a_check_with_nothing_unexpected_passes(fake: FakeReplicate) -> None:
    fake.on("owner/llm").returns(1)
    fake.client().run("owner/llm")
    fake.check()


# -- what it remembers


def test_requests_are_logged_in_order(fake: FakeReplicate) -> None:
    fake.on("owner/llm").streams("a").takes(10)
    "".join(fake.client().stream("owner/llm"))
    methods = [(request.method, request.path.split("/")[1], request.status) for request in fake.requests]
    assert methods == [("POST", "predictions", 201), ("GET", "streams", 200), ("GET", "predictions", 200)]


def test_models_of_the_process_are_none_of_its_business(fake: FakeReplicate, monkeypatch: pytest.MonkeyPatch) -> None:
    from replicate_home.emulator import registry

    monkeypatch.setattr(registry, "_shared", {})
    registry.local_model("local/mine")(lambda: 1)
    refusal(fake, lambda: fake.client().run("local/mine"))


# -- over sockets


def test_the_same_over_sockets_in_virtual_time(fake: FakeReplicate) -> None:
    fake.on("owner/llm").streams("Hel", "lo").takes(600)
    fake.on("owner/img").returns(PNG)
    with fake.serve() as url, Client(base_url=url, api_token="r8_none") as client:
        assert "".join(client.stream("owner/llm", prompt="x")) == "Hello"
        assert client.run("owner/img").read() == PNG
    assert fake.clock.now() == 600.0
    assert [call.model for call in fake.calls] == ["owner/llm", "owner/img"]


def test_over_sockets_what_was_not_told_is_a_500_and_remembered(fake: FakeReplicate) -> None:
    with fake.serve() as url:
        answer = requests.post(f"{url}/predictions", json={"version": "owner/none", "input": {}}, timeout=20)
    assert answer.status_code == 500
    assert "owner/none" in answer.json()["detail"]
    with pytest.raises(UnexpectedRequest):
        fake.check()
    fake.unexpected.clear()


def test_from_several_threads_time_passes_once_for_all(fake: FakeReplicate) -> None:
    fake.on("owner/llm").streams("a", "b").takes(10)
    client = fake.client()

    async def together() -> list[str]:
        def one(number: int) -> str:
            return "".join(client.stream("owner/llm", {"n": number}))

        return await asyncio.gather(*(asyncio.to_thread(one, number) for number in range(4)))

    assert asyncio.run(together()) == ["ab"] * 4
    assert len(fake.calls) == 4


def test_a_model_that_is_no_name_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"^a model is named 'owner/name', got NoneType$"):
        FakeReplicate().on(None)  # type: ignore[arg-type]


def test_what_is_told_twice_is_listed_once() -> None:
    fake = FakeReplicate()
    for piece in ("a", "b"):
        fake.on("owner/llm").streams(piece)
    with pytest.raises(UnexpectedRequest, match=r"Defined:\n  fake.on\('owner/llm'\)\nAdd"):
        fake.client().run("owner/other", prompt="Hi")


# -- what else the emulator does


def test_a_script_says_whether_its_model_is_official(fake: FakeReplicate) -> None:
    fake.on("owner/official").returns(1).official()
    fake.on("owner/community").returns(2).official(False)
    fake.on("owner/either").returns(3)
    client = fake.client()
    assert client.run("owner/official").prediction.version == "hidden"
    with pytest.raises(NotFound, match="name the version"):
        client.run("owner/community")
    assert client.run("owner/either") == 3


def test_webhooks_are_kept_up_to_the_present_moment(fake: FakeReplicate) -> None:
    fake.on("owner/llm").streams("a", "b").takes(10)
    client = fake.client()
    client.predictions.create("owner/llm", webhook="https://example.com/hook")
    assert fake.webhooks == []
    fake.clock.sleep(5)
    assert [webhook.url for webhook in fake.webhooks] == ["https://example.com/hook"]
    fake.clock.sleep(5)
    told = [json.loads(webhook.body) for webhook in fake.webhooks]
    assert [(prediction["status"], prediction["output"]) for prediction in told] == [
        ("processing", ["a"]),
        ("processing", ["a", "b"]),
        ("succeeded", ["a", "b"]),
    ]


def test_trainings_go_as_they_are_told_and_others_are_loud(fake: FakeReplicate) -> None:
    fake.on("owner/llm").streams("a")
    fake.on_training("owner/llm", steps=2).takes(600).returns(b"weights").logs("training")
    version = version_of("owner/llm")
    path = f"https://fake.invalid/v1/models/owner/llm/versions/{version}/trainings"

    def train(steps: int) -> Any:
        body = json.dumps({"destination": "owner/made", "input": {"steps": steps}}).encode()
        return json.loads(fake.transport.send(Request("POST", path, {}, body), None)[0].body)

    training = train(2)
    fake.clock.sleep(600)
    shown = json.loads(fake.transport.send(Request("GET", training["urls"]["get"]), None)[0].body)
    assert (shown["status"], shown["logs"], shown["metrics"]["predict_time"]) == ("succeeded", "training\n", 600.0)
    assert fake.client().run(shown["output"]["version"]) == ["a"]
    assert "a training of 'owner/llm' with the input {'steps': 3}" in refusal(fake, lambda: train(3))


def test_a_script_may_be_an_example(fake: FakeReplicate) -> None:
    fake.on("owner/llm", prompt="Hi").streams("Hello").is_example()
    fake.on("owner/llm").streams("other")
    response, _ = fake.transport.send(Request("GET", "https://fake.invalid/v1/models/owner/llm/examples"), None)
    assert [(each["input"], each["output"]) for each in json.loads(response.body)["results"]] == [
        ({"prompt": "Hi"}, ["Hello"])
    ]


def test_limits_are_those_it_was_given() -> None:
    with FakeReplicate(limits=Limits(creates=6, burst=1, retention=60)) as fake:
        fake.on("owner/llm").returns("x")
        prediction = fake.client().predictions.create("owner/llm").wait()
        with pytest.raises(RateLimited):  # of another client, which knows nothing of the first
            fake.client(max_retries=0).predictions.create("owner/llm")
        fake.clock.sleep(60)
        assert prediction.reload().data_removed is True


def test_what_was_deleted_is_an_ordinary_404(fake: FakeReplicate) -> None:
    def send(method: str, path: str, body: Any = None) -> int:
        content = json.dumps(body).encode() if body else None
        return fake.transport.send(Request(method, "https://fake.invalid/v1" + path, {}, content), None)[0].status

    new = {"owner": "owner", "name": "new", "visibility": "private", "hardware": "cpu"}
    statuses = [send("POST", "/models", new), send("DELETE", "/models/owner/new"), send("GET", "/models/owner/new")]
    assert statuses == [201, 204, 404]
    assert fake.unexpected == []
