"""Code as README and docs write it, for type checkers: none of it is run, and none of it needs a cast or an ignore."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import replicate_home
from replicate_home import (
    AsyncClient,
    AsyncPrediction,
    AsyncStream,
    Client,
    FileOutput,
    ModelError,
    Prediction,
    PredictionTimeout,
    Result,
    Snapshot,
    Stream,
)
from replicate_home.testing import FakeReplicate


def streams(client: Client) -> str:
    """A chunk of a stream is a string."""
    for chunk in client.stream("owner/llm", prompt="Hi", timeout=5):
        assert_type(chunk, str)
        print(chunk.upper(), end="", flush=True)
    with client.stream("owner/llm", {"prompt": "Hi"}) as stream:
        assert_type(stream, Stream)
        for event in stream.events():
            if event.event == "output":
                print(event.data)
        if stream.prediction is not None:
            assert_type(stream.prediction, Snapshot)
    return "".join(client.stream("owner/llm", prompt="Hi"))


def runs(client: Client) -> None:
    """A result has what its output has."""
    result = client.run("owner/model", prompt="an astronaut", timeout=60, wait=5, progress=True)
    assert_type(result, Result)
    assert_type(result.text, str)
    assert_type(result.file, FileOutput)
    assert_type(result.save("astronaut.png"), Path)
    assert_type(result.read(), bytes)
    print(list(result), len(result), result[0].read(), "a" in result, f"{result:>9}")
    if isinstance(result, list):
        result.append("more")
    assert result == ["Hello"]
    for item in result:
        item.save("out.png")
    assert_type(result.save_all("folder"), list[Path])


def uses(client: Client) -> None:
    """A model as a function."""
    plasma = client.use("local/plasma", timeout=60)
    assert_type(plasma(prompt="moon", width=64), Result)
    assert_type("".join(plasma.stream(prompt="moon")), str)


def predictions(client: Client) -> None:
    """A handle, its pages, and what errors know."""
    prediction = client.predictions.create("owner/model", {"prompt": "Hi"})
    assert_type(prediction, Prediction)
    assert_type(prediction.wait(timeout=5).status, str)
    for one in client.predictions.list():
        assert_type(one, Prediction)
    for one in client.predictions.list().all():
        assert_type(one.id, str)
    try:
        prediction.result()
    except ModelError as error:
        print(error.prediction.logs)
    except PredictionTimeout as error:
        print(client.predictions.get(error.prediction.id).wait().output)


def module_level() -> None:
    """The same on the default client."""
    assert_type(replicate_home.run("owner/model", prompt="Hi"), Result)
    assert_type(replicate_home.stream("owner/model", {"prompt": "Hi"}), Stream)
    assert_type(replicate_home.use("owner/model")(prompt="Hi"), Result)


def fakes() -> None:
    """The test double."""
    fake = FakeReplicate()
    fake.on("owner/llm").streams("Hel", "lo").takes(600)
    assert fake.client().stream("owner/llm", prompt="Hi", timeout=700).text() == "Hello"


async def awaited() -> None:
    """The async client has the same names."""
    async with AsyncClient(timeout=5) as client:
        result = await client.run("owner/model", prompt="Hi")
        assert_type(result, Result)
        assert_type(await result.asave("astronaut.png"), Path)
        stream = client.stream("owner/model", prompt="Hi")
        assert_type(stream, AsyncStream)
        async for chunk in stream:
            assert_type(chunk, str)
        prediction = await client.predictions.create("owner/model", {"prompt": "Hi"})
        assert_type(prediction, AsyncPrediction)
        async for one in client.predictions.list():
            assert_type(one, AsyncPrediction)
        page = await client.predictions.list()
        print(len(page), page[0].id, [one.id async for one in client.predictions.list().all()])
