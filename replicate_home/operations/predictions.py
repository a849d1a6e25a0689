"""``client.predictions``, and the predictions of models and deployments.

Inputs are JSON here: the client uploads or encodes files first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..dialects.replicate import create_headers
from ..exceptions import ModelNotFound, NotFound
from ..records.page import PageFields
from ..records.prediction import Snapshot
from .base import Cursor, Operation, given, page_at
from .names import DeploymentName, ModelName, checked_id, owner_and_name, reference
from .readers import One, Page


def create_prediction(
    version: str,
    input: Mapping[str, Any],
    *,
    wait: int | None = None,
    cancel_after: float | None = None,
    webhook: str | None = None,
    webhook_events_filter: Sequence[str] | None = None,
) -> Operation[Snapshot]:
    """Run a model: ``version`` is a version's id, ``owner/name:version``, or ``owner/name`` of an official model.

    ``wait`` is how many seconds the server may hold the request, at most 60. ``cancel_after`` is the run's own
    deadline in seconds, at least 5. ``webhook`` is called with the prediction at the events that
    ``webhook_events_filter`` names: ``start``, ``output``, ``logs``, ``completed``.
    """
    body = {
        "version": reference(version),
        "input": input,
        **given(webhook=webhook, webhook_events_filter=webhook_events_filter),
    }
    return _create("predictions.create", "/predictions", body, wait, cancel_after)


def create_model_prediction(
    model: ModelName,
    input: Mapping[str, Any],
    *,
    wait: int | None = None,
    cancel_after: float | None = None,
    webhook: str | None = None,
    webhook_events_filter: Sequence[str] | None = None,
) -> Operation[Snapshot]:
    """Run an official model; the options are those of :func:`create_prediction`."""
    path = f"/models/{owner_and_name(model)}/predictions"
    body = {"input": input, **given(webhook=webhook, webhook_events_filter=webhook_events_filter)}
    return _create("models.predictions.create", path, body, wait, cancel_after)


def create_deployment_prediction(
    deployment: DeploymentName,
    input: Mapping[str, Any],
    *,
    wait: int | None = None,
    cancel_after: float | None = None,
    webhook: str | None = None,
    webhook_events_filter: Sequence[str] | None = None,
) -> Operation[Snapshot]:
    """Run a deployment; the options are those of :func:`create_prediction`."""
    path = f"/deployments/{owner_and_name(deployment, what='deployment')}/predictions"
    body = {"input": input, **given(webhook=webhook, webhook_events_filter=webhook_events_filter)}
    return _create("deployments.predictions.create", path, body, wait, cancel_after, missing=NotFound)


def get_prediction(prediction_id: str) -> Operation[Snapshot]:
    """The prediction with this id."""
    path = f"/predictions/{checked_id(prediction_id, 'prediction')}"
    return Operation("predictions.get", "GET", path, One(Snapshot, prediction_id))


def list_predictions(
    cursor: Cursor = ...,
    *,
    created_after: str | None = None,
    created_before: str | None = None,
    source: Literal["web"] | None = None,
) -> Operation[PageFields[Snapshot]]:
    """Your predictions, newest first, without their inputs and outputs.

    ``created_after`` and ``created_before`` are ISO 8601 times; ``source="web"`` selects those made on the website.
    """
    filters = given(created_after=created_after, created_before=created_before, source=source)
    query = {} if isinstance(cursor, str) else filters
    return Operation("predictions.list", "GET", page_at(cursor, "/predictions"), Page(Snapshot), query=query)


def cancel_prediction(prediction_id: str) -> Operation[Snapshot]:
    """Cancel a prediction; harmless if it has ended."""
    path = f"/predictions/{checked_id(prediction_id, 'prediction')}/cancel"
    return Operation("predictions.cancel", "POST", path, One(Snapshot, prediction_id), repeatable=True)


def _create(
    name: str,
    path: str,
    body: dict[str, Any],
    wait: int | None,
    cancel_after: float | None,
    missing: type[NotFound] = ModelNotFound,
) -> Operation[Snapshot]:
    headers = create_headers(wait, cancel_after)
    return Operation(name, "POST", path, One(Snapshot), json=body, headers=headers, creates=True, missing=missing)
