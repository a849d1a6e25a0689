"""Everything that the official Python client 1.0.7 can do, against the address that is the only argument."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import replicate
from receiver import Receiver
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError
from replicate.helpers import FileOutput

url = sys.argv[1]
client = Client(api_token="r8_official", base_url=url)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def raised(kind: type[Exception], call: Callable[[], object]) -> Any:
    """The exception that ``call`` raises, which must be of this kind."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def runs_and_streams() -> None:
    version = client.models.get("judge/writer").versions.list()[0].id
    ref = f"judge/writer:{version}"
    assert list(client.run(ref, input={"prompt": "a b c"})) == ["a ", "b ", "c "]
    assert list(client.run("judge/writer", input={"prompt": "a b"})) == ["a ", "b "]
    assert list(client.run(ref, input={"prompt": "a b"}, wait=False)) == ["a ", "b "]
    events = list(client.stream("judge/writer", input={"prompt": "a b", "pause": 0.05}))
    assert [str(event) for event in events if event.event.value == "output"] == ["a ", "b "]
    assert events[-1].event.value == "done"
    picture = client.run("judge/painter", input={"prompt": "x"})
    assert isinstance(picture, FileOutput)
    assert picture.read() == PNG + b"x"
    assert client.run("judge/reader", input={"file": io.BytesIO(b"12345")}) == 5
    failure = raised(ModelError, lambda: client.run("judge/breaker", input={"prompt": "stand"}))
    assert failure.prediction.error == "ValueError: cannot stand"


def predictions() -> None:
    version = client.models.get("judge/writer").versions.list()[0]
    made = client.predictions.create(version, input={"prompt": "a b c", "pause": 0.05})
    assert list(made.output_iterator()) == ["a ", "b ", "c "]
    made.reload()
    assert made.status == "succeeded"
    assert made.metrics["predict_time"] > 0
    held = client.predictions.create(version=version, input={"prompt": "a"}, wait=10)
    assert (held.status, held.output) == ("processing", ["a "])
    assert client.predictions.get(held.id).status == "succeeded"
    long = client.models.predictions.create("judge/writer", input={"prompt": "a", "pause": 60})
    assert client.predictions.cancel(long.id).status == "canceled"
    other = client.predictions.create(model="judge/painter", input={"prompt": "x"})
    other.wait()
    assert other.output.startswith(f"{url}/delivery/")
    assert other.version == "hidden"
    seen = {prediction.id for page in replicate.paginate(client.predictions.list) for prediction in page}
    assert {made.id, held.id, long.id, other.id} <= seen


def models() -> None:
    names = [f"{model.owner}/{model.name}" for page in replicate.paginate(client.models.list) for model in page]
    assert {"judge/writer", "judge/painter", "judge/reader", "judge/breaker"} <= set(names)
    assert client.models.search("picture")[0].name == "painter"
    created = client.models.create(
        "judge", "new", visibility="private", hardware="cpu", description="A model", github_url="https://example.com/x"
    )
    assert (created.description, created.latest_version) == ("A model", None)
    created.reload()
    assert client.models.delete("judge/new")
    assert raised(ReplicateError, lambda: client.models.get("judge/new")).status == 404
    version = client.models.get("judge", "writer").versions.list()[0]
    assert client.models.get("judge/writer").versions.get(version.id).openapi_schema == version.openapi_schema


def deployments() -> None:
    version = client.models.get("judge/writer").versions.list()[0].id
    options = {"model": "judge/writer", "version": version, "hardware": "cpu", "min_instances": 0, "max_instances": 2}
    app = client.deployments.create(name="app", **options)
    client.deployments.create(name="unused", **options)
    assert app.current_release.configuration.max_instances == 2
    updated = client.deployments.update(deployment_owner="local", deployment_name="app", max_instances=3)
    assert (updated.current_release.number, updated.current_release.configuration.max_instances) == (2, 3)
    assert [deployment.name for deployment in client.deployments.list()] == ["unused", "app"]
    made = client.deployments.get("local/app").predictions.create(input={"prompt": "a b"})
    made.wait()
    assert made.output == ["a ", "b "]
    client.deployments.predictions.create("local/app", input={"prompt": "a b"}).wait()
    assert client.deployments.delete("local", "unused")
    assert [deployment.name for deployment in client.deployments.list()] == ["app"]


def trainings() -> None:
    version = client.models.get("judge/writer").versions.list()[0].id
    ref = f"judge/writer:{version}"
    training = client.trainings.create(version=ref, input={"steps": 3}, destination="judge/trained")
    while training.status not in ("succeeded", "failed", "canceled"):
        training.reload()
    assert training.logs == "3 steps\n"
    made = training.output["version"]
    assert made.startswith("judge/trained:")
    assert list(client.run(made, input={"prompt": "a b"})) == ["a ", "b "]
    again = client.trainings.create(
        model="judge/writer", version=version, input={"steps": 1}, destination="judge/trained"
    )
    again.cancel()
    client.trainings.cancel(again.id)
    assert [each.id for each in client.trainings.list()] == [again.id, training.id]
    assert client.trainings.get(training.id).status == "succeeded"
    for version in client.models.get("judge/trained").versions.list():
        client.models.get("judge/trained").versions.delete(version.id)  # it says False of the API's 202
    assert list(client.models.get("judge/trained").versions.list()) == []
    client.models.delete("judge/trained")


def files() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_bytes(b"12345678")
        file = client.files.create(path, metadata={"customer": 3})
    assert (file.name, file.size, file.metadata) == ("a.txt", 8, {"customer": 3})
    assert client.files.get(file.id).checksums == file.checksums
    assert next(each.id for each in client.files.list()) == file.id
    assert client.run("judge/reader", input={"file": file.urls["get"]}) == 8
    client.files.delete(file.id)


def the_rest() -> None:
    assert client.accounts.current().username == "local"
    assert {hardware.sku for hardware in client.hardware.list()} >= {"cpu", "gpu-t4"}
    slugs = [collection.slug for collection in client.collections.list()]
    assert "super-resolution" in slugs
    names = [model.name for model in client.collections.get("text-to-image").models]
    assert "painter" in names


def webhooks() -> None:
    secret = client.webhooks.default.secret()
    with Receiver() as receiver:
        client.predictions.create(
            model="judge/writer",
            input={"prompt": "a b c", "pause": 0.3},
            webhook=receiver.url,
            webhook_events_filter=["start", "output", "logs", "completed"],
        )
        received = receiver.until_completed()
    for headers, body in received:
        client.webhooks.validate(headers=headers, body=body.decode(), secret=secret, tolerance=60)
    statuses = [json.loads(body)["status"] for _, body in received]
    assert statuses == ["processing"] * (len(statuses) - 1) + ["succeeded"]
    assert len(statuses) >= 5


CHECKS = (runs_and_streams, predictions, models, deployments, trainings, files, the_rest, webhooks)

for check in CHECKS:
    check()
    print(f"  {check.__name__}: passed", flush=True)
