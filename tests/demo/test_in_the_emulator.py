"""The demo models as a client meets them: created over the API, followed in virtual time."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from replicate_home.clock import FakeClock
from replicate_home.demo import MODELS
from replicate_home.emulator.emulator import Emulator
from replicate_home.wire import Request


class Api:
    """Just enough of a client to create a prediction and to look at it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self._emulator = Emulator(MODELS, clock=self.clock)

    def call(self, method: str, path: str, body: object = None) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        url = path if "://" in path else self._emulator.base_url.removesuffix("/v1") + "/v1" + path
        headers = {"Content-Type": "application/json"}
        return self._emulator.handle(Request(method, url, headers, content))[0].body

    def create(self, model: str, **inputs: Any) -> dict[str, Any]:
        return json.loads(self.call("POST", f"/models/{model}/predictions", {"input": inputs}))

    def look(self, created: dict[str, Any], at: float) -> dict[str, Any]:
        self.clock.advance_to(at)
        return json.loads(self.call("GET", f"/predictions/{created['id']}"))


@pytest.fixture
def api() -> Api:
    return Api()


def test_markov_streams_twenty_words_a_second(api) -> None:
    created = api.create("local/markov", prompt="The interpreter", seed=1)
    half, whole = api.look(created, 1.0), api.look(created, 10.0)
    assert half["status"] == "processing"
    assert 19 <= len(half["output"]) <= 22
    assert whole["status"] == "succeeded"
    assert whole["output"] == list(MODELS["local/markov"](_Silent(), "The interpreter", seed=1))


def test_eliza_answers_messages(api) -> None:
    created = api.create("local/eliza", messages=[{"role": "user", "content": "Hello"}], seed=1)
    assert "".join(api.look(created, 10.0)["output"]).startswith(("Hello", "Hi there", "How are you"))


def test_plasma_gives_a_png_that_posterize_takes(api) -> None:
    picture = api.look(api.create("local/plasma", prompt="sea", width=64, height=64), 5.0)
    png = api.call("GET", picture["output"])
    uri = "data:image/png;base64," + base64.b64encode(png).decode()
    created = api.create("local/posterize", image=uri, levels=2, seconds=20)
    midway, done = api.look(created, 16.0), api.look(created, 60.0)
    assert midway["logs"].splitlines()[-1] == " 50%|#####     | 5/10 [00:10<00:10]"
    with Image.open(BytesIO(api.call("GET", done["output"]))) as image:
        assert (image.format, image.size) == ("PNG", (64, 64))


@pytest.mark.parametrize(
    ("model", "inputs", "error"),
    [
        ("local/markov", {"prompt": ""}, "prompt must not be empty: write the words to continue"),
        ("local/eliza", {}, "prompt must not be empty: write something, in prompt or in the last user message"),
        ("local/plasma", {"prompt": "sea", "width": 1}, "width must be between 16 and 2048 pixels, got 1"),
        (
            "local/posterize",
            {"image": "data:text/plain,no%20picture"},
            "image must be a picture that Pillow can read, such as a PNG, JPEG, GIF or WebP",
        ),
    ],
)
def test_what_a_model_cannot_do_is_a_failed_prediction_that_says_why(model, inputs, error, api) -> None:
    failed = api.look(api.create(model, **inputs), 10.0)
    assert (failed["status"], failed["error"]) == ("failed", error)


class _Silent:
    """A run that is not followed."""

    def sleep(self, seconds: float) -> None:
        """No time passes."""
