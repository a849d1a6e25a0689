"""The ``home`` backend, against a server on this machine that speaks the homepage's protocol."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from replicate_home import (
    Client,
    CreateOutcomeUnknown,
    FakeClock,
    FileOutput,
    ModelCanceled,
    ModelError,
    ModelNotFound,
    OutputDiverged,
    PermissionDenied,
    PredictionTimeout,
    RateLimited,
)
from tests.servers.home_server import HANG_UP, HomeServer, Raw, Step, fails, grows, html_403, job, returns, too_many

GEMMA = "google-deepmind/gemma-2b-it"
SD3 = "stability-ai/stable-diffusion-3"


@pytest.fixture
def server() -> Iterator[HomeServer]:
    with HomeServer() as running:
        yield running


@pytest.fixture
def client(server: HomeServer) -> Iterator[Client]:
    with Client(backend="home", base_url=server.url) as made:
        yield made


def test_text_that_appears_while_processing_is_streamed_piece_by_piece(server: HomeServer, client: Client) -> None:
    server.add(GEMMA, grows("Hel", "lo", "!"))
    assert list(client.stream(GEMMA, prompt="Hi")) == ["Hel", "lo", "!"]
    assert server.creates == 1


def test_an_alias_is_asked_for_by_its_full_name_and_version(server: HomeServer, client: Client) -> None:
    server.add(GEMMA, returns(["Hi"]))
    assert client.run("gemma-2b", prompt="Hi") == ["Hi"]
    sent = server.requests[0].json
    assert sent == {
        "model": GEMMA,
        "version": "dff94eaf770e1fc211e425a50b51baa8e4cac6c39ef074681f9e39d778773626",
        "input": {"prompt": "Hi"},
    }


def test_the_requests_carry_no_credentials_and_no_browsers_name(server: HomeServer, client: Client) -> None:
    server.add(GEMMA, returns(["Hi"]))
    client.run(GEMMA, prompt="Hi")
    for request in server.requests:
        assert "authorization" not in request.headers
        assert "cookie" not in request.headers
        assert request.headers["user-agent"].startswith("replicate-home/")
        assert request.headers["origin"] == "https://replicate.com"


def test_all_images_arrive(server: HomeServer, client: Client) -> None:
    urls = [f"https://replicate.delivery/x/{number}.png" for number in range(4)]
    server.add(SD3, returns(urls))
    result = client.run("sd-3", prompt="an astronaut")
    assert [file.url for file in result.files] == urls
    assert all(isinstance(file, FileOutput) for file in result)


def test_a_single_image_may_come_as_a_string(server: HomeServer, client: Client) -> None:
    server.add(SD3, returns("https://replicate.delivery/x/one.png"))
    assert client.run(SD3, prompt="an astronaut").file.url == "https://replicate.delivery/x/one.png"


def test_a_null_output_is_a_falsy_result_and_an_empty_stream(server: HomeServer, client: Client) -> None:
    server.add(GEMMA, returns(None))
    assert not client.run(GEMMA, prompt="Hi")
    assert client.run(GEMMA, prompt="Hi").output is None
    assert list(client.stream(GEMMA, prompt="Hi")) == []


def test_a_string_output_is_streamed_as_the_text_that_is_new(server: HomeServer, client: Client) -> None:
    server.add(GEMMA, job(Step("processing", "Hel"), Step("succeeded", "Hello", poll=2)))
    assert list(client.stream(GEMMA, prompt="Hi")) == ["Hel", "lo"]
    assert client.run(GEMMA, prompt="Hi") == "Hello"


@pytest.mark.parametrize("status", ["canceled", "aborted"])
def test_a_canceled_prediction_ends_at_once_with_its_own_error(server: HomeServer, client: Client, status: str) -> None:
    server.add(GEMMA, job(Step("processing", ["a"]), Step(status, ["a"], poll=2)))
    stream = client.stream(GEMMA, prompt="Hi")
    assert next(stream) == "a"
    with pytest.raises(ModelCanceled) as caught:
        next(stream)
    assert caught.value.prediction is not None
    assert caught.value.prediction.status == status


def test_a_failed_prediction_says_why(server: HomeServer, client: Client) -> None:
    server.add(GEMMA, fails("out of memory"))
    with pytest.raises(ModelError, match="out of memory"):
        client.run(GEMMA, prompt="Hi")


def test_a_job_that_finishes_on_the_last_look_before_the_deadline_is_not_lost(server: HomeServer) -> None:
    """The same polls again, in virtual time: this time the last of them finds it finished."""

    def run(model: str) -> str:
        with Client(backend="home", base_url=server.url, clock=FakeClock()) as client:
            return str(client.run(model, prompt="Hi", timeout=145))

    server.add(GEMMA, job(Step("processing")))
    with pytest.raises(PredictionTimeout):
        run(GEMMA)
    server.add(SD3, job(Step("succeeded", ["done"], poll=server.polls)))
    assert run(SD3) == "done"


def test_a_job_that_does_not_finish_is_a_timeout_that_says_it_runs_on(server: HomeServer, client: Client) -> None:
    server.add(GEMMA, job(Step("succeeded", ["late"], poll=9)))
    with pytest.raises(PredictionTimeout, match="not canceled") as caught:
        client.run(GEMMA, prompt="Hi", timeout=0.3)
    assert not caught.value.canceled
    assert caught.value.prediction is not None
    resumed = client.predictions.get(caught.value.prediction.id).wait()
    assert (resumed.status, resumed.output) == ("succeeded", ["late"])
    assert server.creates == 1


def test_a_bad_poll_does_not_lose_the_prediction(server: HomeServer, client: Client) -> None:
    broken = [Step(poll=1, raw=HANG_UP), Step(poll=2, raw=Raw(502, b"<html>")), Step(poll=3, raw=Raw(200, b"<html>"))]
    server.add(GEMMA, job(*broken, Step("succeeded", ["fine"], poll=4)))
    assert client.run(GEMMA, prompt="Hi") == ["fine"]
    assert server.creates == 1


def test_a_wall_in_front_of_the_polls_names_the_prediction(server: HomeServer, client: Client) -> None:
    server.add(GEMMA, job(Step(poll=1, raw=html_403())))
    with pytest.raises(PermissionDenied) as caught:
        client.run(GEMMA, prompt="Hi")
    assert caught.value.prediction is not None
    assert caught.value.prediction.id == "home00000000"


def test_a_refused_create_is_sent_again_after_the_wait_it_asks_for(server: HomeServer, client: Client) -> None:
    server.refusals.append(too_many(0))
    server.add(GEMMA, returns(["Hi"]))
    assert client.run(GEMMA, prompt="Hi") == ["Hi"]
    assert server.creates == 1


def test_a_wait_longer_than_the_budget_is_said_at_once(server: HomeServer, client: Client) -> None:
    server.refusals.append(too_many(30))
    with pytest.raises(RateLimited) as caught:
        client.run(GEMMA, prompt="Hi", timeout=5)
    assert caught.value.retry_after == 30


def test_a_create_without_an_answer_is_not_sent_again(server: HomeServer, client: Client) -> None:
    server.refusals.extend([HANG_UP, HANG_UP])
    with pytest.raises(CreateOutcomeUnknown):
        client.run(GEMMA, prompt="Hi")
    assert len(server.requests) == 1


def test_any_content_type_will_do_for_json(server: HomeServer, client: Client) -> None:
    server.add(GEMMA, job(Step("succeeded", ["Hi"]), content_type="text/plain"))
    assert client.run(GEMMA, prompt="Hi") == ["Hi"]


def test_output_that_contradicts_itself_is_said(server: HomeServer, client: Client) -> None:
    server.add(GEMMA, job(Step("processing", ["a"]), Step("succeeded", ["X", "b"], poll=2)))
    stream = client.stream(GEMMA, prompt="Hi")
    assert next(stream) == "a"
    with pytest.raises(OutputDiverged) as caught:
        next(stream)
    assert (caught.value.delivered, caught.value.seen) == (["a"], ["X", "b"])


def test_a_model_that_the_homepage_does_not_have_is_said_before_any_request(server: HomeServer, client: Client) -> None:
    with pytest.raises(ModelNotFound, match="google-deepmind/gemma-2b-it"):
        client.run("owner/unknown", prompt="Hi")
    assert server.requests == []


def test_messages_become_one_prompt_without_asking_for_a_schema(server: HomeServer, client: Client) -> None:
    server.add(GEMMA, returns(["Hi"]))
    said = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]
    client.run(GEMMA, messages=said)
    assert [request.method for request in server.requests] == ["POST", "GET"]
    assert server.requests[0].json["input"] == {"prompt": "System: Be kind.\nUser: Hello\nAssistant:"}


def test_leaving_early_asks_for_no_cancel_that_the_homepage_does_not_have(server: HomeServer, client: Client) -> None:
    server.add(GEMMA, job(Step("processing", ["a"])))
    with client.stream(GEMMA, prompt="Hi") as stream:
        assert next(stream) == "a"
    assert {request.path.partition("?")[0] for request in server.requests} == {"/api/prediction", "/api/poll"}


def test_canceling_is_refused_with_a_word_on_why(server: HomeServer, client: Client) -> None:
    server.add(GEMMA, job(Step("processing", ["a"])))
    prediction = client.predictions.create(GEMMA, prompt="Hi")
    with pytest.raises(PermissionDenied, match="home"):
        prediction.cancel()
