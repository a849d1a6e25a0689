"""The same emulator in this process and behind real sockets: one answer, one create."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from replicate_home import Client, FileOutput, ModelNotFound, PredictionTimeout
from replicate_home.demo import MODELS
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.http_server import serve

QUICK = {"seed": 3, "tokens_per_second": 10_000}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(MODELS) as made:
        yield made


@pytest.fixture
def remote(emulator: Emulator) -> Iterator[Client]:
    with serve(emulator) as server, Client(api_token="r8_x", base_url=f"{server.url}/v1") as client:
        yield client


def test_the_same_seed_gives_the_same_text_in_process_and_over_sockets(emulator: Emulator, remote: Client) -> None:
    with Client.local() as local:
        for prompt in ("The interpreter", "Tell me a joke", "日本語"):
            here = list(local.stream("local/markov", {"prompt": prompt, **QUICK}))
            assert list(remote.stream("local/markov", {"prompt": prompt, **QUICK})) == here
            assert remote.run("local/markov", {"prompt": prompt, **QUICK}) == here
    created = [request for request in emulator.requests if (request.method, request.path) == ("POST", "/predictions")]
    assert len(created) == len(emulator.calls) == 6


def test_the_same_seed_gives_the_same_picture(remote: Client) -> None:
    wanted = {"prompt": "sunset over the sea", "width": 64, "height": 64, "seed": 1}
    with Client.local() as local:
        there, here = remote.run("local/plasma", wanted), local.run("local/plasma", wanted)
        assert isinstance(there, FileOutput)
        assert isinstance(here, FileOutput)
        assert there.url.startswith("http://127.0.0.1:")
        assert there.read() == here.read()


def test_a_picture_of_this_process_is_an_input_over_there(remote: Client) -> None:
    with Client.local() as local:
        picture = local.run("local/plasma", {"prompt": "sea", "width": 32, "height": 32})
        posterized = remote.run("local/posterize", {"image": picture})
    assert isinstance(posterized, FileOutput)
    assert posterized.read().startswith(b"\x89PNG")


def test_leaving_cancels_over_there(emulator: Emulator, remote: Client) -> None:
    with remote.stream("local/markov", prompt="The interpreter") as stream:
        next(stream)
    assert remote.predictions.get(emulator.calls[0].prediction_id).status == "canceled"
    with pytest.raises(PredictionTimeout) as caught:
        remote.run("local/markov", prompt="The interpreter", timeout=0.3)
    assert caught.value.canceled
    assert remote.predictions.get(emulator.calls[1].prediction_id).status == "canceled"


def test_an_unknown_model_is_said(remote: Client) -> None:
    with pytest.raises(ModelNotFound, match="owner/unknown"):
        remote.run("owner/unknown", prompt="Hi")


def test_a_result_is_json_that_can_be_written(remote: Client) -> None:
    result = remote.run("local/markov", {"prompt": "The", **QUICK})
    assert json.loads(json.dumps(result)) == result
