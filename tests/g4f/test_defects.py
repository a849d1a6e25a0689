"""What is known to go wrong with a homepage provider under g4f, each as the sentence that holds here instead."""

from __future__ import annotations

import pytest

pytest.importorskip("g4f")

from g4f.errors import ModelNotFoundError, RateLimitError, ResponseError, ResponseStatusError
from g4f.errors import TimeoutError as G4FTimeoutError

import replicate_home
from replicate_home.g4f import ReplicateHome
from replicate_home.testing.scripted_server import Receive, ScriptedServer, Send, answer
from tests.g4f.conftest import GEMMA, KEY, SD3, URLS, hi
from tests.servers.home_server import HANG_UP, Raw, Step, fails, grows, html_403, job, returns, too_many


def test_text_is_yielded_while_the_model_still_writes(server):
    server.add(GEMMA, grows("Hel", "lo"))
    pieces = [(piece, server.polls) for piece in ReplicateHome.create_completion(GEMMA, hi()) if isinstance(piece, str)]
    assert pieces == [("Hel", 1), ("lo", 2)]


def test_a_short_job_does_not_take_five_seconds(server, chat):
    server.add(GEMMA, job(Step("succeeded", ["Hi"], after=0.2)))
    assert chat(timeout=3).text == "Hi"


def test_a_text_that_is_one_string_is_not_cut_into_letters(server, chat):
    server.add(GEMMA, returns("Hello, world"))
    assert chat().pieces == ["Hello, world"]


def test_a_text_that_is_one_string_is_not_cut_by_max_tokens(server, chat):
    server.add(GEMMA, returns("Hello, world"))
    assert chat(max_tokens=5).text == "Hello, world"


def test_an_image_that_is_one_string_is_not_its_first_letter(server, draw):
    server.add(SD3, returns(URLS[0]))
    assert draw("a cat") == [URLS[0]]


def test_none_of_four_images_is_lost(server, draw):
    server.add(SD3, returns(URLS))
    assert draw("a cat", n=4) == URLS


def test_no_output_is_an_empty_answer(server, chat):
    server.add(GEMMA, returns(None))
    reply = chat()
    assert (reply.text, reply.finish_reason) == ("", "stop")


@pytest.mark.parametrize("status", ["canceled", "aborted"])
def test_a_canceled_prediction_is_said_at_once(server, chat, status):
    server.add(GEMMA, job(Step(status)))
    with pytest.raises(ResponseError) as caught:
        chat()
    assert isinstance(caught.value, replicate_home.ModelCanceled)
    assert server.polls == 1


def test_a_result_that_comes_shortly_before_the_deadline_is_not_lost(server, chat):
    server.add(GEMMA, job(Step("succeeded", ["done"], after=0.6)))
    assert chat(timeout=2).text == "done"


def test_a_prediction_that_never_ends_is_a_timeout_that_names_it(server):
    server.add(GEMMA, job(Step("processing")))
    with pytest.raises(G4FTimeoutError, match="home00000000") as caught:
        list(ReplicateHome.create_completion(GEMMA, hi(), timeout=1))
    assert isinstance(caught.value, replicate_home.PredictionTimeout)
    assert caught.value.prediction.id == "home00000000"
    assert server.creates == 1


def test_a_failed_prediction_is_said_at_the_first_poll_with_its_reason(server, chat):
    server.add(GEMMA, fails("out of memory"))
    with pytest.raises(ResponseError, match="out of memory") as caught:
        chat()
    assert isinstance(caught.value, replicate_home.ModelError)
    assert server.polls == 1


def test_a_create_that_was_refused_for_its_rate_is_sent_again_after_the_wait_asked_for(server, chat):
    server.refusals.append(too_many(0))
    server.add(GEMMA, returns(["Hi"]))
    assert chat().text == "Hi"
    assert server.creates == 1


def test_a_rate_limit_beyond_the_budget_says_how_long_it_is(server, chat):
    server.refusals.append(too_many(30))
    with pytest.raises(RateLimitError) as caught:
        chat(timeout=5)
    assert caught.value.retry_after == 30


def test_a_bad_poll_does_not_lose_the_prediction(server, chat):
    broken = [Step(poll=1, raw=HANG_UP), Step(poll=2, raw=Raw(502, b"<html>")), Step(poll=3, raw=Raw(200, b"<html>"))]
    server.add(GEMMA, job(*broken, Step("succeeded", ["fine"], poll=4)))
    assert chat().text == "fine"
    assert server.creates == 1


def test_a_wall_in_front_of_the_polls_names_the_prediction_that_was_made(server, chat):
    server.add(GEMMA, job(Step(poll=1, raw=html_403())))
    with pytest.raises(ResponseStatusError) as caught:
        chat()
    assert isinstance(caught.value, replicate_home.PermissionDenied)
    assert caught.value.prediction.id == "home00000000"


def test_a_create_without_an_answer_is_not_sent_again(server, chat):
    server.refusals.extend([HANG_UP, HANG_UP])
    with pytest.raises(ResponseError) as caught:
        chat()
    assert isinstance(caught.value, replicate_home.CreateOutcomeUnknown)
    assert len(server.requests) == 1


def test_an_http_proxy_needs_nothing_that_is_not_installed(chat):
    steps = [b'{"id":"home1","status":"starting"}', b'{"id":"home1","status":"succeeded","output":["Hi"]}']
    with ScriptedServer([step for body in steps for step in (Receive(), Send(answer(200, body)))]) as proxy:
        through = f"http://me:secret@127.0.0.1:{proxy.port}"
        assert chat(proxy=through, base_url="http://homepage.example").text == "Hi"
        assert len(proxy.requests) == 2


def test_an_unknown_model_is_said_before_any_request_with_what_there_is(server, chat):
    with pytest.raises(ModelNotFoundError, match=GEMMA) as caught:
        chat(model="owner/unknown")
    assert isinstance(caught.value, replicate_home.ModelNotFound)
    assert server.requests == []


def test_images_without_a_model_are_drawn_by_the_default_image_model(server, draw):
    server.add(SD3, returns(URLS[:1]))
    assert draw("a cat") == URLS[:1]
    assert server.requests[0].json["input"] == {"prompt": "a cat"}


def test_messages_may_be_lists_of_parts_for_images_too(server, chat):
    server.add(SD3, returns(URLS[:1]))
    chat(model=SD3, messages=[{"role": "user", "content": [{"type": "text", "text": "a cat"}]}])
    assert server.requests[0].json["input"] == {"prompt": "a cat"}


def test_no_messages_are_a_value_error_that_says_so(server, chat):
    with pytest.raises(ValueError, match="messages is empty"):
        chat(messages=[])
    assert server.requests == []


def test_one_callers_key_does_not_reach_the_next_ones_server(server, hosted, chat):
    chat(api_key=KEY)
    server.add(GEMMA, returns(["Hi"]))
    assert chat().text == "Hi"
    assert all(KEY not in str(request) for request in server.requests)


def test_an_answer_of_any_content_type_is_read(server, chat):
    server.add(GEMMA, job(Step("succeeded", ["Hi"]), content_type="text/plain"))
    assert chat().text == "Hi"
