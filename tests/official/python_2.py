"""Everything that the official Python client 2.0.0b4 can do, against the address that is the only argument."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from receiver import Receiver
from replicate import NotFoundError, Replicate
from replicate.exceptions import ModelError
from replicate.lib._files import FileOutput
from standardwebhooks.webhooks import Webhook

url = sys.argv[1]
client = Replicate(bearer_token="r8_official", base_url=f"{url}/v1")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
WRITER = {"model_owner": "judge", "model_name": "writer"}


def first_version() -> str:
    return client.models.versions.list(**WRITER).results[0].id


def raised(kind: type[Exception], call: Callable[[], object]) -> Any:
    """The exception that ``call`` raises, which must be of this kind."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def runs() -> None:
    version = first_version()
    assert list(client.run(f"judge/writer:{version}", input={"prompt": "a b c"})) == ["a ", "b ", "c "]
    assert list(client.run("judge/writer", input={"prompt": "a b"}, wait=False)) == ["a ", "b "]
    picture = client.run("judge/painter", input={"prompt": "x"})
    assert isinstance(picture, FileOutput)
    assert picture.read() == PNG + b"x"
    assert client.run("judge/reader", input={"file": io.BytesIO(b"12345")}) == 5
    failure = raised(ModelError, lambda: client.run("judge/breaker", input={"prompt": "stand"}))
    assert failure.prediction.error == "ValueError: cannot stand"


def predictions() -> None:
    held = client.predictions.create(version=first_version(), input={"prompt": "a"}, prefer="wait=10")
    assert (held.status, held.output) == ("processing", ["a "])
    assert client.predictions.get(prediction_id=held.id).status == "succeeded"
    long = client.models.predictions.create(**WRITER, input={"prompt": "a", "pause": 60})
    assert client.predictions.cancel(prediction_id=long.id).status == "canceled"
    late = client.predictions.create(version="judge/writer", input={"prompt": "a", "pause": 60}, cancel_after="5s")
    assert late.deadline is not None
    client.predictions.cancel(prediction_id=late.id)
    assert client.predictions.wait(held.id).status == "succeeded"
    assert {held.id, long.id, late.id} <= {prediction.id for prediction in client.predictions.list()}


def models() -> None:
    names = [model.name for model in client.models.list(sort_by="model_created_at", sort_direction="asc")]
    assert {"writer", "painter", "reader", "breaker"} <= set(names)
    assert next(iter(client.models.search(body="picture"))).name == "painter"
    client.models.create(owner="judge", name="new", visibility="private", hardware="cpu", description="A model")
    new = {"model_owner": "judge", "model_name": "new"}
    assert client.models.get(**new).description == "A model"
    assert client.models.update(**new, readme="# New", description="Newer").description == "Newer"
    assert client.models.readme.get(**new) == "# New"
    client.models.delete(**new)
    raised(NotFoundError, lambda: client.models.get(**new))
    assert list(client.models.examples.list(**WRITER)) == []
    version = client.models.versions.get(**WRITER, version_id=first_version())
    assert version.openapi_schema["components"]["schemas"]["Input"]["required"] == ["prompt"]
    found = client.search(query="picture", limit=5)
    assert found.models[0].model.name == "painter"


def deployments() -> None:
    options: Any = {"model": "judge/writer", "version": first_version(), "hardware": "cpu"}
    for name in ("app", "unused"):
        client.deployments.create(name=name, min_instances=0, max_instances=2, **options)
    app = {"deployment_owner": "local", "deployment_name": "app"}
    assert client.deployments.update(**app, max_instances=3).current_release.number == 2
    assert client.deployments.get(**app).current_release.configuration.max_instances == 3
    made = client.deployments.predictions.create(**app, input={"prompt": "a b"}, prefer="wait")
    assert made.output == ["a ", "b "]
    client.deployments.delete(deployment_owner="local", deployment_name="unused")
    assert [deployment.name for deployment in client.deployments.list()] == ["app"]


def trainings() -> None:
    start: Any = {**WRITER, "version_id": first_version(), "destination": "judge/trained"}
    training = client.trainings.create(**start, input={"steps": 3})
    while client.trainings.get(training_id=training.id).status != "succeeded":
        time.sleep(0.05)
    made = client.trainings.get(training_id=training.id).output.version
    assert list(client.run(made, input={"prompt": "a b"})) == ["a ", "b "]
    other = client.trainings.create(**start, input={})
    client.trainings.cancel(training_id=other.id)
    assert [each.id for each in client.trainings.list()] == [other.id, training.id]
    trained = {"model_owner": "judge", "model_name": "trained"}
    for version in client.models.versions.list(**trained):
        client.models.versions.delete(**trained, version_id=version.id)
    client.models.delete(**trained)


def files() -> None:
    file = client.files.create(content=b"12345678", filename="a.txt", type="text/plain", metadata={"customer": 3})
    assert (file.size, file.content_type) == (8, "text/plain")
    assert client.files.get(file_id=file.id).checksums.sha256 == file.checksums.sha256
    assert next(each.id for each in client.files.list()) == file.id
    content = client.files.download(file_id=file.id, owner="local", expiry=int(time.time()) + 60, signature="x")
    assert content.read() == b"12345678"
    client.files.delete(file_id=file.id)


def the_rest() -> None:
    assert client.account.get().username == "local"
    assert {hardware.sku for hardware in client.hardware.list()} >= {"cpu", "gpu-t4"}
    assert "super-resolution" in [collection.slug for collection in client.collections.list()]
    assert "painter" in [model.name for model in client.collections.get(collection_slug="text-to-image").models]


def webhooks() -> None:
    key = client.webhooks.default.secret.get().key
    with Receiver() as receiver:
        client.predictions.create(
            version="judge/writer",
            input={"prompt": "a b c", "pause": 0.3},
            webhook=receiver.url,
            webhook_events_filter=["start", "completed"],
        )
        received = receiver.until_completed()
    for headers, body in received:
        Webhook(key).verify(body, {name.lower(): value for name, value in headers.items()})
    assert [json.loads(body)["status"] for _, body in received] == ["processing", "succeeded"]


CHECKS = (runs, predictions, models, deployments, trainings, files, the_rest, webhooks)

for check in CHECKS:
    check()
    print(f"  {check.__name__}: passed", flush=True)
