"""The same calls with the official Python client 1.0.7 and with ours, against the address that is the only argument.

Of every operation that both have, the records must be equal field by field: its ``.dict()`` and our ``.to_dict()``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import replicate

import replicate_home

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "emulator"))

from operations import TABLE  # noqa: E402
from run_official_clients import LACKS, PYTHON_1  # noqa: E402

# What is not compared, and why; ``kind.field``. Where their object has the field, ours must read the same all the same.
NOT_SENT = "the server did not send it: None in theirs, and our dict has what was sent"
DROPPED = "the official client drops what it does not know"
LEFT_OUT = {
    "account.github_url": NOT_SENT,
    "collection.models": NOT_SENT + " (a list of collections is without their models)",
    "collection.full_description": DROPPED,
    "model.is_official": DROPPED,
    "prediction.source": DROPPED,
    "prediction.data_removed": DROPPED,
    "prediction.metrics": NOT_SENT + " (before it has ended)",
    "prediction.completed_at": NOT_SENT + " (before it has ended)",
    "prediction.deployment": DROPPED,
    "training.output": NOT_SENT + " (before it has succeeded)",
    "training.source": DROPPED,
    "training.data_removed": DROPPED,
    "training.metrics": DROPPED,
    "training.destination": "the server never sends it: the official client reads it in the output, and so does ours",
    "deleted version": "the official client says False to the API's 202, ours True: it was accepted",
    "version.created_at": "a datetime in theirs, the server's string in our dict",
}
# What differs between two objects that the two clients have made, each its own.
NEW = {"id", "urls", "created_at", "started_at", "completed_at", "expires_at", "metrics"}
INSIDE = {
    "latest_version": "version", "default_example": "prediction", "models": "model", "current_release": "release",
    "configuration": "configuration", "created_by": "account",
}  # fmt: skip
ABSENT = "<absent>"


class Asked(NamedTuple):
    """What a call gave: records of a ``kind``, which are ``new`` where each client made its own."""

    kind: str
    given: Any
    new: bool = False


def reads(client: Any) -> Iterator[tuple[str, Asked]]:
    """What is there already, and must be the same to both."""
    yield "account.get", Asked("account", client.accounts.current())
    yield "collections.get", Asked("collection", client.collections.get("text-to-image"))
    yield "collections.list", Asked("collection", client.collections.list())
    yield "deployments.get", Asked("deployment", client.deployments.get("local/shared"))
    yield "deployments.list", Asked("deployment", client.deployments.list())
    yield "files.get", Asked("file", client.files.get(FILE))
    yield "files.list", Asked("file", client.files.list())
    yield "hardware.list", Asked("hardware", client.hardware.list())
    yield "models.get", Asked("model", client.models.get("judge/painter"))
    yield "models.list", Asked("model", client.models.list())
    yield "models.search", Asked("model", client.models.search("picture"))
    yield "models.versions.get", Asked("version", client.models.get("judge/writer").versions.get(VERSION))
    yield "models.versions.list", Asked("version", client.models.get("judge", "writer").versions.list())
    yield "predictions.get", Asked("prediction", client.predictions.get(PREDICTION))
    yield "predictions.list", Asked("prediction", client.predictions.list())
    yield "trainings.get", Asked("training", client.trainings.get(TRAINING))
    yield "trainings.list", Asked("training", client.trainings.list())
    yield "webhooks.default.secret.get", Asked("secret", client.webhooks.default.secret())


def writes(client: Any) -> Iterator[tuple[str, Asked]]:
    """What each makes for itself, and takes away again."""
    slow = {"prompt": "a b", "pause": 60}
    made = client.predictions.create(VERSION, slow)
    yield "predictions.create", Asked("prediction", made, new=True)
    yield "predictions.cancel", Asked("prediction", client.predictions.cancel(made.id), new=True)
    official = client.models.predictions.create("judge/painter", input={"prompt": "x"}, wait=10)
    yield "models.predictions.create", Asked("prediction", official, new=True)
    start = {"model": "judge/writer", "version": VERSION, "destination": "judge/trained"}
    training = client.trainings.create(**start, input={"pause": 60})
    yield "trainings.create", Asked("training", training, new=True)
    yield "trainings.cancel", Asked("training", client.trainings.cancel(training.id), new=True)
    version = finished(client.trainings.create(**start, input={})).output["version"].partition(":")[2]
    deleted = client.models.get("judge/trained").versions.delete(version)
    yield "models.versions.delete", Asked("deleted version", deleted)
    file = client.files.create(HERE / "receiver.py", metadata={"customer": 3})
    yield "files.create", Asked("file", file, new=True)
    yield "files.delete", Asked("deleted file", client.files.delete(file.id))
    deployment = client.deployments.create(name="own", **DEPLOYED)
    yield "deployments.create", Asked("deployment", deployment, new=True)
    updated = client.deployments.update("local", "own", max_instances=3)
    yield "deployments.update", Asked("deployment", updated, new=True)
    deployed = client.deployments.get("local/shared").predictions.create(input=slow)
    yield "deployments.predictions.create", Asked("prediction", deployed, new=True)
    yield "deployments.delete", Asked("deleted deployment", client.deployments.delete("local", "own"))
    model = client.models.create("judge", "own", visibility="private", hardware="cpu", description="A model")
    yield "models.create", Asked("model", model, new=True)
    yield "models.delete", Asked("deleted model", client.models.delete("judge/own"))


def differences(kind: str, theirs: Any, ours: Any, new: bool) -> Iterator[str]:
    """The fields of a record that the two clients do not agree on."""
    there, here = theirs.dict(), ours.to_dict()
    for name in {**there, **here}:
        field = f"{kind}.{name}"
        if new and name in NEW:
            continue
        if name in INSIDE and there.get(name) and here.get(name):
            yield from all_differences(INSIDE[name], getattr(theirs, name), getattr(ours, name), new)
        elif field in LEFT_OUT and there.get(name, ABSENT) != here.get(name, ABSENT):
            used.add(field)
            if hasattr(theirs, name) and (getattr(theirs, name) or None) != (getattr(ours, name) or None):
                yield f"{field} reads as {getattr(theirs, name)!r} and {getattr(ours, name)!r}"
        elif there.get(name, ABSENT) != here.get(name, ABSENT):
            yield f"{field}: {there.get(name, ABSENT)!r:.300} and {here.get(name, ABSENT)!r:.300}"


def all_differences(kind: str, theirs: Any, ours: Any, new: bool) -> Iterator[str]:
    """The same of a list, or of what is no record at all."""
    if isinstance(theirs, bool):
        if kind in LEFT_OUT:
            used.add(kind)
        elif theirs != ours:
            yield f"{kind}: {theirs!r} and {ours!r}"
        return
    several = isinstance(ours, Sequence) and not isinstance(ours, replicate_home.Collection)
    pairs = zip(theirs, ours, strict=True) if several else [(theirs, ours)]
    for one, other in pairs:
        yield from differences(kind, one, other, new)


def finished(run: Any) -> Any:
    """A prediction or a training, once it has ended."""
    while run.status not in ("succeeded", "failed", "canceled"):
        run.reload()
    return run


url = sys.argv[1]
official = replicate.Client(api_token="r8_official", base_url=url)
ours = replicate_home.Client(api_token="r8_official", base_url=url)
used: set[str] = set()

VERSION = official.models.get("judge/writer").versions.list()[0].id
PREDICTION = finished(official.predictions.create(VERSION, {"prompt": "a b c"})).id
START: dict[str, Any] = {"version": f"judge/writer:{VERSION}", "input": {"steps": 1}, "destination": "judge/trained"}
TRAINING = finished(official.trainings.create(**START)).id
FILE = official.files.create(HERE / "receiver.py", metadata={"customer": 3}).id
DEPLOYED: dict[str, Any] = {
    "model": "judge/writer", "version": VERSION, "hardware": "cpu", "min_instances": 0, "max_instances": 2,
}  # fmt: skip
official.deployments.create(name="shared", **DEPLOYED)

# First what each makes of its own: the lists of all there is are then the same for both.
asked = [dict(writes(client)) for client in (official, ours)]
for each, client in zip(asked, (official, ours), strict=True):
    each.update(reads(client))
found = []
for operation, (kind, there, new) in asked[0].items():
    found += [f"{operation}: {each}" for each in all_differences(kind, there, asked[1][operation].given, new)]
assert found == [], "\n" + "\n".join(found)
assert asked[0].keys() == TABLE.keys() - LACKS[PYTHON_1]
assert LEFT_OUT.keys() == used, f"left out for nothing: {LEFT_OUT.keys() - used}"
print(f"  {len(asked[0])} operations give equal records, but for {len(LEFT_OUT)} fields")
