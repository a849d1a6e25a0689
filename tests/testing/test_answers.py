"""What a fake can be told to answer beside outputs: refusals, sequences, trouble on the way, exceptions of its own."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from replicate_home.client.client import Client
from replicate_home.exceptions import (
    APIError,
    AuthenticationError,
    CreateOutcomeUnknown,
    Disconnected,
    InvalidInput,
    ModelError,
    ModelNotFound,
    OutputDiverged,
    PaymentRequired,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ReplicateHomeError,
    ServerError,
    StreamInterrupted,
    UnexpectedRequest,
)
from replicate_home.testing.fake import FakeReplicate


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    with FakeReplicate() as fake:
        yield fake


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidInput),
        (401, AuthenticationError),
        (402, PaymentRequired),
        (403, PermissionDenied),
        (404, ModelNotFound),
        (418, APIError),
        (422, InvalidInput),
        (429, RateLimited),
    ],
)
def test_a_refusal_is_the_error_of_its_status(fake: FakeReplicate, status: int, kind: type[APIError]) -> None:
    fake.on("owner/llm").refuses(status)
    with pytest.raises(kind) as caught:
        fake.client().run("owner/llm", prompt="Hi")
    assert (type(caught.value), caught.value.status) == (kind, status)
    assert fake.calls == []


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_5xx_leaves_a_create_unknown(fake: FakeReplicate, status: int) -> None:
    fake.on("owner/llm").refuses(status)
    with pytest.raises(CreateOutcomeUnknown) as caught:
        fake.client().run("owner/llm", prompt="Hi")
    cause = caught.value.__cause__
    assert isinstance(cause, ServerError)
    assert cause.status == status


def test_a_422_names_its_fields(fake: FakeReplicate) -> None:
    fake.on("owner/llm").refuses(422, fields={"width": "must be a multiple of 8"})
    with pytest.raises(InvalidInput, match=r"input\.width: must be a multiple of 8") as caught:
        fake.client().run("owner/llm", prompt="Hi")
    assert caught.value.title == "Input validation failed"


def test_a_429_says_how_long_to_wait_and_is_waited_for(fake: FakeReplicate) -> None:
    fake.on("owner/llm").refuses(429, retry_after=20).then.returns("done")
    assert fake.client().run("owner/llm", prompt="Hi") == "done"
    assert 20 <= fake.clock.now() < 25
    fake.on("owner/busy").refuses(429, "come back later", retry_after=90)
    with pytest.raises(RateLimited, match="come back later") as caught:
        fake.client().run("owner/busy", prompt="Hi")
    assert caught.value.retry_after == 90


@pytest.mark.parametrize("status", [200, 399, 600])
def test_what_is_no_refusal_is_a_value_error(fake: FakeReplicate, status: int) -> None:
    with pytest.raises(ValueError, match="from 400 to 599"):
        fake.on("owner/llm").refuses(status)


def test_html_instead_of_json(fake: FakeReplicate) -> None:
    fake.on("owner/llm").answers_html("<h1>Sign in to the Wi-Fi</h1>")
    with pytest.raises(CreateOutcomeUnknown) as caught:
        fake.client().run("owner/llm", prompt="Hi")
    assert isinstance(caught.value.__cause__, ProtocolError)
    fake.on("owner/llm").answers_html("<h1>Forbidden</h1>", 403)
    with pytest.raises(PermissionDenied):
        fake.client().run("owner/llm", prompt="Hi")


def test_a_create_whose_answer_is_lost_has_happened(fake: FakeReplicate) -> None:
    fake.on("owner/llm").returns("x").loses_answer()
    with pytest.raises(CreateOutcomeUnknown) as caught:
        fake.client().run("owner/llm", prompt="Hi")
    assert isinstance(caught.value.__cause__, Disconnected)
    assert [prediction.id for prediction in fake.client().predictions.list()] == [fake.calls[0].prediction_id]


def test_one_answer_after_another_and_the_last_again(fake: FakeReplicate) -> None:
    fake.on("owner/llm").returns(1).takes(5).then.fails("no").then.returns(2)
    client = fake.client()
    assert client.run("owner/llm") == 1
    with pytest.raises(ModelError, match="no"):
        client.run("owner/llm")
    assert [client.run("owner/llm"), client.run("owner/llm")] == [2, 2]


def test_then_needs_an_answer_before_it(fake: FakeReplicate) -> None:
    with pytest.raises(ValueError, match=r"^fake\.on\('owner/llm'\) has no answer before \.then$"):
        _ = fake.on("owner/llm").then


@pytest.mark.parametrize("told", [lambda script: script, lambda script: script.returns(1).then.takes(3)])
def test_a_model_without_an_answer_is_an_error_and_no_null(fake: FakeReplicate, told: Any) -> None:
    script = told(fake.on("owner/llm"))
    client = fake.client()
    for _ in range(len(script.answers) - 1):
        client.run("owner/llm")
    with pytest.raises(UnexpectedRequest, match="has no answer"):
        client.run("owner/llm")
    fake.unexpected.clear()


def test_a_stream_that_is_cut_is_finished_by_polling(fake: FakeReplicate) -> None:
    fake.on("owner/llm").streams("Hel", "lo").then_disconnects()
    assert list(fake.client().stream("owner/llm", prompt="Hi")) == ["Hel", "lo"]
    assert [request.path.split("/")[1] for request in fake.requests][:3] == ["predictions", "streams", "predictions"]


def test_a_prediction_that_vanishes_interrupts_its_stream(fake: FakeReplicate) -> None:
    fake.on("owner/llm").streams("Hel").then_vanishes()
    with pytest.raises(StreamInterrupted) as caught:
        fake.client().stream("owner/llm", prompt="Hi").text()
    assert caught.value.partial_text == "Hel"
    with pytest.raises(Disconnected):
        fake.client().run("owner/llm", prompt="Hi")


def test_a_server_that_changes_its_mind_is_noticed(fake: FakeReplicate) -> None:
    fake.on("owner/llm").streams("Hel", "lo").then_contradicts(["Good", "bye"])
    with pytest.raises(OutputDiverged) as caught:
        fake.client().stream("owner/llm", prompt="Hi").text()
    assert (caught.value.delivered, caught.value.seen) == (["Hel", "lo"], ["Good", "bye"])


# -- exceptions in functions


class Weird(Exception):
    pass


def broken(prompt: str) -> str:
    raise Weird(prompt)


def asserting(prompt: str) -> str:
    assert prompt == "expected", "not what was expected"
    return "never"


def test_the_exception_of_a_function_is_the_cause(fake: FakeReplicate) -> None:
    fake.on("owner/fn").calls(broken)
    client = fake.client()
    with pytest.raises(ModelError, match="Hi") as caught:
        client.run("owner/fn", prompt="Hi")
    assert isinstance(caught.value.__cause__, Weird)
    assert caught.traceback[-1].name != "broken"
    assert pickle.loads(pickle.dumps(caught.value)).__cause__ is None
    prediction = client.predictions.create("owner/fn", prompt="Hi").wait()
    with pytest.raises(ModelError) as again:
        prediction.result()
    assert isinstance(again.value.__cause__, Weird)


def test_what_a_script_says_has_no_cause(fake: FakeReplicate) -> None:
    fake.on("owner/llm").fails("no")
    with pytest.raises(ModelError) as caught:
        fake.client().run("owner/llm")
    assert caught.value.__cause__ is None


def test_an_assertion_in_a_function_passes_through_as_itself(fake: FakeReplicate) -> None:
    fake.on("owner/fn").calls(asserting)
    for ask in (fake.client().run, lambda *args, **options: fake.client().stream(*args, **options).text()):
        with pytest.raises(AssertionError, match="not what was expected") as caught:
            ask("owner/fn", prompt="Hi")
        assert not isinstance(caught.value, ReplicateHomeError)


def test_the_same_under_an_event_loop(fake: FakeReplicate) -> None:
    fake.on("owner/llm").streams("Hel", "lo").takes(600)
    fake.on("owner/broken").calls(broken)
    fake.on("owner/asserting").calls(asserting)

    async def main() -> None:
        async with fake.async_client(timeout=700) as client:
            assert [chunk async for chunk in client.stream("owner/llm", prompt="Hi")] == ["Hel", "lo"]
            with pytest.raises(ModelError) as caught:
                await client.run("owner/broken", prompt="Hi")
            assert isinstance(caught.value.__cause__, Weird)
            with pytest.raises(AssertionError, match="not what was expected"):
                await client.run("owner/asserting", prompt="Hi")

    asyncio.run(main())


def test_a_local_model_names_its_exception_too() -> None:
    with Client.local({"local/broken": broken}) as client, pytest.raises(ModelError) as caught:
        client.run("local/broken", prompt="Hi")
    assert isinstance(caught.value.__cause__, Weird)
    with Client.local({"local/asserting": asserting}) as client, pytest.raises(ModelError, match="not what was") as one:
        client.run("local/asserting", prompt="Hi")
    assert isinstance(one.value.__cause__, AssertionError)


# -- what was asked


def test_what_was_told_and_not_asked_for_is_named(fake: FakeReplicate) -> None:
    fake.on("owner/llm", prompt="Hi").returns(1).then.returns(2)
    fake.on("owner/other").returns(3)
    fake.on_training("owner/llm").takes(60)
    fake.client().run("owner/llm", prompt="Hi")
    with pytest.raises(AssertionError) as caught:
        fake.assert_all_called()
    assert str(caught.value) == (
        "the fake has answers that were not used:\n"
        "fake.on('owner/llm', prompt='Hi'): 1 of 2 answers were given\n"
        "fake.on('owner/llm'): 0 of 1 answers were given\n"
        "fake.on('owner/other'): 0 of 1 answers were given"
    )


def test_nothing_is_missed_where_all_was_asked_for(fake: FakeReplicate) -> None:
    fake.on("owner/llm").returns(1).then.returns(2)
    for _ in range(3):
        fake.client().run("owner/llm")
    fake.assert_all_called()


def test_over_sockets_a_lost_answer_and_a_cut_stream_are_the_same(fake: FakeReplicate) -> None:
    fake.on("owner/lost").returns(1).loses_answer()
    fake.on("owner/cut").streams("Hel", "lo").then_disconnects()
    with fake.serve() as url, Client(base_url=url) as client:
        with pytest.raises(CreateOutcomeUnknown) as caught:
            client.run("owner/lost", prompt="Hi")
        assert isinstance(caught.value.__cause__, Disconnected)
        assert list(client.stream("owner/cut", prompt="Hi")) == ["Hel", "lo"]
