"""What a client does for its caller, over the fake: the hosted API in virtual time."""

from __future__ import annotations

import copy
import pickle
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import replicate_home
from replicate_home import (
    AsyncClient,
    AuthenticationError,
    Client,
    DoneEvent,
    FileOutput,
    InvalidInput,
    LocalRun,
    LogsEvent,
    ModelCanceled,
    ModelError,
    ModelNotFound,
    OutputEvent,
    Prediction,
    PredictionTimeout,
    ReplicateHomeError,
    Status,
    StatusEvent,
    Timeout,
    UnexpectedRequest,
    paginate,
)
from replicate_home.testing import FakeReplicate


@pytest.fixture
def fake() -> FakeReplicate:
    return FakeReplicate()


@pytest.fixture
def client(fake: FakeReplicate) -> Client:
    return fake.client()


def paths(fake: FakeReplicate) -> list[str]:
    """The requests so far, the id of the only prediction left out."""
    name = fake.calls[0].prediction_id
    return [f"{handled.method} {handled.path.partition('?')[0].replace(name, 'ID')}" for handled in fake.requests]


# ---- run ----


def test_run_returns_the_output_itself_and_knows_its_prediction(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("Hel", "lo").logs("thinking\n")
    result = client.run("owner/llm", prompt="Hi")
    assert result == ["Hel", "lo"]
    assert isinstance(result, list)
    assert (str(result), result.text, result.logs) == ("Hello", "Hello", "thinking\n")
    assert result.id == fake.calls[0].prediction_id
    assert result.prediction.status is Status.SUCCEEDED


def test_a_quick_model_is_over_when_its_create_was_held(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("Hello").takes(0.9)
    client.run("owner/llm", prompt="Hi")
    assert [request.method for request in fake.requests] == ["POST", "GET"]
    assert fake.clock.now() == 0.9


def test_past_the_hold_the_streams_end_is_the_signal(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("Hel", "lo").takes(50)
    assert client.run("owner/llm", prompt="Hi") == ["Hel", "lo"]
    assert fake.clock.now() == pytest.approx(50)
    assert len(fake.requests) == 3


def test_the_input_is_sent_as_given_with_the_prompt_in_it(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").returns("ok")
    client.run("owner/llm", {"seed": 3}, prompt="Hi")
    assert fake.calls[0].input == {"seed": 3, "prompt": "Hi"}


@pytest.mark.parametrize("ref", ["owner/llm", "owner/llm:" + "a" * 64])
def test_a_model_may_be_named_with_or_without_its_version(fake: FakeReplicate, client: Client, ref: str) -> None:
    fake.on(ref).returns("ok")
    assert client.run(ref, prompt="Hi") == "ok"


def test_a_failure_of_the_model_carries_the_prediction(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").fails("out of memory")
    with pytest.raises(ModelError, match="out of memory") as caught:
        client.run("owner/llm", prompt="Hi")
    assert caught.value.prediction is not None
    assert caught.value.prediction.error == "out of memory"


def test_ten_minutes_pass_in_no_time(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("a", "b").takes(1200)
    began = time.monotonic()
    with pytest.raises(PredictionTimeout) as caught:
        client.run("owner/llm", prompt="Hi")
    assert 600 <= fake.clock.now() < 601
    assert caught.value.canceled
    assert client.predictions.get(fake.calls[0].prediction_id).status == "canceled"
    assert time.monotonic() - began < 1


def test_without_cancel_on_exit_a_timeout_leaves_it_running_and_it_can_be_resumed(fake: FakeReplicate) -> None:
    client = fake.client()
    fake.on("owner/llm").streams("a", "b").takes(100)
    with pytest.raises(PredictionTimeout, match="resumes it") as caught:
        client.run("owner/llm", prompt="Hi", timeout=30, cancel_on_exit=False)
    assert not caught.value.canceled
    assert caught.value.prediction is not None
    assert client.predictions.get(caught.value.prediction.id).result() == ["a", "b"]
    assert len(fake.calls) == 1


@pytest.mark.parametrize(
    "timeout",
    [30, Timeout(total=30), Timeout(total=30, read=None, idle=None)],
    ids=["seconds", "Timeout", "only total"],
)
def test_a_timeout_is_the_whole_budget_however_it_is_given(fake: FakeReplicate, client: Client, timeout: Any) -> None:
    fake.on("owner/llm").streams("a").takes(100)
    with pytest.raises(TimeoutError):
        client.run("owner/llm", prompt="Hi", timeout=timeout)
    assert 30 <= fake.clock.now() <= 30.5


def test_no_limit_waits_as_long_as_it_takes(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").returns("late").takes(5000)
    assert client.run("owner/llm", prompt="Hi", timeout=None) == "late"


def test_a_budget_that_the_user_gave_is_told_to_the_server(fake: FakeReplicate) -> None:
    client = Client(transport=fake.transport, clock=fake.clock)
    fake.on("owner/llm").returns("ok")
    client.run("owner/llm", prompt="Hi", timeout=60)
    client.run("owner/llm", prompt="Hi")
    first, second = (client.predictions.get(call.prediction_id) for call in fake.calls)
    assert first.deadline is not None
    assert second.deadline is None


def test_on_update_is_called_with_every_new_snapshot(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/model").returns({"a": 1}).takes(100)
    seen: list[str] = []
    client.run("owner/model", {"x": 1}, on_update=lambda prediction: seen.append(prediction.status))
    assert seen[0] in ("starting", "processing")
    assert seen[-1] == "succeeded"


def test_an_error_in_on_update_surfaces_once_and_cancels(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/model").returns(1).takes(100)

    def fail(_: Any) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        client.run("owner/model", {"x": 1}, on_update=fail)
    assert client.predictions.get(fake.calls[0].prediction_id).status == "canceled"


# ---- stream ----


def test_a_stream_yields_text_and_ends_when_all_is_delivered(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("Hel", "lo", " you")
    assert list(client.stream("owner/llm", prompt="Hi")) == ["Hel", "lo", " you"]
    assert paths(fake)[0] == "POST /predictions"
    assert paths(fake)[-1] == "GET /predictions/ID"
    assert len(fake.requests) == 3


def test_the_pieces_come_when_they_are_made(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("a", "b", "c").takes(30)
    moments = [(piece, round(fake.clock.now())) for piece in client.stream("owner/llm", prompt="Hi")]
    assert moments == [("a", 10), ("b", 20), ("c", 30)]


def test_lines_arrive_as_they_were_made(fake: FakeReplicate, client: Client) -> None:
    pieces = ["one\n", "\n", "two\n\nthree", "\u2028", " "]
    fake.on("owner/llm").streams(*pieces)
    assert list(client.stream("owner/llm", prompt="Hi")) == pieces


def test_items_that_are_no_text_come_as_they_are(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/numbers").streams(1, {"a": [2]}, None)
    assert list(client.stream("owner/numbers", {"x": 1})) == [1, {"a": [2]}, None]


def test_files_come_as_files(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/img").streams(b"one", b"two")
    files = list(client.stream("owner/img", prompt="a cat"))
    assert [file.read() for file in files] == [b"one", b"two"]


@pytest.mark.parametrize("piece", ["https:", "https://example.org is nice", "data:", "http://", "data:image"])
def test_text_that_begins_like_a_file_stays_text(fake: FakeReplicate, client: Client, piece: str) -> None:
    fake.on("owner/llm").streams(piece, " and more")
    assert list(client.stream("owner/llm", prompt="Hi")) == [piece, " and more"]


def test_the_typed_events_tell_the_whole_life(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("Hel", "lo").logs("thinking\n").takes(2)
    events = list(client.stream("owner/llm", prompt="Hi").events())
    assert [event.event for event in events] == ["status", "logs", "output", "output", "status", "done"]
    assert [type(event) for event in events[:3]] == [StatusEvent, LogsEvent, OutputEvent]
    assert isinstance(events[-1], DoneEvent)
    assert events[-1].prediction.output == ["Hel", "lo"]


def test_text_and_result_wait_for_the_end(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("Hel", "lo")
    stream = client.stream("owner/llm", prompt="Hi")
    assert next(stream) == "Hel"
    assert stream.text() == "Hello"
    assert stream.result() == ["Hel", "lo"]
    with pytest.raises(ReplicateHomeError, match="a stream can be read only once"):
        list(stream)


def test_a_stream_of_a_model_that_fails_delivers_what_there_was_and_raises(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("Hel", "lo").fails("boom")
    stream = client.stream("owner/llm", prompt="Hi")
    assert [next(stream), next(stream)] == ["Hel", "lo"]
    with pytest.raises(ModelError, match="boom"):
        next(stream)
    for again in (list, lambda stream: stream.result(), lambda stream: stream.text()):
        with pytest.raises(ModelError, match="boom"):
            again(stream)


def test_breaking_out_of_a_with_block_cancels(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("a", "b", "c").takes(30)
    with client.stream("owner/llm", prompt="Hi") as stream:
        for piece in stream:
            assert piece == "a"
            break
    assert client.predictions.get(fake.calls[0].prediction_id).status == "canceled"
    assert fake.clock.now() < 13


def test_a_stream_that_is_still_held_is_left_open_by_break(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("a", "b", "c").takes(30)
    stream = client.stream("owner/llm", prompt="Hi")
    for _ in stream:
        break
    assert list(stream) == ["b", "c"]


def test_without_cancel_on_exit_it_runs_on(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("a", "b").takes(30)
    with client.stream("owner/llm", prompt="Hi", cancel_on_exit=False) as stream:
        next(stream)
    assert client.predictions.get(fake.calls[0].prediction_id).wait().status == "succeeded"


def test_a_dropped_stream_cancels_from_a_thread_of_its_own(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("a", "b", "c").takes(30)
    next(client.stream("owner/llm", prompt="Hi"))
    for thread in threading.enumerate():
        if thread.name == "replicate-home-leaving":
            thread.join(10)
    assert client.predictions.get(fake.calls[0].prediction_id).status == "canceled"


def test_cancel_tells_the_consumer_that_it_was_canceled(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("a", "b", "c").takes(30)
    stream = client.stream("owner/llm", prompt="Hi")
    assert next(stream) == "a"
    stream.cancel()
    with pytest.raises(ModelCanceled):
        list(stream)


def test_a_closed_stream_has_no_result(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("a", "b").takes(30)
    stream = client.stream("owner/llm", prompt="Hi")
    next(stream)
    stream.close()
    stream.close()
    with pytest.raises(ReplicateHomeError, match="closed before its end"):
        stream.result()


# ---- predictions ----


def test_a_prediction_of_ones_own_is_created_watched_and_read(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("Hel", "lo").takes(40)
    prediction = client.predictions.create("owner/llm", prompt="Hi")
    assert prediction.status in ("starting", "processing")
    assert prediction.reload() is prediction
    assert prediction.wait() is prediction
    assert prediction.status == "succeeded"
    assert prediction.output == ["Hel", "lo"]
    assert str(prediction.result()) == "Hello"
    assert list(prediction.stream()) == list(prediction.output_iterator()) == ["Hel", "lo"]


def test_the_pieces_that_are_there_already_are_iterated_too(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").streams("a", "b", "c").takes(30)
    prediction = client.predictions.create("owner/llm", prompt="Hi")
    fake.clock.sleep(25)
    assert list(prediction.reload().output_iterator()) == ["a", "b", "c"]


def test_waiting_returns_whatever_the_end_was(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").fails("boom")
    prediction = client.predictions.create("owner/llm", prompt="Hi").wait()
    assert (prediction.status, prediction.error) == ("failed", "boom")
    with pytest.raises(ModelError, match="boom"):
        prediction.result()


def test_waiting_too_long_cancels_nothing(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").returns("ok").takes(100)
    prediction = client.predictions.create("owner/llm", prompt="Hi")
    with pytest.raises(PredictionTimeout):
        prediction.wait(timeout=10)
    assert prediction.wait().output == "ok"


def test_cancel_is_harmless_twice(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").returns("ok").takes(100)
    prediction = client.predictions.create("owner/llm", prompt="Hi")
    assert prediction.cancel().status == "canceled"
    assert client.predictions.cancel(prediction.id).status == "canceled"


def test_a_prediction_is_a_dict_of_what_the_server_sent(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").returns("ok")
    prediction = client.predictions.create("owner/llm", prompt="Hi").wait()
    assert dict(prediction) == prediction.to_dict()
    again = Prediction.from_dict({**prediction.to_dict(), "news": 1})
    assert (again.output, again.extra["news"]) == ("ok", 1)
    with pytest.raises(ReplicateHomeError, match="belongs to no client"):
        again.reload()


def test_listing_goes_through_all_pages(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").returns("ok")
    made = [client.predictions.create("owner/llm", prompt=str(number)).id for number in range(105)]
    page = client.predictions.list()
    assert len(page.results) == 100
    assert [prediction.id for prediction in page] == made[:4:-1]
    assert [prediction.id for prediction in page.all()] == made[::-1]
    assert [len(page) for page in paginate(client.predictions.list)] == [100, 5]
    assert (page[0].id, page[-1].id, repr(page)) == (made[-1], made[5], "Page(100 items, more)")


# ---- options, files, functions ----


def test_a_model_may_be_used_as_a_function(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm", prompt="Hi").streams("Hel", "lo")
    llm = client.use("owner/llm")
    assert llm(prompt="Hi") == ["Hel", "lo"]
    assert list(llm.stream(prompt="Hi")) == ["Hel", "lo"]


@pytest.mark.parametrize("made", [Client, AsyncClient])
@pytest.mark.parametrize("name", ["input", "messages", "prompt", "foo"])
def test_what_is_no_option_of_a_function_is_refused_at_once(made: Any, name: str) -> None:
    with pytest.raises(TypeError, match=f"has no option '{name}': inputs are given when the function is called$"):
        made().use("owner/llm", **{name: None})


@pytest.mark.parametrize(
    ("option", "error", "message"),
    [
        ({"webhook": 5}, TypeError, "webhook must be a URL, got int"),
        ({"webhook_events_filter": {"completed"}}, TypeError, "a list of start, output, logs, completed; got {"),
        ({"webhook_events_filter": "completed"}, TypeError, "a list of start, output, logs, completed; got '"),
        ({"webhook_events_filter": ["start", "end"]}, ValueError, "start, output, logs, completed; got 'end'"),
    ],
)
def test_a_webhook_that_could_not_be_called_is_refused(
    fake: FakeReplicate, client: Client, option: dict[str, Any], error: type[Exception], message: str
) -> None:
    for call in (client.run, client.predictions.create):
        with pytest.raises(error, match=message):
            call("owner/llm", prompt="Hi", **option)
    assert list(fake.requests) == []


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_client_or_of_a_handle_works_as_the_first_does(
    fake: FakeReplicate, client: Client, copied: Any
) -> None:
    fake.on("owner/llm").streams("Hel", "lo")
    prediction = copied(client).predictions.create("owner/llm", prompt="Hi")
    other = copied(prediction)
    assert other == prediction
    assert other is not prediction
    assert other.result() == ["Hel", "lo"]
    assert prediction.status != other.status


def test_files_of_a_local_model_are_readable_after_its_client_is_closed() -> None:
    def paint() -> bytes:
        return b"a picture"

    with Client.local({"local/paint": paint}) as client:
        file = client.run("local/paint").file
    assert file.read() == b"a picture"


def test_messages_are_asked_for_in_the_models_own_way(fake: FakeReplicate, client: Client) -> None:
    def chatty(messages: list[dict[str, str]]) -> str:
        return f"{len(messages)} messages"

    def plain(prompt: str, system_prompt: str = "") -> str:
        return f"{system_prompt}|{prompt}"

    fake.on("owner/chatty").calls(chatty)
    fake.on("owner/plain").calls(plain)
    said = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    assert client.run("owner/chatty", messages=said) == "2 messages"
    assert client.run("owner/plain", messages=said) == "Be kind.|Hello"
    assert client.run("owner/plain", messages=said) == "Be kind.|Hello"
    assert sum("/models/" in request.path for request in fake.requests) == 2


def test_small_files_go_inline_and_large_ones_are_uploaded(fake: FakeReplicate, client: Client, tmp_path: Path) -> None:
    def size(image: bytes, mask: bytes) -> list[int]:
        return [len(image), len(mask)]

    fake.on("owner/size").calls(size)
    large = tmp_path / "large.bin"
    large.write_bytes(b"x" * 300_000)
    with large.open("rb") as opened:
        assert client.run("owner/size", {"image": b"abc", "mask": opened}) == [3, 300_000]
    assert fake.calls[0].input["image"] == "data:application/octet-stream;base64,YWJj"
    assert "/files/" in fake.calls[0].input["mask"]
    assert client.run("owner/size", {"image": large, "mask": b""}, file_encoding_strategy="base64") == [300_000, 0]


def test_a_file_of_one_model_is_the_input_of_the_next_by_its_url(fake: FakeReplicate, client: Client) -> None:
    def size(image: bytes) -> int:
        return len(image)

    fake.on("owner/img").returns(b"12345")
    fake.on("owner/size").calls(size)
    image = client.run("owner/img", prompt="a cat")
    assert isinstance(image, FileOutput)
    assert client.run("owner/size", {"image": image}) == 5
    assert fake.calls[1].input["image"] == image.url


def test_other_options_share_the_connections(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").returns("ok").takes(100)
    hurried = client.with_options(timeout=10, headers={"X-Team": "a"})
    with pytest.raises(PredictionTimeout):
        hurried.run("owner/llm", prompt="Hi")
    assert client.run("owner/llm", prompt="Hi") == "ok"


# ---- bad input ----


ITSELF: list[Any] = []
ITSELF.append(ITSELF)


def test_half_a_surrogate_pair_is_sent_as_json_can_hold_it(fake: FakeReplicate, client: Client) -> None:
    fake.on("owner/llm").returns("ok")
    client.run("owner/llm", prompt="\udcff and \ud83d\ude00")
    assert fake.calls[0].input == {"prompt": "\udcff and 😀"}


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"input": {"x": ITSELF}}, ValueError, "contains itself"),
        ({"input": {"x": (1, ITSELF), "y": b""}}, ValueError, "contains itself"),
        ({"model": "nonsense ref"}, InvalidInput, "owner/name"),
        ({"model": "gemma-2b"}, InvalidInput, "google-deepmind/gemma-2b-it"),
        ({"model": None}, TypeError, "must be a string"),
        ({"input": "text"}, TypeError, "mapping"),
        ({"temperature": 0.3}, TypeError, r"^run\(\) has no option 'temperature': inputs of the model go into input="),
        ({"prompt": 3}, TypeError, "string"),
        ({"messages": []}, ValueError, "empty"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, ValueError, "image_url"),
        ({"prompt": "a", "messages": [{"role": "user", "content": "b"}]}, TypeError, "not both"),
        ({"prompt": "a", "input": {"prompt": "b"}}, TypeError, "twice"),
        ({"input": {"x": object()}}, TypeError, r"input\['x'\]"),
        ({"input": {"x": float("nan")}}, ValueError, "JSON"),
        ({"timeout": 0}, ValueError, "positive"),
        ({"timeout": "soon"}, TypeError, "seconds"),
        ({"wait": 100}, ValueError, "1 to 60"),
        ({"on_update": 3}, TypeError, "callable"),
        ({"file_encoding_strategy": "zip"}, ValueError, "base64"),
        ({"input": {"x": Path("does-not-exist.png")}}, FileNotFoundError, "does-not-exist"),
    ],
)
def test_bad_arguments_are_said_before_any_request(
    fake: FakeReplicate, client: Client, arguments: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        client.run(**{"model": "owner/llm", **arguments})
    assert fake.requests == []


def test_a_model_that_the_server_does_not_know_is_said(tmp_path: Path) -> None:
    with Client.local() as client, pytest.raises(ModelNotFound, match="local/markov"):
        client.run("local/unknown", {"x": 1})


def test_an_input_that_the_model_does_not_take_is_said() -> None:
    with (
        Client.local({"local/double": lambda number: number * 2}) as client,
        pytest.raises(InvalidInput, match="number"),
    ):
        client.run("local/double", {"wrong": 1})


def test_a_fake_that_was_not_told_says_so(fake: FakeReplicate, client: Client) -> None:
    with pytest.raises(UnexpectedRequest, match="owner/other"):
        client.run("owner/other", prompt="Hi")


def test_a_missing_token_is_said_before_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPLICATE_API_TOKEN", raising=False)
    with pytest.raises(AuthenticationError, match="REPLICATE_API_TOKEN"):
        Client().run("owner/llm", prompt="Hi")
    with pytest.raises(AuthenticationError, match="empty"):
        Client("")


# ---- the process ----


def test_a_client_leaves_its_token_behind_when_it_is_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPLICATE_API_TOKEN", raising=False)
    packed = pickle.dumps(Client("r8_verysecrettoken"))
    assert b"verysecret" not in packed
    with pytest.raises(AuthenticationError):
        pickle.loads(packed).run("google-deepmind/gemma-2b-it", prompt="Hi")


def test_models_of_this_process_need_no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPLICATE_API_TOKEN", raising=False)

    def count(run: LocalRun, up_to: int) -> Iterator[str]:
        for number in range(up_to):
            run.sleep(0)
            yield str(number)

    with Client.local({"local/count": count}) as client, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(client.stream("local/count", {"up_to": 3})) == ["0", "1", "2"]
        assert client.run("local/count", {"up_to": 2}) == ["0", "1"]


def test_the_modules_own_functions_use_a_client_made_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPLICATE_API_TOKEN", raising=False)
    text = "".join(replicate_home.stream("local/markov", {"prompt": "The", "seed": 1, "tokens_per_second": 10_000}))
    again = replicate_home.run("local/markov", {"prompt": "The", "seed": 1, "tokens_per_second": 10_000})
    assert str(again) == text
    assert replicate_home.default_client is replicate_home.default_client
    assert replicate_home.predictions.get(again.id).status == "succeeded"
    replicate_home.default_client.close()
