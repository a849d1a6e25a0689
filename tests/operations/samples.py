"""Every operation once: what it asks for, and a response with what is read in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import attrs

from replicate_home.operations import (
    accounts,
    collections,
    deployments,
    files,
    hardware,
    models,
    predictions,
    search,
    trainings,
    webhooks,
)
from replicate_home.operations.base import Operation
from replicate_home.wire import Response

VERSION = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"

ACCOUNT = {"type": "organization", "username": "acme", "name": "Acme", "github_url": "https://github.com/acme"}
PREDICTION = {"id": "p1", "status": "succeeded", "model": "acme/hello", "output": ["Hi"], "input": {"prompt": "x"}}
VERSION_RECORD = {
    "id": VERSION,
    "created_at": "2023-09-08T16:32:56.990893084Z",
    "cog_version": "0.9",
    "openapi_schema": {},
}
MODEL = {
    "owner": "acme", "name": "hello", "url": "https://replicate.com/acme/hello", "description": None, "run_count": 7,
    "visibility": "public", "default_example": PREDICTION, "latest_version": VERSION_RECORD, "is_official": True,
}  # fmt: skip
DEPLOYMENT = {
    "owner": "acme",
    "name": "app",
    "current_release": {
        "number": 2, "model": "acme/hello", "version": VERSION, "created_at": "2024-01-01T00:00:00Z",
        "created_by": ACCOUNT, "configuration": {"hardware": "gpu-t4", "min_instances": 0, "max_instances": 5},
    },
}  # fmt: skip
FILE = {
    "id": "f1", "name": "a.txt", "content_type": "text/plain", "size": 3, "etag": "e", "checksums": {"sha256": "00"},
    "metadata": {"note": 1}, "created_at": "2024-01-01T00:00:00Z", "expires_at": "2024-01-02T00:00:00Z",
    "urls": {"get": "https://api.replicate.com/v1/files/f1"},
}  # fmt: skip
TRAINING = {"id": "t1", "status": "starting", "model": "acme/hello", "version": VERSION, "output": {"version": "v2"}}
COLLECTION = {"slug": "text-to-image", "name": "Text to image", "description": "d", "models": [MODEL]}
SEARCH = {
    "query": "cats",
    "models": [{"model": MODEL, "metadata": {"score": 1.5, "tags": ["cats"], "generated_description": None}}],
    "collections": [{"slug": "cats", "name": "Cats", "description": "d", "models": ["acme/hello"]}],
    "pages": [{"name": "On cats", "href": "/docs/cats"}],
}  # fmt: skip
CURSOR = "https://api.replicate.com/v1/models?cursor=cD0y"


def page(*items: Any) -> dict[str, Any]:
    """One page of a list, with another after it."""
    return {"next": CURSOR, "previous": None, "results": list(items)}


@attrs.frozen
class Sample:
    """An operation, what it asks, and the JSON or text of a response."""

    operation: Operation[Any]
    method: str
    target: str
    answer: Any = None
    json: Any = None
    body: bytes | None = None
    headers: dict[str, str] = attrs.field(factory=dict)

    @property
    def response(self) -> Response:
        """The response that the API might give."""
        raw = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        return Response(200, {}, raw)


RUN = {"input": {"prompt": "x"}, "webhook": "https://a.example", "webhook_events_filter": ["completed"]}
OPTIONS: dict[str, Any] = {"webhook": "https://a.example", "webhook_events_filter": ["completed"]}
HELD = {"Prefer": "wait=5", "Cancel-After": "90s"}

SAMPLES = {
    "account.get": Sample(accounts.current_account(), "GET", "/account", ACCOUNT),
    "collections.get": Sample(
        collections.get_collection("text-to-image"), "GET", "/collections/text-to-image", COLLECTION
    ),
    "collections.list": Sample(collections.list_collections(), "GET", "/collections", page(COLLECTION)),
    "deployments.create": Sample(
        deployments.create_deployment("app", "acme/hello", VERSION, "gpu-t4", 0, 5), "POST", "/deployments", DEPLOYMENT,
        json={"name": "app", "model": "acme/hello", "version": VERSION, "hardware": "gpu-t4", "min_instances": 0,
              "max_instances": 5},
    ),
    "deployments.delete": Sample(deployments.delete_deployment("acme/app"), "DELETE", "/deployments/acme/app", b""),
    "deployments.get": Sample(deployments.get_deployment("acme", "app"), "GET", "/deployments/acme/app", DEPLOYMENT),
    "deployments.list": Sample(deployments.list_deployments(), "GET", "/deployments", page(DEPLOYMENT)),
    "deployments.predictions.create": Sample(
        predictions.create_deployment_prediction("acme/app", {"prompt": "x"}, wait=5, cancel_after=89.5, **OPTIONS),
        "POST", "/deployments/acme/app/predictions", PREDICTION, json=RUN, headers=HELD,
    ),
    "deployments.update": Sample(
        deployments.update_deployment("acme/app", min_instances=1), "PATCH", "/deployments/acme/app", DEPLOYMENT,
        json={"min_instances": 1},
    ),
    "files.create": Sample(
        files.create_file(b"--b--", "multipart/form-data; boundary=b"), "POST", "/files", FILE, body=b"--b--",
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    ),
    "files.delete": Sample(files.delete_file("f1"), "DELETE", "/files/f1", b""),
    "files.download": Sample(
        files.download_file("f1", owner="acme", expiry=1708515345, signature="a/b+c="), "GET",
        "/files/f1/download?owner=acme&expiry=1708515345&signature=a%2Fb%2Bc%3D", b"\x00\xff",
    ),
    "files.get": Sample(files.get_file("f1"), "GET", "/files/f1", FILE),
    "files.list": Sample(files.list_files(), "GET", "/files", page(FILE)),
    "hardware.list": Sample(hardware.list_hardware(), "GET", "/hardware", [{"name": "CPU", "sku": "cpu"}]),
    "models.create": Sample(
        models.create_model("acme", "hello", visibility="private", hardware="cpu", description="d"), "POST", "/models",
        MODEL,
        json={"owner": "acme", "name": "hello", "visibility": "private", "hardware": "cpu", "description": "d"},
    ),
    "models.delete": Sample(models.delete_model(("acme", "hello")), "DELETE", "/models/acme/hello", b""),
    "models.examples.list": Sample(
        models.list_examples("acme/hello"), "GET", "/models/acme/hello/examples", page(PREDICTION)
    ),
    "models.get": Sample(models.get_model("acme/hello"), "GET", "/models/acme/hello", MODEL),
    "models.list": Sample(
        models.list_models(sort_by="model_created_at", sort_direction="asc"), "GET",
        "/models?sort_by=model_created_at&sort_direction=asc", page(MODEL),
    ),
    "models.predictions.create": Sample(
        predictions.create_model_prediction("acme/hello", {"prompt": "x"}, wait=5, cancel_after=89.5, **OPTIONS),
        "POST", "/models/acme/hello/predictions", PREDICTION, json=RUN, headers=HELD,
    ),
    "models.readme.get": Sample(
        models.get_readme("acme/hello"), "GET", "/models/acme/hello/readme", "# Héllo".encode(),
        headers={"Accept": "text/plain"},
    ),
    "models.search": Sample(
        models.search_models("käts & dogs"), "QUERY", "/models", page(MODEL), body="käts & dogs".encode(),
        headers={"Content-Type": "text/plain"},
    ),
    "models.update": Sample(
        models.update_model("acme", "hello", readme="# Hi", description=""), "PATCH", "/models/acme/hello", MODEL,
        json={"description": "", "readme": "# Hi"},
    ),
    "models.versions.delete": Sample(
        models.delete_version("acme/hello", VERSION), "DELETE", f"/models/acme/hello/versions/{VERSION}", b""
    ),
    "models.versions.get": Sample(
        models.get_version(f"acme/hello:{VERSION}"), "GET", f"/models/acme/hello/versions/{VERSION}", VERSION_RECORD
    ),
    "models.versions.list": Sample(
        models.list_versions("acme", "hello"), "GET", "/models/acme/hello/versions", page(VERSION_RECORD)
    ),
    "predictions.cancel": Sample(predictions.cancel_prediction("p1"), "POST", "/predictions/p1/cancel", PREDICTION),
    "predictions.create": Sample(
        predictions.create_prediction("acme/hello", {"prompt": "x"}, wait=5, cancel_after=89.5, **OPTIONS),
        "POST", "/predictions", PREDICTION, json={"version": "acme/hello", **RUN}, headers=HELD,
    ),
    "predictions.get": Sample(predictions.get_prediction("p1"), "GET", "/predictions/p1", PREDICTION),
    "predictions.list": Sample(
        predictions.list_predictions(created_after="2025-01-01T00:00:00Z", source="web"), "GET",
        "/predictions?created_after=2025-01-01T00%3A00%3A00Z&source=web", page(PREDICTION),
    ),
    "search": Sample(search.search("cats & dogs", limit=5), "GET", "/search?query=cats+%26+dogs&limit=5", SEARCH),
    "trainings.cancel": Sample(trainings.cancel_training("t1"), "POST", "/trainings/t1/cancel", TRAINING),
    "trainings.create": Sample(
        trainings.create_training("acme/hello", VERSION, {"images": "https://x/"}, "acme/mine", **OPTIONS), "POST",
        f"/models/acme/hello/versions/{VERSION}/trainings", TRAINING,
        json={"destination": "acme/mine", "input": {"images": "https://x/"}, **OPTIONS},
    ),
    "trainings.get": Sample(trainings.get_training("t1"), "GET", "/trainings/t1", TRAINING),
    "trainings.list": Sample(trainings.list_trainings(), "GET", "/trainings", page(TRAINING)),
    "webhooks.default.secret.get": Sample(
        webhooks.get_webhook_secret(), "GET", "/webhooks/default/secret", {"key": "whsec_abc"}
    ),
}  # fmt: skip

CREATED = datetime(2023, 9, 8, 16, 32, 56, 990893, UTC)
