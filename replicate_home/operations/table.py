"""All operations, by their names in the API's documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import accounts, collections, deployments, files, hardware, models, predictions, search, trainings, webhooks
from .base import Operation

OPERATIONS: Mapping[str, Callable[..., Operation[Any]]] = {
    "account.get": accounts.current_account,
    "collections.get": collections.get_collection,
    "collections.list": collections.list_collections,
    "deployments.create": deployments.create_deployment,
    "deployments.delete": deployments.delete_deployment,
    "deployments.get": deployments.get_deployment,
    "deployments.list": deployments.list_deployments,
    "deployments.predictions.create": predictions.create_deployment_prediction,
    "deployments.update": deployments.update_deployment,
    "files.create": files.create_file,
    "files.delete": files.delete_file,
    "files.download": files.download_file,
    "files.get": files.get_file,
    "files.list": files.list_files,
    "hardware.list": hardware.list_hardware,
    "models.create": models.create_model,
    "models.delete": models.delete_model,
    "models.examples.list": models.list_examples,
    "models.get": models.get_model,
    "models.list": models.list_models,
    "models.predictions.create": predictions.create_model_prediction,
    "models.readme.get": models.get_readme,
    "models.search": models.search_models,
    "models.update": models.update_model,
    "models.versions.delete": models.delete_version,
    "models.versions.get": models.get_version,
    "models.versions.list": models.list_versions,
    "predictions.cancel": predictions.cancel_prediction,
    "predictions.create": predictions.create_prediction,
    "predictions.get": predictions.get_prediction,
    "predictions.list": predictions.list_predictions,
    "search": search.search,
    "trainings.cancel": trainings.cancel_training,
    "trainings.create": trainings.create_training,
    "trainings.get": trainings.get_training,
    "trainings.list": trainings.list_trainings,
    "webhooks.default.secret.get": webhooks.get_webhook_secret,
}
