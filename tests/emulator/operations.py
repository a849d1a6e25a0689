"""The hosted API's operations in our own words: the name of each, its method and path, what a good request is answered.

``TABLE`` is what the emulator is held to where the API's own document is not at hand.
"""

from __future__ import annotations

from typing import NamedTuple


class Operation(NamedTuple):
    method: str
    path: str
    status: int


TABLE = {
    "account.get": Operation("GET", "/account", 200),
    "collections.get": Operation("GET", "/collections/*", 200),
    "collections.list": Operation("GET", "/collections", 200),
    "deployments.create": Operation("POST", "/deployments", 200),
    "deployments.delete": Operation("DELETE", "/deployments/*/*", 204),
    "deployments.get": Operation("GET", "/deployments/*/*", 200),
    "deployments.list": Operation("GET", "/deployments", 200),
    "deployments.predictions.create": Operation("POST", "/deployments/*/*/predictions", 201),
    "deployments.update": Operation("PATCH", "/deployments/*/*", 200),
    "files.create": Operation("POST", "/files", 201),
    "files.delete": Operation("DELETE", "/files/*", 204),
    "files.download": Operation("GET", "/files/*/download", 200),
    "files.get": Operation("GET", "/files/*", 200),
    "files.list": Operation("GET", "/files", 200),
    "hardware.list": Operation("GET", "/hardware", 200),
    "models.create": Operation("POST", "/models", 201),
    "models.delete": Operation("DELETE", "/models/*/*", 204),
    "models.examples.list": Operation("GET", "/models/*/*/examples", 200),
    "models.get": Operation("GET", "/models/*/*", 200),
    "models.list": Operation("GET", "/models", 200),
    "models.predictions.create": Operation("POST", "/models/*/*/predictions", 201),
    "models.readme.get": Operation("GET", "/models/*/*/readme", 200),
    "models.search": Operation("QUERY", "/models", 200),
    "models.update": Operation("PATCH", "/models/*/*", 200),
    "models.versions.delete": Operation("DELETE", "/models/*/*/versions/*", 202),
    "models.versions.get": Operation("GET", "/models/*/*/versions/*", 200),
    "models.versions.list": Operation("GET", "/models/*/*/versions", 200),
    "predictions.cancel": Operation("POST", "/predictions/*/cancel", 200),
    "predictions.create": Operation("POST", "/predictions", 201),
    "predictions.get": Operation("GET", "/predictions/*", 200),
    "predictions.list": Operation("GET", "/predictions", 200),
    "search": Operation("GET", "/search", 200),
    "trainings.cancel": Operation("POST", "/trainings/*/cancel", 200),
    "trainings.create": Operation("POST", "/models/*/*/versions/*/trainings", 201),
    "trainings.get": Operation("GET", "/trainings/*", 200),
    "trainings.list": Operation("GET", "/trainings", 200),
    "webhooks.default.secret.get": Operation("GET", "/webhooks/default/secret", 200),
}
