"""The provider in g4f's hands: what it yields, in which ways it is asked, what reaches the model, how it is left."""

from __future__ import annotations

import asyncio
import gc
import pickle
import subprocess
import sys
import threading
import time
import traceback

import pytest

pytest.importorskip("g4f")

import g4f
from g4f import errors as theirs
from g4f.client import AsyncClient, Client
from g4f.models import Model, ModelUtils
from g4f.providers.base_provider import AsyncGeneratorProvider, ProviderModelMixin
from g4f.providers.response import FinishReason, ImageResponse, ProviderInfo, Usage
from g4f.providers.retry_provider import IterListProvider, RetryProvider

import replicate_home
from replicate_home import exceptions as errors
from replicate_home import g4f as ours
from replicate_home.g4f import ReplicateHome
from replicate_home.testing.scripted_server import Receive, ScriptedServer, Send, answer
from tests.g4f.conftest import GEMMA, KEY, SD3, URLS, hi
from tests.reliability.hosted_server import CutAfter, Job, by_name
from tests.servers.home_server import Raw, Step, fails, grows, job, returns


def sent(server):
    """The last create."""
    return [request.json for request in server.requests if request.method == "POST"][-1]


def paused():
    """A prediction whose stream says a few words and then is silent."""
    return Job(by_name("plain"), [CutAfter(80, "idle")])


def collected(*args, **kwargs):
    """What the provider itself yields, in an event loop."""

    async def main():
        return [piece async for piece in ReplicateHome.create_async_generator(*args, **kwargs)]

    return asyncio.run(main())


def was_canceled(waiting):
    """Whether the prediction is canceled; where the event loop ended meanwhile, a thread does it."""
    gc.collect()
    until = time.monotonic() + 5
    while not waiting.canceled and time.monotonic() < until:
        time.sleep(0.01)
    return waiting.canceled == 1


def completed(*args, **kwargs):
    """The same in this thread."""
    return list(ReplicateHome.create_completion(*args, **kwargs))


both_ways = pytest.mark.parametrize("yielded", [collected, completed])


# ---- what it is ----


def test_it_is_one_of_g4fs_providers_and_one_of_ours():
    assert issubclass(ReplicateHome, AsyncGeneratorProvider)
    assert issubclass(ReplicateHome, ProviderModelMixin)
    assert issubclass(ReplicateHome, replicate_home.ReplicateHome)
    assert ReplicateHome.get_dict() == {
        "name": "ReplicateHome",
        "url": "https://replicate.com",
        "label": "Replicate Home",
    }
    assert (ReplicateHome.working, ReplicateHome.needs_auth, ReplicateHome.supports_stream) == (True, False, True)


def test_g4f_can_list_its_models_and_parameters():
    assert Client(provider=ReplicateHome).models.get_all() == ReplicateHome.models
    assert ReplicateHome.get_model("SD-3") == SD3
    assert ReplicateHome.get_parameters(as_json=True)["model"] == GEMMA
    assert "model" in ReplicateHome.get_params()


def test_importing_the_package_does_not_import_g4f():
    program = "import sys, replicate_home; replicate_home.ReplicateHome; print('g4f' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


def test_without_g4f_the_error_names_the_command_that_installs_it():
    program = "import sys; sys.modules['g4f'] = None; import replicate_home.g4f"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "replicate_home.exceptions.MissingExtra: "
        'replicate_home.g4f needs g4f: python -m pip install g4f'
    )


# ---- what it yields ----


@both_ways
def test_text_comes_after_who_says_it_and_before_why_it_ended(server, yielded):
    server.add(GEMMA, grows("Hel", "lo"))
    info, *pieces, reason = yielded("gemma-2b", hi())
    assert isinstance(info, ProviderInfo)
    assert (info.name, info.url, info.model) == ("ReplicateHome", "https://replicate.com", GEMMA)
    assert pieces == ["Hel", "lo"]
    assert [type(piece) for piece in pieces] == [str, str]
    assert (type(reason), reason.reason) == (FinishReason, "stop")


@both_ways
def test_who_says_it_is_known_before_anything_is_asked(server, yielded):
    server.add(GEMMA, fails("out of memory"))
    answering = ReplicateHome.create_completion(GEMMA, hi())
    assert isinstance(next(answering), ProviderInfo)
    assert server.requests == []
    with pytest.raises(theirs.ResponseError):
        next(answering)


@both_ways
def test_images_are_one_response_with_all_urls_and_options_of_its_own(server, yielded):
    server.add(SD3, returns(URLS))
    _, first, _ = yielded(None, hi(), prompt="a cat")
    _, second, _ = yielded(None, hi(), prompt="a dog")
    assert [type(first), first.urls, first.alt, first.options] == [ImageResponse, URLS, "a cat", {}]
    assert first.options is not second.options
    assert first.options is not ImageResponse([], "").options


@both_ways
def test_the_servers_own_count_of_tokens_is_the_usage_and_comes_last(yielded):
    done = b'{"id":"x","status":"succeeded","output":["Hi"],"metrics":{"input_token_count":3,"output_token_count":1}}'
    with ScriptedServer([Receive(), Send(answer(201, done))]) as homepage:
        *_, reason, usage = yielded(GEMMA, hi(), base_url=homepage.url)
    assert isinstance(reason, FinishReason)
    assert (type(usage), usage.get_dict()) == (
        Usage,
        {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    )


def test_g4f_knows_the_model_the_provider_the_reason_and_the_usage(server, chat):
    server.add(GEMMA, grows("Hel", "lo"))
    reply = chat(model="gemma-2b")
    assert (reply.text, reply.finish_reason) == ("Hello", "stop")
    assert (reply.last.provider, reply.last.model) == ("ReplicateHome", GEMMA)
    assert reply.last.usage.total_tokens > 0


def test_a_streamed_chat_comes_in_the_models_own_pieces(server):
    server.add(GEMMA, grows("Hel", "lo"))
    chunks = list(Client(provider=ReplicateHome).chat.completions.create(hi(), stream=True))
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["Hel", "lo", None]
    assert (chunks[0].provider, chunks[0].model) == ("ReplicateHome", GEMMA)


def test_max_tokens_counts_the_models_own_pieces(server, chat):
    server.add(GEMMA, grows("Hel", "lo", "!"))
    reply = chat(max_tokens=2)
    assert (reply.text, reply.finish_reason) == ("Hello", "length")
    assert sent(server)["input"] == {"prompt": "Hi", "max_new_tokens": 2}


def test_a_stop_word_ends_the_answer(server, chat):
    server.add(GEMMA, grows("Hel", "lo", "END", "more"))
    reply = chat(stop="END")
    assert (reply.text, reply.finish_reason) == ("Hello", "stop")


def test_an_image_in_a_chat_prints_as_markdown(server, chat):
    server.add(SD3, returns(URLS[:1]))
    assert chat(model="sd-3").text == f"[![Hi]({URLS[0]})]({URLS[0]})"


def test_several_images_in_a_chat_all_print(server, chat):
    server.add(SD3, returns(URLS))
    assert [chat(model="sd-3").text.count(url) for url in URLS] == [2, 2, 2, 2]


# ---- the ways in which it is asked ----


def test_a_chat_without_a_model_is_with_the_default_one(server, chat):
    server.add(None, returns(["Hi"]))
    assert chat(model="auto").text == "Hi"
    assert sent(server)["model"] == GEMMA


def test_images_by_a_short_name(server, draw):
    server.add("bytedance/sdxl-lightning-4step", returns(URLS[:1]))
    assert draw("a cat", model="SDXL") == URLS[:1]


def test_images_of_an_image_provider(server):
    server.add(SD3, returns(URLS[:1]))
    made = Client(image_provider=ReplicateHome).images.generate("a cat", response_format="url")
    assert [image.url for image in made.data] == URLS[:1]


def test_images_that_are_to_be_downloaded_from_this_machine_stay_urls(server, draw):
    """g4f fetches nothing from private addresses; it then gives the URL itself."""
    server.add(SD3, returns([f"{server.url}/0.png"]))
    assert draw("a cat", response_format=None) == [f"{server.url}/0.png"]


def test_chat_completion_create(server):
    server.add(GEMMA, grows("Hel", "lo"))
    assert g4f.ChatCompletion.create(GEMMA, hi(), provider=ReplicateHome) == "Hello"
    streamed = list(g4f.ChatCompletion.create(GEMMA, hi(), provider=ReplicateHome, stream=True))
    assert [piece for piece in streamed if isinstance(piece, str)] == ["Hel", "lo"]


def test_chat_completion_create_async(server):
    server.add(GEMMA, grows("Hel", "lo"))

    async def main():
        whole = await g4f.ChatCompletion.create_async(GEMMA, hi(), provider=ReplicateHome)
        streaming = g4f.ChatCompletion.create_async(GEMMA, hi(), provider=ReplicateHome, stream=True)
        return whole, [piece async for piece in streaming if isinstance(piece, str)]

    assert asyncio.run(main()) == ("Hello", ["Hel", "lo"])


def test_chat_completion_takes_its_proxy_from_g4fs_own_variable(monkeypatch):
    steps = [b'{"id":"home1","status":"starting"}', b'{"id":"home1","status":"succeeded","output":["Hi"]}']
    with ScriptedServer([step for body in steps for step in (Receive(), Send(answer(200, body)))]) as proxy:
        monkeypatch.setenv("G4F_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setattr(ReplicateHome, "base_url", "http://homepage.example")
        assert g4f.ChatCompletion.create(GEMMA, hi(), provider=ReplicateHome) == "Hi"
        assert len(proxy.requests) == 2


def test_a_model_of_g4fs_own_may_name_it_as_its_provider(server, monkeypatch):
    monkeypatch.setitem(ModelUtils.convert, "gemma-here", Model(GEMMA, "Google", ReplicateHome))
    server.add(GEMMA, returns(["Hi"]))
    assert g4f.ChatCompletion.create("gemma-here", hi()) == "Hi"


@pytest.mark.parametrize("kind", [IterListProvider, RetryProvider])
def test_it_answers_where_the_provider_before_it_fails(server, chat, kind):
    server.refusals.append(Raw(422, b'{"detail":"not today"}'))
    server.add(GEMMA, returns(["Hi"]))
    assert chat(provider=kind([ReplicateHome, ReplicateHome], shuffle=False), model="gemma-2b").text == "Hi"


def test_the_provider_after_it_answers_where_it_fails(server, chat):
    class Second(ReplicateHome):
        pass

    server.add(GEMMA, fails("out of memory"), returns(["Hi"]))
    reply = chat(provider=IterListProvider([ReplicateHome, Second], shuffle=False), model="gemma-2b")
    assert (reply.text, reply.last.provider) == ("Hi", "Second")


def test_after_its_first_words_a_failure_starts_no_other_provider(server, chat):
    server.add(GEMMA, job(Step("processing", ["Hel"]), Step("failed", ["Hel"], "out of memory", poll=2)))
    with pytest.raises(replicate_home.ModelError, match="out of memory"):
        chat(provider=IterListProvider([ReplicateHome, ReplicateHome], shuffle=False), model="gemma-2b")
    assert server.creates == 1


def test_one_provider_may_be_tried_again(server, chat):
    server.add(GEMMA, fails("out of memory"), returns(["Hi"]))
    again = RetryProvider([ReplicateHome], single_provider_retry=True, max_retries=2)
    assert chat(provider=again, model=GEMMA).text == "Hi"


def test_images_of_a_list_of_providers(server, draw):
    server.add(SD3, fails("out of memory"), returns(URLS))
    assert draw("a cat", provider=IterListProvider([ReplicateHome, ReplicateHome])) == URLS


def test_inside_a_running_event_loop_the_blocking_client_works_and_patches_nothing(server):
    server.add(GEMMA, grows("Hel", "lo"))

    async def main():
        create = Client(provider=ReplicateHome).chat.completions.create
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in create(hi(), stream=True))
        return (
            create(hi()).choices[0].message.content,
            streamed,
            hasattr(type(asyncio.get_running_loop()), "_nest_patched"),
        )

    assert asyncio.run(main()) == ("Hello", "Hello", False)


def test_in_several_threads_at_once(server, chat):
    server.add(GEMMA, grows("Hel", "lo"))
    said = []
    threads = [threading.Thread(target=lambda: said.append(chat().text)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["Hello"] * 4


def test_ten_at_once_in_one_event_loop(server):
    server.add(GEMMA, grows("Hel", "lo"))

    async def main():
        create = AsyncClient(provider=ReplicateHome).chat.completions.create
        return [reply.choices[0].message.content for reply in await asyncio.gather(*(create(hi()) for _ in range(10)))]

    assert asyncio.run(main()) == ["Hello"] * 10


def test_tools_are_asked_for_in_the_prompt(server, chat):
    """g4f does so forevery provider that knows no tools; what it adds to the call is accepted."""
    tool = {"type": "function", "function": {"name": "clock", "description": "the time", "parameters": {}}}
    server.add(GEMMA, returns(["No need."]))
    assert chat(tools=[tool]).text == "No need."
    assert "clock" in sent(server)["input"]["prompt"]


# ---- what reaches the model, and whom it asks ----


def test_options_reach_the_models_input(server, chat):
    server.add(GEMMA, returns(["Hi"]))
    chat(temperature=0.2, top_p=0.9, seed=7, user="me", extra_body={"repetition_penalty": 1.2})
    expected = {"prompt": "Hi", "temperature": 0.2, "top_p": 0.9, "seed": 7, "repetition_penalty": 1.2}
    assert sent(server)["input"] == expected


def test_picture_options_reach_the_models_input(server, draw):
    server.add(SD3, returns(URLS))
    draw("a cat", n=4, size="1024x768", aspect_ratio="4:3", seed=7)
    expected = {"num_outputs": 4, "width": 1024, "height": 768, "aspect_ratio": "4:3", "seed": 7}
    assert sent(server)["input"] == {"prompt": "a cat", **expected}


def test_a_conversation_becomes_one_prompt(server, chat):
    server.add(GEMMA, returns(["Hi"]))
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    chat(messages=[*said, {"role": "user", "content": [{"type": "text", "text": "And you?"}]}])
    assert sent(server)["input"]["prompt"] == "User: Hi\nAssistant: Hello\nUser: And you?\nAssistant:"


def test_a_key_asks_the_hosted_api_for_the_same_model(hosted, chat):
    assert chat(api_key=KEY).text == by_name("plain").text
    assert {request.headers["authorization"] for request in hosted.requests} == {f"Bearer {KEY}"}


def test_the_clients_base_url_is_asked(server, chat):
    server.add(GEMMA, returns(["Hi"]))
    url, ReplicateHome.base_url = server.url, "http://127.0.0.1:1"
    assert chat(base_url=url).text == "Hi"


def test_of_a_list_of_keys_its_own_is_taken(hosted, chat):
    assert chat(api_key={"ReplicateHome": KEY, "Other": "x"}).text == by_name("plain").text
    assert {request.headers["authorization"] for request in hosted.requests} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("key", ["g4f_secret", "gfs_secret", {"Other": "x"}])
def test_a_key_for_another_provider_is_not_sent(server, chat, key):
    server.add(GEMMA, returns(["Hi"]))
    assert chat(api_key=key).text == "Hi"
    assert all("authorization" not in request.headers for request in server.requests)


# ---- time ----


def test_the_timeout_holds_in_every_way_of_asking(server, chat):
    server.add(GEMMA, job(Step("succeeded", ["Hi"], after=30)))
    with pytest.raises(theirs.TimeoutError) as caught:
        chat(timeout=0.3)
    assert isinstance(caught.value, TimeoutError)


def test_g4fs_own_stream_timeout_ends_a_silent_stream_and_its_prediction(hosted):
    waiting = hosted.next(paused())

    async def main():
        client = AsyncClient(provider=ReplicateHome, api_key=KEY)
        async for _ in client.chat.completions.create(hi(), stream=True, stream_timeout=1):
            pass

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert was_canceled(waiting)


# ---- errors ----


def every_error():
    return [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, Exception)]


@pytest.mark.parametrize("mine", every_error(), ids=lambda mine: mine.__name__)
def test_every_error_has_a_class_that_is_ours_and_g4fs(mine):
    both = getattr(ours, mine.__name__)
    assert issubclass(both, mine)
    assert issubclass(both, theirs.G4FError)
    assert both.__doc__ == mine.__doc__


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ("RateLimited", theirs.RateLimitError),
        ("PaymentRequired", theirs.PaymentRequiredError),
        ("AuthenticationError", theirs.MissingAuthError),
        ("ModelNotFound", theirs.ModelNotFoundError),
        ("InvalidInput", theirs.BadRequestError),
        ("PermissionDenied", theirs.ResponseStatusError),
        ("NotFound", theirs.ResponseStatusError),
        ("ServerError", theirs.ResponseStatusError),
        ("PredictionTimeout", theirs.TimeoutError),
        ("CreateTimedOut", theirs.TimeoutError),
        ("RequestTimeout", theirs.TimeoutError),
        ("ModelError", theirs.ResponseError),
        ("ModelCanceled", theirs.ResponseError),
        ("StreamInterrupted", theirs.ResponseError),
        ("ConnectFailed", theirs.ResponseError),
        ("CreateOutcomeUnknown", theirs.ResponseError),
    ],
)
def test_an_error_is_the_one_of_g4fs_that_its_users_catch(mine, other):
    assert issubclass(getattr(ours, mine), other)


def test_an_error_keeps_its_evidence_its_notes_and_its_traceback_and_pickles(server):
    server.add(GEMMA, fails("out of memory"))
    with pytest.raises(ours.ModelError) as caught:
        completed(GEMMA, hi())
    error = caught.value
    assert error.prediction.id == "home00000000"
    assert error.__context__ is None or error.__suppress_context__
    assert "create_completion" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.prediction) == (ours.ModelError, str(error), error.prediction)


@pytest.mark.parametrize("way", [completed, collected])
def test_the_key_is_in_no_error_and_in_no_frame_of_ours(way):
    refuses = [Receive(), Send(answer(401, b'{"detail":"no"}'))]
    with ScriptedServer(refuses) as api, pytest.raises(theirs.MissingAuthError) as caught:
        way(GEMMA, hi(), api_key=KEY, base_url=api.url)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in shown.stack if "/replicate_home/" in frame.filename]
    assert frames
    assert not [frame for frame in frames if KEY in str(frame.locals)]


# ---- leaving early ----


def test_a_streamed_chat_that_is_left_cancels_the_prediction(hosted):
    waiting = hosted.next(paused())
    for chunk in Client(provider=ReplicateHome, api_key=KEY).chat.completions.create(hi(), stream=True):
        assert chunk.choices[0].delta.content == "Hello"
        break
    assert was_canceled(waiting)


def test_a_streamed_chat_that_is_closed_cancels_the_prediction(hosted):
    waiting = hosted.next(paused())
    streaming = Client(provider=ReplicateHome, api_key=KEY).chat.completions.create(hi(), stream=True)
    next(streaming)
    streaming.close()
    assert was_canceled(waiting)


def test_a_streamed_async_chat_that_is_left_cancels_the_prediction(hosted):
    waiting = hosted.next(paused())

    async def main():
        async for _ in AsyncClient(provider=ReplicateHome, api_key=KEY).chat.completions.create(hi(), stream=True):
            return

    asyncio.run(main())
    assert was_canceled(waiting)


def test_a_streamed_async_chat_with_the_homepage_that_is_left_leaves_nothing_open(server):
    server.add(GEMMA, grows("Hel", "lo"))

    async def main():
        async for chunk in AsyncClient(provider=ReplicateHome).chat.completions.create(hi(), stream=True):
            assert chunk.choices[0].delta.content == "Hel"
            break

    asyncio.run(main())


def test_an_async_chat_whose_task_is_cancelled_cancels_the_prediction(hosted):
    waiting = hosted.next(paused())

    async def main():
        create = AsyncClient(provider=ReplicateHome, api_key=KEY).chat.completions.create
        async with asyncio.timeout(1):
            await create(hi())

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert was_canceled(waiting)


def test_an_answer_cut_by_max_tokens_cancels_the_rest(hosted, chat):
    waiting = hosted.next(paused())
    assert chat(api_key=KEY, max_tokens=1).text == "Hello"
    assert was_canceled(waiting)
