"""Code as README and docs write it, for type checkers: none of it is run, and none of it needs a cast or an ignore."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import replicate_home
import replicate_home.client
from replicate_home import (
    Account,
    AsyncBatch,
    AsyncClient,
    AsyncDeployment,
    AsyncListing,
    AsyncModel,
    AsyncPage,
    AsyncPrediction,
    AsyncStream,
    AsyncTraining,
    AsyncVersion,
    Batch,
    BatchItem,
    Client,
    Collection,
    Deployment,
    File,
    FileOutput,
    Hardware,
    Model,
    ModelError,
    Page,
    Prediction,
    PredictionTimeout,
    Response,
    Result,
    Schema,
    SearchResults,
    Snapshot,
    Stream,
    Summary,
    Training,
    Version,
    WebhookSigningSecret,
    exceptions,
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


def batches(client: Client, prompts: list[str]) -> None:
    """An item has a result or an error, and a batch a summary."""
    with client.map("owner/llm", (prompt for prompt in prompts), concurrency=4, journal="run.sqlite") as batch:
        assert_type(batch, Batch)
        for item in batch:
            assert_type(item, BatchItem)
            if item.result is not None:
                print(item.index, item.result.text, item.paths, item.reused)
    assert_type(batch.summary, Summary)
    inputs = [{"prompt": prompt, "seed": 1} for prompt in prompts]
    for item in client.use("owner/llm").map(inputs, on_error="collect", save_to=Path("out")):
        print(item.ok, item.input["prompt"], item.error, item.prediction_id, item.value)
    print(len(list(batch.retry_failed())))


async def batches_awaited(client: AsyncClient) -> None:
    """The same, awaited."""
    async with client.map("owner/llm", ["a", "b"], ordered=True) as batch:
        assert_type(batch, AsyncBatch)
        async for item in batch:
            assert_type(item, BatchItem)


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


def models(client: Client) -> None:
    """Models, their versions, and what they take."""
    model = client.models.get("owner/model")
    assert_type(model, Model)
    assert_type(client.models.get("owner", "model").description, str | None)
    assert_type(client.models.list(sort_by="model_created_at"), Page[Model])
    assert_type(client.models.search("cats"), Page[Model])
    assert_type(client.models.create("me", "new", visibility="private", hardware="cpu"), Model)
    assert_type(client.models.update(model, description="Better"), Model)
    assert_type(client.models.delete("me/new"), bool)
    assert_type(client.models.readme(model), str)
    assert_type(client.models.schema(model), Schema)
    assert_type(client.models.examples.list(model), Page[Prediction])
    assert_type(client.models.predictions.create(model, {"prompt": "Hi"}), Prediction)
    assert_type(client.models.versions.list(model)[0], Version)
    assert_type(client.models.versions.get("owner/model:id"), Version)
    assert_type(client.models.versions.delete(model, "id"), bool)
    assert_type(model.versions.list(), Page[Version])
    assert_type(model.latest_version, Version | None)
    assert_type(model.default_example, Prediction | None)
    assert_type(model.reload(), Model)
    if model.latest_version is not None:
        assert_type(model.latest_version.predict(prompt="Hi"), Result)
        assert_type(client.run(model.latest_version, prompt="Hi"), Result)


def resources(client: Client) -> None:
    """Everything else that the API has."""
    assert_type(client.accounts.current(), Account)
    assert_type(client.collections.get("text-to-image"), Collection)
    assert_type([one.slug for one in client.collections.list()], list[str])
    deployment = client.deployments.create("app", "owner/model", "id", "cpu", 0, 1)
    assert_type(deployment, Deployment)
    assert_type(client.deployments.list(), Page[Deployment])
    assert_type(client.deployments.get("me/app"), Deployment)
    assert_type(client.deployments.update("me/app", max_instances=2), Deployment)
    assert_type(client.deployments.delete("me/app"), bool)
    assert_type(client.deployments.predictions.create("me/app", {"prompt": "Hi"}), Prediction)
    assert_type(deployment.predictions.create({"prompt": "Hi"}), Prediction)
    assert_type(client.files.create(Path("a.csv"), metadata={"a": 1}), File)
    assert_type(client.files.list()[0], File)
    assert_type(client.files.get("id"), File)
    assert_type(client.files.delete("id"), bool)
    assert_type(client.files.download("id", owner="me", expiry=1, signature="x"), bytes)
    assert_type(client.hardware.list(), list[Hardware])
    assert_type(client.search("cats", limit=3), SearchResults)
    training = client.trainings.create("owner/model:id", input={"a": 1}, destination="me/new")
    assert_type(training, Training)
    assert_type(training.wait(timeout=60), Training)
    assert_type(training.destination, str | None)
    assert_type(client.trainings.list(), Page[Training])
    assert_type(client.trainings.get("id"), Training)
    assert_type(client.trainings.cancel("id"), Training)
    assert_type(client.webhooks.default.secret(), WebhookSigningSecret)
    assert_type(client.webhooks.default.secret().key, str)
    assert_type(client.webhooks.unwrap(b"{}", {"webhook-id": "msg_1"}, "whsec_"), Prediction)
    assert_type(client.webhooks.sign(b"{}", client.webhooks.default.secret()), dict[str, str])
    assert_type(client.request("GET", "/account"), Response)


async def resources_awaited(client: AsyncClient) -> None:
    """The same, awaited."""
    model = await client.models.get("owner/model")
    assert_type(model, AsyncModel)
    assert_type(client.models.list(), AsyncListing[AsyncModel])
    assert_type(await client.models.list(), AsyncPage[AsyncModel])
    assert_type(await client.models.search("cats"), AsyncPage[AsyncModel])
    assert_type(await client.models.create("me", "new", visibility="private", hardware="cpu"), AsyncModel)
    assert_type(await client.models.update(model, description="Better"), AsyncModel)
    assert_type(await client.models.delete("me/new"), bool)
    assert_type(await client.models.readme(model), str)
    assert_type(await client.models.schema(model), Schema)
    assert_type(await client.models.examples.list(model), AsyncPage[AsyncPrediction])
    assert_type(await client.models.predictions.create(model, {"prompt": "Hi"}), AsyncPrediction)
    assert_type((await client.models.versions.list(model))[0], AsyncVersion)
    assert_type(await client.models.versions.get("owner/model:id"), AsyncVersion)
    assert_type(await client.models.versions.delete(model, "id"), bool)
    assert_type(model.latest_version, AsyncVersion | None)
    assert_type(model.default_example, AsyncPrediction | None)
    assert_type(await model.reload(), AsyncModel)
    if model.latest_version is not None:
        assert_type(await model.latest_version.predict(prompt="Hi"), Result)
    assert_type(await client.accounts.current(), Account)
    assert_type(await client.collections.get("text-to-image"), Collection)
    assert_type(await client.collections.list(), AsyncPage[Collection])
    deployment = await client.deployments.create("app", "owner/model", "id", "cpu", 0, 1)
    assert_type(deployment, AsyncDeployment)
    assert_type(await client.deployments.list(), AsyncPage[AsyncDeployment])
    assert_type(await client.deployments.get("me/app"), AsyncDeployment)
    assert_type(await client.deployments.update("me/app", max_instances=2), AsyncDeployment)
    assert_type(await client.deployments.delete("me/app"), bool)
    assert_type(await client.deployments.predictions.create("me/app", {"prompt": "Hi"}), AsyncPrediction)
    assert_type(await deployment.predictions.create({"prompt": "Hi"}), AsyncPrediction)
    assert_type(await client.files.create(b"abc", "a.csv"), File)
    assert_type(await client.files.list(), AsyncPage[File])
    assert_type(await client.files.get("id"), File)
    assert_type(await client.files.delete("id"), bool)
    assert_type(await client.files.download("id", owner="me", expiry=1, signature="x"), bytes)
    assert_type(await client.hardware.list(), list[Hardware])
    assert_type(await client.search("cats", limit=3), SearchResults)
    training = await client.trainings.create("owner/model:id", input={"a": 1}, destination="me/new")
    assert_type(training, AsyncTraining)
    assert_type(await training.wait(timeout=60), AsyncTraining)
    assert_type(await client.trainings.list(), AsyncPage[AsyncTraining])
    assert_type(await client.trainings.get("id"), AsyncTraining)
    assert_type(await client.trainings.cancel("id"), AsyncTraining)
    assert_type(await client.webhooks.default.secret(), WebhookSigningSecret)
    assert_type(await client.webhooks.unwrap(b"{}", {"webhook-id": "msg_1"}), AsyncPrediction)
    assert_type(await client.request("GET", "/account"), Response)


def module_level() -> None:
    """The same on the default client."""
    assert_type(replicate_home.run("owner/model", prompt="Hi"), Result)
    assert_type(replicate_home.stream("owner/model", {"prompt": "Hi"}), Stream)
    assert_type(replicate_home.use("owner/model")(prompt="Hi"), Result)
    assert_type(replicate_home.models.get("owner/model"), Model)
    assert_type(replicate_home.deployments.get("me/app"), Deployment)
    assert_type(replicate_home.trainings.get("id"), Training)
    assert_type(replicate_home.files.get("id"), File)
    assert_type(replicate_home.collections.get("text-to-image"), Collection)
    assert_type(replicate_home.search("cats"), SearchResults)
    assert_type(replicate_home.hardware.list(), list[Hardware])
    assert_type(replicate_home.accounts.current(), Account)
    assert_type(replicate_home.webhooks.default.secret(), WebhookSigningSecret)


async def module_level_awaited() -> None:
    """The same in event loops, under the official client's names."""
    assert_type(await replicate_home.async_run("owner/model", {"prompt": "Hi"}, wait=5), Result)
    assert_type(replicate_home.async_stream("owner/model", input={"prompt": "Hi"}), AsyncStream)
    async for chunk in await replicate_home.async_stream("owner/model", input={"prompt": "Hi"}):
        assert_type(chunk, str)


def moved(client: Client) -> None:
    """Code for the official client, its imports changed."""
    model = client.models.get("owner/model")
    assert_type(client.predictions.create(model=model, input={"prompt": "Hi"}, stream=True), Prediction)
    assert_type(client.predictions.create(model.versions.get("id"), {"prompt": "Hi"}), Prediction)
    assert_type(client.predictions.create(deployment=("me", "app"), input={}), Prediction)
    assert_type(replicate_home.client.Client(api_token="t", headers={"User-Agent": "my-app/1.0"}), Client)
    assert_type(replicate_home.default_client, Client)
    try:
        print(client.run(model, {"prompt": "Hi"}, use_file_output=False, file_encoding_strategy="base64", wait=False))
    except exceptions.ModelError as error:
        print(error.prediction.logs)
    except exceptions.ReplicateError as error:
        print(error.status, error.title, error.detail)
    except exceptions.ReplicateException as error:
        print(error.prediction)


def fakes() -> None:
    """The test double."""
    fake = FakeReplicate()
    fake.on("owner/llm").streams("Hel", "lo").takes(600)
    assert fake.client().stream("owner/llm", prompt="Hi", timeout=700).text() == "Hello"
    last = fake.webhooks[-1]
    assert_type(fake.client().webhooks.unwrap(last.body, last.headers), Prediction)


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
