"""Predictor classes as local models."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest

from replicate_home import Client, InvalidInput, ModelError


class Text:
    """Says words."""

    made = 0

    def setup(self) -> None:
        type(self).made += 1
        self.mark = "!"

    def predict(self, prompt: str, n: Annotated[int, {"minimum": 1, "maximum": 3}] = 2) -> Iterator[str]:
        for _ in range(n):
            yield prompt + self.mark


def test_setup_runs_once_and_predict_streams():
    Text.made = 0
    with Client.local({"local/text": Text}) as client:
        assert Text.made == 0
        assert list(client.stream("local/text", prompt="a")) == ["a!", "a!"]
        assert client.run("local/text", prompt="b", input={"n": 1}).text == "b!"
        assert Text.made == 1
        schema = client.models.schema("local/text")
        assert (schema.input["n"]["minimum"], schema.input["n"]["default"]) == (1, 2)
        with pytest.raises(InvalidInput, match="at most 3"):
            client.run("local/text", prompt="b", input={"n": 9})


def test_a_setup_that_fails_is_the_error_of_every_prediction_with_its_traceback():
    class Broken:
        attempts = 0

        def setup(self) -> None:
            type(self).attempts += 1
            raise RuntimeError("no weights")

        def run(self) -> str:
            return "never"

    with Client.local({"local/broken": Broken}) as client:
        for _ in range(2):
            with pytest.raises(ModelError, match=r"(?s)setup failed: Traceback.*in setup.*no weights"):
                client.run("local/broken")
    assert Broken.attempts == 1


def test_async_methods_are_awaited_in_one_loop():
    class Async:
        async def setup(self) -> None:
            self.loop = asyncio.get_running_loop()

        async def predict(self, n: int = 2) -> AsyncIterator[str]:
            assert asyncio.get_running_loop() is self.loop
            for number in range(n):
                await asyncio.sleep(0)
                yield str(number)

    with Client.local({"local/async": Async}) as client:
        assert list(client.stream("local/async")) == ["0", "1"]


def test_an_async_value_and_a_file_and_a_record():
    @dataclasses.dataclass
    class Output:
        text: str
        file: Path

    class Files:
        async def predict(self, image: Path, folder: str) -> Output:
            target = Path(folder) / "out.txt"
            target.write_bytes(image.read_bytes() * 2)
            return Output("done", target)

    with Client.local({"local/files": Files}) as client:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            result = client.run("local/files", {"image": b"ab", "folder": folder})
            assert (result["text"], result["file"].read()) == ("done", b"abab")


def test_what_cog_writes_is_understood_by_its_names():
    """As Cog 0.23 has them: the tests against real servers hold this to the real classes."""

    class FieldInfo:
        def __init__(self, default: Any = None, **said: Any) -> None:
            self.default = default
            for name in ("description", "ge", "le", "min_length", "max_length", "regex", "choices"):
                setattr(self, name, said.get(name))

    FieldInfo.__module__ = "cog.input"

    class Predictor:
        def predict(
            self,
            n: int = FieldInfo(default=2, ge=1, le=3),
            word: str = FieldInfo(description="Which"),
            mode: str = FieldInfo(default="plain", choices=["plain", "loud"]),
            more: str | None = FieldInfo(),
        ) -> str:
            return f"{word * n} {mode} {more}"

    with Client.local({"local/p": Predictor}) as client:
        assert client.run("local/p", {"word": "a"}) == "aa plain None"
        with pytest.raises(InvalidInput, match="word"):
            client.run("local/p", {})
        with pytest.raises(InvalidInput, match="mode"):
            client.run("local/p", {"word": "a", "mode": "odd"})


def test_what_a_predictor_prints_is_in_the_logs_also_from_its_event_loop():
    class Predictor:
        async def setup(self) -> None:
            print("loading")

        async def predict(self, n: int) -> AsyncIterator[str]:
            for number in range(n):
                print("at", number)
                yield str(number)

    with Client.local({"local/p": Predictor}) as client:
        assert client.run("local/p", {"n": 2}).logs == "loading\nat 0\nat 1\n"
