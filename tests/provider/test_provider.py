"""The provider class, without g4f: over a homepage and a hosted API on this machine, in loops and threads."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import pickle
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from replicate_home import (
    AuthenticationError,
    CreateOutcomeUnknown,
    Images,
    InvalidInput,
    ModelCanceled,
    ModelError,
    ModelNotFound,
    PredictionTimeout,
    ProxyFailed,
    RateLimited,
    ReplicateHome,
    ReplicateHomeError,
)
from replicate_home.dialects import catalogue
from replicate_home.provider import shared_transport
from replicate_home.testing.scripted_server import Receive, ScriptedServer, Send, Serve, Stall, answer
from tests.reliability.hosted_server import CutAfter, HostedServer, Job, by_name
from tests.servers.fault_server import AUTHORITY, Relay, speaks_tls
from tests.servers.home_server import HANG_UP, HomeServer, Step, fails, grows, job, returns, too_many

GEMMA = "google-deepmind/gemma-2b-it"
GEMMA_VERSION = "dff94eaf770e1fc211e425a50b51baa8e4cac6c39ef074681f9e39d778773626"
SD3 = "stability-ai/stable-diffusion-3"
SD3_VERSION = "527d2a6296facb8e47ba1eaf17f142c240c19a30894f437feee9b91cc29d8e4f"
HI = [{"role": "user", "content": "Hi"}]
KEY = "r8_0123456789abcdefghijklmnop"
URLS = [f"https://replicate.delivery/x/{number}.png" for number in range(4)]

Ask = Callable[..., list[Any]]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HomeServer]:
    with HomeServer() as running:
        monkeypatch.setattr(ReplicateHome, "base_url", running.url)
        yield running


def in_a_thread(*args: Any, of: type[ReplicateHome] = ReplicateHome, **kwargs: Any) -> list[Any]:
    return list(of.create_completion(*args, **kwargs))


def in_a_loop(*args: Any, of: type[ReplicateHome] = ReplicateHome, **kwargs: Any) -> list[Any]:
    async def all_of_it() -> list[Any]:
        return [piece async for piece in of.create_async_generator(*args, **kwargs)]

    return asyncio.run(all_of_it())


@pytest.fixture(params=[in_a_loop, in_a_thread], ids=["loop", "thread"])
def ask(request: pytest.FixtureRequest) -> Ask:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=["aiohttp", "threads"])
def ways_of_loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Event loops reach the network by aiohttp, and where that is not installed by threads."""
    if request.param == "aiohttp":
        pytest.importorskip("aiohttp")
    else:
        monkeypatch.setattr(shared_transport, "find_spec", lambda name: None)
        monkeypatch.setattr("replicate_home.threads.IDLE_SECONDS", 0.01)


def sent(server: HomeServer) -> Any:
    """The last create."""
    return [request.json for request in server.requests if request.method == "POST"][-1]


# ---- text ----


def test_text_is_yielded_as_it_appears(server: HomeServer, ask: Ask) -> None:
    server.add(GEMMA, grows("Hel", "lo", "!"))
    assert ask(GEMMA, HI) == ["Hel", "lo", "!"]
    assert sent(server) == {"model": GEMMA, "version": GEMMA_VERSION, "input": {"prompt": "Hi"}}
    assert server.creates == 1


def test_the_first_piece_does_not_wait_for_the_last(server: HomeServer) -> None:
    server.add(GEMMA, grows("Hel", "lo"))
    answering = ReplicateHome.create_completion(GEMMA, HI)
    assert (next(answering), server.polls) == ("Hel", 1)
    assert (next(answering), server.polls) == ("lo", 2)
    assert list(answering) == []


def test_the_first_piece_does_not_wait_for_the_last_in_an_event_loop(server: HomeServer, ways_of_loops: None) -> None:
    server.add(GEMMA, grows("Hel", "lo"))

    async def main() -> list[Any]:
        return [(piece, server.polls) async for piece in ReplicateHome.create_async_generator(GEMMA, HI)]

    assert asyncio.run(main()) == [("Hel", 1), ("lo", 2)]


def test_nothing_is_asked_before_the_first_piece_is_wanted(server: HomeServer) -> None:
    server.add(GEMMA, returns(["Hi"]))
    ReplicateHome.create_completion(GEMMA, HI)
    ReplicateHome.create_async_generator(GEMMA, HI)
    assert server.requests == []


@pytest.mark.parametrize(
    ("output", "yielded"),
    [
        (["Hel", "lo"], ["Hel", "lo"]),
        ("Hello", ["Hello"]),
        (["Hel", None, "", "lo"], ["Hel", "lo"]),
        (None, []),
        ([], []),
        ({"text": "é", "score": 1}, ['{"text": "é", "score": 1}']),
        (7, ["7"]),
        (["https://replicate.delivery/x/0.png"], ["https://replicate.delivery/x/0.png"]),
    ],
)
def test_the_output_of_a_text_model_is_text(server: HomeServer, ask: Ask, output: Any, yielded: list[str]) -> None:
    server.add(GEMMA, returns(output))
    assert ask(GEMMA, HI) == yielded


def test_a_text_that_grows_is_yielded_by_what_is_new(server: HomeServer, ask: Ask) -> None:
    server.add(GEMMA, job(Step("processing", "Hel"), Step("succeeded", "Hello, world", poll=2)))
    assert ask(GEMMA, HI) == ["Hel", "lo, world"]


def test_several_messages_become_one_prompt(server: HomeServer, ask: Ask) -> None:
    server.add(GEMMA, returns(["Hi"]))
    parts = [{"type": "text", "text": "And "}, {"type": "text", "text": "you?"}]
    called = {"role": "assistant", "content": None, "tool_calls": []}
    ask(GEMMA, [{"role": "system", "content": "Be kind."}, *HI, called, {"role": "user", "content": parts}])
    assert sent(server)["input"] == {"prompt": "System: Be kind.\nUser: Hi\nUser: And you?\nAssistant:"}


def test_a_prompt_goes_before_the_messages(server: HomeServer, ask: Ask) -> None:
    server.add(GEMMA, returns(["Hi"]))
    ask(GEMMA, HI, "Bye")
    assert sent(server)["input"] == {"prompt": "Bye"}


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "user", "content": ""}],
        [{"role": "assistant", "content": None}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": URLS[0]}}]}],
        ["Hi"],
    ],
    ids=["none", "empty", "no content", "an image", "no message"],
)
def test_messages_without_text_are_a_value_error_before_any_request(
    server: HomeServer, ask: Ask, messages: list[Any]
) -> None:
    with pytest.raises(ValueError, match=r"messages|a message must be"):
        ask(GEMMA, messages)
    assert server.requests == []


def test_an_empty_prompt_is_the_models_business(server: HomeServer, ask: Ask) -> None:
    server.add(GEMMA, returns(["Hi"]))
    ask(GEMMA, HI, prompt="")
    assert sent(server)["input"]["prompt"] == ""


# ---- images ----


def test_all_images_are_yielded_as_one_that_prints_as_markdown(server: HomeServer, ask: Ask) -> None:
    server.add(SD3, returns(URLS))
    (images,) = ask(SD3, HI, prompt="an astronaut")
    assert isinstance(images, Images)
    assert (images.urls, images.alt) == (URLS, "an astronaut")
    assert str(images) == "\n".join(f"![an astronaut]({url})" for url in URLS)
    assert sent(server) == {"model": SD3, "version": SD3_VERSION, "input": {"prompt": "an astronaut"}}


def test_images_that_appear_one_after_the_other_are_still_one(server: HomeServer, ask: Ask) -> None:
    server.add(SD3, grows(*URLS))
    (images,) = ask(SD3, HI)
    assert images.urls == URLS


@pytest.mark.parametrize(
    "output",
    [
        "https://elsewhere.example/0.png",
        ["https://elsewhere.example/0.png"],
        {"image": "https://elsewhere.example/0.png"},
    ],
    ids=["string", "list", "object"],
)
def test_an_image_models_url_is_an_image_wherever_it_is(server: HomeServer, ask: Ask, output: Any) -> None:
    server.add(SD3, returns(output))
    (images,) = ask(SD3, HI)
    assert images.urls == ["https://elsewhere.example/0.png"]


def test_an_image_may_be_its_own_data(server: HomeServer, ask: Ask) -> None:
    server.add(SD3, returns(["data:image/png;base64,iVBORw0KGgo="]))
    (images,) = ask(SD3, HI)
    assert images.urls == ["data:image/png;base64,iVBORw0KGgo="]


def test_an_image_model_that_returns_nothing_yields_nothing(server: HomeServer, ask: Ask) -> None:
    server.add(SD3, returns(None))
    assert ask(SD3, HI) == []


def test_an_image_model_that_speaks_is_heard(server: HomeServer, ask: Ask) -> None:
    server.add(SD3, returns(["no: unsafe"]))
    assert ask(SD3, HI) == ["no: unsafe"]


def test_an_earlier_model_of_unknown_kind_yields_text_and_the_files_of_the_delivery_hosts(
    server: HomeServer, ask: Ask
) -> None:
    server.add("black-forest-labs/flux-schnell", returns(["drawn: ", URLS[0], "https://example.com/"]))
    text, other, images = ask("flux-schnell", HI)
    assert (text, other, images.urls) == ("drawn: ", "https://example.com/", [URLS[0]])


def test_without_a_prompt_an_image_model_draws_the_last_message(server: HomeServer, ask: Ask) -> None:
    server.add(SD3, returns(URLS[:1]))
    (images,) = ask(SD3, [{"role": "system", "content": "Draw."}, {"role": "user", "content": ["a ", "cat"]}])
    assert sent(server)["input"] == {"prompt": "a cat"}
    assert images.alt == "a cat"


def test_markdown_is_not_broken_by_a_prompt_or_a_url() -> None:
    images = Images(["https://x.example/a (1).png"], "[one]\n two\\")
    assert images == "![\\[one\\] two\\\\](https://x.example/a%20%281%29.png)"
    assert (images.urls, images.alt) == (["https://x.example/a (1).png"], "[one]\n two\\")


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_images_copy_and_pickle(again: Callable[[Images], Images]) -> None:
    same = again(Images(URLS, "a cat"))
    assert (type(same), str(same), same.urls, same.alt) == (Images, str(Images(URLS, "a cat")), URLS, "a cat")


# ---- which model ----


@pytest.mark.parametrize("model", [None, "", "auto"])
def test_no_model_is_the_default_one(server: HomeServer, ask: Ask, model: str | None) -> None:
    server.add(None, returns(["Hi"]))
    ask(model, HI)
    assert sent(server)["model"] == GEMMA


@pytest.mark.parametrize("model", [None, "", "auto"])
def test_no_model_and_a_prompt_is_the_default_image_model(server: HomeServer, ask: Ask, model: str | None) -> None:
    server.add(None, returns(URLS))
    ask(model, [], prompt="a cat")
    assert sent(server)["model"] == SD3


@pytest.mark.parametrize(
    ("model", "full"),
    [
        (GEMMA, GEMMA),
        ("Google-DeepMind/GEMMA-2b-it", GEMMA),
        ("gemma-2b", GEMMA),
        ("SD-3", SD3),
        (" sdxl ", "bytedance/sdxl-lightning-4step"),
        ("gemma-2b-it", GEMMA),
        ("stable-diffusion-3", SD3),
        ("mixtral-8x7b", "mistralai/mixtral-8x7b-instruct-v0.1"),
        ("meta/llama-2-70b-chat", "meta/llama-2-70b-chat"),
        (f"{GEMMA}:dp-cf04fe09351e25db628e8b6181276547", f"{GEMMA}:dp-cf04fe09351e25db628e8b6181276547"),
    ],
)
def test_a_model_is_found_by_its_full_name_its_short_one_or_without_its_owner(model: str, full: str) -> None:
    assert ReplicateHome.get_model(model) == full


def test_a_version_that_is_named_is_the_one_that_is_asked(server: HomeServer, ask: Ask) -> None:
    server.add(GEMMA, returns(["Hi"]))
    ask(f"{GEMMA}:dp-cf04fe09351e25db628e8b6181276547", HI)
    assert sent(server)["version"] == "dp-cf04fe09351e25db628e8b6181276547"


def test_a_model_that_is_no_reference_is_said_before_any_request(server: HomeServer, ask: Ask) -> None:
    with pytest.raises(InvalidInput, match="'a:b:c' is not a model"):
        ask("a:b:c", HI)
    assert server.requests == []


@pytest.mark.parametrize("model", ["owner/unknown", "it", "-3", "gpt-4"])
def test_an_unknown_model_is_said_before_any_request_with_what_there_is(
    server: HomeServer, ask: Ask, model: str
) -> None:
    with pytest.raises(ModelNotFound) as caught:
        ask(model, HI)
    assert model in str(caught.value)
    assert server.requests == []


def test_the_message_about_an_unknown_model_lists_the_models_and_their_short_names() -> None:
    with pytest.raises(ModelNotFound) as caught:
        ReplicateHome.get_model("gpt-4")
    assert all(name in str(caught.value) for name in [*ReplicateHome.models, *ReplicateHome.model_aliases])


def test_a_name_that_several_models_have_is_not_guessed() -> None:
    class Two(ReplicateHome):
        models = ("me/gemma-2b-it", GEMMA)  # type: ignore[assignment]

    with pytest.raises(ModelNotFound, match=rf"is ambiguous \({GEMMA}, me/gemma-2b-it\)"):
        Two.get_model("gemma-2b-it")


def test_a_model_is_a_string() -> None:
    with pytest.raises(TypeError, match="got int"):
        ReplicateHome.get_model(7)  # type: ignore[arg-type]


def test_the_attributes_are_the_catalogues() -> None:
    names = ["default_model", "default_image_model", "text_models", "image_models", "models", "model_aliases"]
    assert {name: getattr(ReplicateHome, name) for name in names} == {name: getattr(catalogue, name) for name in names}
    assert ReplicateHome.get_models() == catalogue.models
    assert ReplicateHome.model_versions == catalogue.model_versions
    assert ReplicateHome.url == "https://replicate.com"
    assert ReplicateHome.api_endpoint == "https://homepage.replicate.com/api/prediction"
    assert (ReplicateHome.working, ReplicateHome.supports_stream) == (True, True)


def test_a_subclass_has_its_own_server_and_models(ask: Ask) -> None:
    with HomeServer() as elsewhere:

        class Elsewhere(ReplicateHome):
            base_url = elsewhere.url
            default_model = "me/parrot"
            text_models = ("me/parrot",)  # type: ignore[assignment]
            models = ("me/parrot",)  # type: ignore[assignment]
            model_versions = {"me/parrot": GEMMA_VERSION}  # noqa: RUF012

        elsewhere.add("me/parrot", returns(["Hi"]))
        assert ask("PARROT", HI, of=Elsewhere) == ["Hi"]
    assert Elsewhere.api_endpoint == f"{elsewhere.url}/api/prediction"


# ---- what reaches the model ----


def test_sampling_options_reach_a_text_model_by_its_own_names(server: HomeServer, ask: Ask) -> None:
    server.add(GEMMA, returns(["Hi"]))
    options = {"temperature": 0.2, "top_p": 0.9, "top_k": 40, "seed": 7, "max_tokens": 64, "stop": ["END", "\n\n"]}
    ask(GEMMA, HI, **options)
    expected = {"temperature": 0.2, "top_p": 0.9, "top_k": 40, "seed": 7}
    expected |= {"max_new_tokens": 64, "stop_sequences": "END,\n\n"}
    assert sent(server)["input"] == {"prompt": "Hi", **expected}


def test_picture_options_reach_an_image_model_by_its_own_names(server: HomeServer, ask: Ask) -> None:
    server.add(SD3, returns(URLS))
    ask(SD3, HI, n=4, size="1024x768", seed=7, aspect_ratio="4:3", negative_prompt="fog", temperature=1, max_tokens=5)
    expected = {"num_outputs": 4, "width": 1024, "height": 768, "seed": 7, "aspect_ratio": "4:3"}
    assert sent(server)["input"] == {"prompt": "Hi", **expected, "negative_prompt": "fog"}


def test_width_and_height_go_before_size(server: HomeServer, ask: Ask) -> None:
    server.add(SD3, returns(URLS))
    ask(SD3, HI, size="1024x768", width=512, height=None)
    assert sent(server)["input"] == {"prompt": "Hi", "width": 512, "height": 768}


def test_a_malformed_size_is_a_value_error(server: HomeServer, ask: Ask) -> None:
    with pytest.raises(ValueError, match="size must be width and height such as '1024x768'"):
        ask(SD3, HI, size="large")
    assert server.requests == []


def test_extra_body_is_the_models_input_and_has_the_last_word(server: HomeServer, ask: Ask) -> None:
    server.add(GEMMA, returns(["Hi"]))
    ask(GEMMA, HI, temperature=1, extra_body={"temperature": 0.1, "repetition_penalty": 1.2})
    assert sent(server)["input"] == {"prompt": "Hi", "temperature": 0.1, "repetition_penalty": 1.2}


def test_extra_body_is_a_mapping(server: HomeServer, ask: Ask) -> None:
    with pytest.raises(TypeError, match="extra_body must be a mapping of inputs, got list"):
        ask(GEMMA, HI, extra_body=[1])


def test_what_is_not_known_is_accepted_and_ignored(server: HomeServer, ask: Ask) -> None:
    server.add(GEMMA, returns(["Hi"]))
    unknown: dict[str, Any] = {"provider": "x", "media": [(b"1", "a.png")], "conversation": None, "response_format": {}}
    unknown |= {"size": "large", "n": 2}
    unset = {"api_key": None, "base_url": None, "proxy": None, "extra_body": None, "temperature": None}
    assert ask(GEMMA, HI, stream=True, stream_timeout=9, tools=None, user="me", **unknown, **unset) == ["Hi"]
    assert sent(server)["input"] == {"prompt": "Hi"}


@pytest.mark.parametrize("stream", [True, False])
def test_stream_changes_nothing(server: HomeServer, ask: Ask, stream: bool) -> None:
    server.add(GEMMA, grows("Hel", "lo"))
    assert ask(GEMMA, HI, stream=stream) == ["Hel", "lo"]


# ---- time, money, errors ----


def test_the_timeout_holds_and_the_create_is_sent_once(server: HomeServer, ask: Ask) -> None:
    server.add(GEMMA, job(Step("processing", None)))
    with pytest.raises(PredictionTimeout) as caught:
        ask(GEMMA, HI, timeout=1)
    assert caught.value.prediction is not None
    assert (caught.value.prediction.id, server.creates) == ("home00000000", 1)


def test_a_create_without_an_answer_is_not_sent_again(server: HomeServer, ask: Ask) -> None:
    server.refusals.extend([HANG_UP, HANG_UP])
    with pytest.raises(CreateOutcomeUnknown):
        ask(GEMMA, HI)
    assert len(server.requests) == 1


def test_a_create_that_was_refused_is_sent_again_after_the_wait_it_asks_for(server: HomeServer, ask: Ask) -> None:
    server.refusals.append(too_many(0))
    server.add(GEMMA, returns(["Hi"]))
    assert ask(GEMMA, HI) == ["Hi"]
    assert server.creates == 1


def test_a_wait_longer_than_the_budget_is_said_at_once(server: HomeServer, ask: Ask) -> None:
    server.refusals.append(too_many(30))
    with pytest.raises(RateLimited) as caught:
        ask(GEMMA, HI, timeout=5)
    assert caught.value.retry_after == 30


def test_a_failed_prediction_says_why(server: HomeServer, ask: Ask) -> None:
    server.add(GEMMA, fails("out of memory"))
    with pytest.raises(ModelError, match="out of memory"):
        ask(GEMMA, HI)


def test_a_canceled_prediction_is_said_after_what_it_had_to_say(server: HomeServer) -> None:
    server.add(GEMMA, job(Step("processing", ["a"]), Step("canceled", ["a"], poll=2)))
    answering = ReplicateHome.create_completion(GEMMA, HI)
    assert next(answering) == "a"
    with pytest.raises(ModelCanceled):
        next(answering)


def test_images_of_a_prediction_that_fails_are_not_yielded(server: HomeServer, ask: Ask) -> None:
    server.add(SD3, job(Step("processing", URLS[:1]), Step("failed", URLS[:1], "out of memory", poll=2)))
    with pytest.raises(ModelError, match="out of memory"):
        ask(SD3, HI)


# ---- proxies ----


def served(*answers: Any) -> list[Any]:
    """A script for one connection: each request gets the next answer."""
    return [step for body in answers for step in (Receive(), Send(answer(200, json.dumps(body).encode())))]


CREATED = {"id": "home1", "status": "starting"}
DONE = {"id": "home1", "status": "succeeded", "output": ["Hi"]}


def test_an_http_proxy_is_asked_with_its_credentials(ask: Ask, ways_of_loops: None) -> None:
    with ScriptedServer(served(CREATED, DONE)) as proxy:
        through = f"http://me:secret@127.0.0.1:{proxy.port}"
        assert ask(GEMMA, HI, proxy=through, base_url="http://homepage.example") == ["Hi"]
    assert [request.target for request in proxy.requests] == [
        "http://homepage.example/api/prediction",
        "http://homepage.example/api/poll?id=home1",
    ]
    credentials = "Basic " + base64.b64encode(b"me:secret").decode()
    assert {request.headers["proxy-authorization"] for request in proxy.requests} == {credentials}


def test_https_goes_through_a_tunnel_of_the_proxy(
    ask: Ask, ways_of_loops: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
    with (
        ScriptedServer(served(CREATED, DONE), tls=speaks_tls()) as homepage,
        ScriptedServer([Receive(), Relay(homepage.port)]) as proxy,
    ):
        through = f"http://me:secret@127.0.0.1:{proxy.port}"
        assert ask(GEMMA, HI, proxy=through, base_url=homepage.url) == ["Hi"]
    (tunnel,) = proxy.requests
    assert (tunnel.method, tunnel.target) == ("CONNECT", f"127.0.0.1:{homepage.port}")
    assert tunnel.headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
    assert all("proxy-authorization" not in request.headers for request in homepage.requests)


@pytest.mark.long
def test_a_proxy_that_refuses_is_said_without_its_password(ask: Ask, ways_of_loops: None) -> None:
    with ScriptedServer([Receive(), Send(answer(407))], repeat=True) as proxy:
        through = f"http://me:secret@127.0.0.1:{proxy.port}"
        with pytest.raises(ProxyFailed) as caught:
            ask(GEMMA, HI, proxy=through, base_url="https://homepage.example", timeout=10)
    assert "secret" not in str(caught.value)


# ---- the hosted API ----


def paused() -> Job:
    """A prediction whose stream says a few words and then is silent."""
    return Job(by_name("plain"), [CutAfter(80, "idle")])


@pytest.fixture
def hosted(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostedServer]:
    with HostedServer() as running:
        monkeypatch.setattr(ReplicateHome, "api_base_url", running.url)
        yield running


def test_an_api_key_asks_the_hosted_api_for_the_same_model(hosted: HostedServer, ask: Ask, ways_of_loops: None) -> None:
    assert "".join(ask("gemma-2b", HI, api_key=KEY, seed=7)) == by_name("plain").text
    create = hosted.requests[0]
    assert (create.method, create.target) == ("POST", "/v1/predictions")
    assert json.loads(create.body) == {"version": f"{GEMMA_VERSION}", "input": {"prompt": "Hi", "seed": 7}}
    assert {request.headers["authorization"] for request in hosted.requests} == {f"Bearer {KEY}"}


def test_a_base_url_of_the_callers_own_is_asked_with_the_key(ask: Ask) -> None:
    with HostedServer() as elsewhere:
        assert "".join(ask(GEMMA, HI, api_key=KEY, base_url=elsewhere.url)) == by_name("plain").text
        assert elsewhere.creates == 1


def test_without_a_key_no_token_of_the_surroundings_is_sent(
    server: HomeServer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLICATE_API_TOKEN", KEY)
    monkeypatch.setenv("REPLICATE_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("REPLICATE_HOME_BACKEND", "local")
    server.add(GEMMA, returns(["Hi"]))
    assert ask(GEMMA, HI, api_key="") == ["Hi"]
    assert all("authorization" not in request.headers for request in server.requests)


def test_one_callers_key_is_not_the_next_ones(server: HomeServer, hosted: HostedServer, ask: Ask) -> None:
    ask(GEMMA, HI, api_key=KEY)
    server.add(GEMMA, returns(["Hi"]))
    assert ask(GEMMA, HI) == ["Hi"]
    assert all(KEY not in str(request) for request in server.requests)


@pytest.mark.parametrize(
    "options", [{"timeout": -1}, {"model": "gpt-4"}, {"base_url": "nowhere"}, {}, {"api_key": KEY + "\n"}]
)
def test_the_key_is_in_no_error_and_in_no_frame_of_ours(ask: Ask, options: dict[str, Any]) -> None:
    with ScriptedServer([Serve(lambda _: answer(401, b'{"detail":"no"}'))], repeat=True) as server:
        asked = {"model": GEMMA, "messages": HI, "api_key": KEY, "base_url": server.url, **options}
        with pytest.raises((ReplicateHomeError, ValueError)) as caught:
            ask(**asked)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "replicate_home" in frame.filename and frame.name != "checked_token"]
    assert ours
    assert KEY not in str(caught.value)
    assert not [frame for frame in ours if KEY in str(frame.locals)]


def test_a_malformed_key_is_an_error_before_any_request(ask: Ask) -> None:
    with pytest.raises(AuthenticationError):
        ask(GEMMA, HI, api_key="not a key")


def test_a_loop_that_is_left_cancels_the_prediction(hosted: HostedServer) -> None:
    waiting = hosted.next(paused())
    for piece in ReplicateHome.create_completion(GEMMA, HI, api_key=KEY):
        assert piece == "Hello"
        break
    assert waiting.canceled == 1


def test_closing_the_generator_cancels_the_prediction(hosted: HostedServer) -> None:
    waiting = hosted.next(paused())
    answering = ReplicateHome.create_completion(GEMMA, HI, api_key=KEY)
    next(answering)
    answering.close()
    assert waiting.canceled == 1
    assert list(answering) == []


def test_closing_the_async_generator_cancels_the_prediction(hosted: HostedServer, ways_of_loops: None) -> None:
    waiting = hosted.next(paused())

    async def main() -> int:
        async with aclosing(ReplicateHome.create_async_generator(GEMMA, HI, api_key=KEY)) as answering:
            assert await anext(answering) == "Hello"
        return waiting.canceled

    assert asyncio.run(main()) == 1


def test_an_async_loop_that_is_left_cancels_the_prediction_before_the_event_loop_ends(
    hosted: HostedServer, ways_of_loops: None
) -> None:
    waiting = hosted.next(paused())

    async def main() -> None:
        async for _ in ReplicateHome.create_async_generator(GEMMA, HI, api_key=KEY):
            return

    asyncio.run(main())
    assert waiting.canceled == 1


def test_cancelling_the_task_cancels_the_prediction(hosted: HostedServer, ways_of_loops: None) -> None:
    waiting = hosted.next(paused())

    async def main() -> None:
        heard = asyncio.Event()

        async def listen() -> None:
            async for _ in ReplicateHome.create_async_generator(GEMMA, HI, api_key=KEY):
                heard.set()

        task = asyncio.create_task(listen())
        await heard.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert waiting.canceled == 1


def test_an_asyncio_timeout_cancels_the_prediction(hosted: HostedServer, ways_of_loops: None) -> None:
    waiting = hosted.next(paused())

    async def main() -> None:
        async with asyncio.timeout(1):
            async for _ in ReplicateHome.create_async_generator(GEMMA, HI, api_key=KEY):
                pass

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert waiting.canceled == 1


# ---- connections ----


def test_a_call_has_one_connection(ask: Ask, ways_of_loops: None) -> None:
    with ScriptedServer([*served(CREATED, {**CREATED, "status": "processing"}, DONE), Stall()]) as homepage:
        assert ask(GEMMA, HI, base_url=homepage.url) == ["Hi"]
        assert homepage.connections == 1


def test_calls_that_go_on_at_once_share_their_connections_and_the_last_closes_them(
    server: HomeServer, ways_of_loops: None
) -> None:
    server.add(GEMMA, grows("Hel", "lo"))

    async def main() -> None:
        first = ReplicateHome.create_async_generator(GEMMA, HI)
        second = ReplicateHome.create_async_generator(GEMMA, HI)
        assert [await anext(first), await anext(second)] == ["Hel", "Hel"]
        (shared,) = shared_transport._shared.values()
        assert shared.calls == 2
        assert [piece async for piece in first] == ["lo"]
        assert [piece async for piece in second] == ["lo"]
        assert not shared_transport._shared

    asyncio.run(main())


def test_threads_share_their_connections_and_the_last_closes_them(server: HomeServer) -> None:
    server.add(GEMMA, grows("Hel", "lo"))
    both_ask = threading.Barrier(2)
    seen: set[int] = set()

    def listen() -> None:
        answering = ReplicateHome.create_completion(GEMMA, HI)
        next(answering)
        both_ask.wait(10)
        seen.update(map(id, shared_transport._shared.values()))
        both_ask.wait(10)
        list(answering)

    threads = [threading.Thread(target=listen) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 1
    assert not shared_transport._shared


def test_an_event_loop_that_ends_without_a_word_leaves_no_transport_behind(server: HomeServer) -> None:
    server.add(GEMMA, grows("Hel", "lo"))
    loop = asyncio.new_event_loop()
    answering = ReplicateHome.create_async_generator(GEMMA, HI)
    assert loop.run_until_complete(anext(answering)) == "Hel"
    assert len(shared_transport._shared) == 1
    loop.run_until_complete(answering.aclose())
    loop.close()
    assert not shared_transport._shared


def test_ten_at_once_in_one_event_loop(server: HomeServer, ways_of_loops: None) -> None:
    server.add(GEMMA, grows("Hel", "lo"))

    async def one() -> str:
        return "".join([piece async for piece in ReplicateHome.create_async_generator(GEMMA, HI)])

    async def main() -> list[str]:
        return await asyncio.gather(*(one() for _ in range(10)))

    assert asyncio.run(main()) == ["Hello"] * 10
    assert server.creates == 10


def test_the_provider_needs_neither_g4f_nor_aiohttp_to_be_imported() -> None:
    program = (
        "import sys; import replicate_home; replicate_home.ReplicateHome; "
        "print(sorted({'g4f', 'aiohttp', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
