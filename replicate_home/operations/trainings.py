"""``client.trainings``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..exceptions import ModelNotFound
from ..records.model import VersionFields
from ..records.page import PageFields
from ..records.training import TrainingFields
from .base import Cursor, Operation, given, page_at
from .names import ModelName, checked_id, model_and_version, owner_and_name
from .readers import One, Page


def create_training(
    model: ModelName,
    version: str | VersionFields | None,
    input: Mapping[str, Any],
    destination: ModelName,
    *,
    webhook: str | None = None,
    webhook_events_filter: Sequence[str] | None = None,
) -> Operation[TrainingFields]:
    """Train a version of a model; the result is a new version of the model ``destination``, which must exist.

    Pass the version with its model, as ``"owner/name:version"``, or separately. ``webhook`` is called with the training
    at the events that ``webhook_events_filter`` names: ``start``, ``output``, ``logs``, ``completed``.
    """
    owner_name, version_id = model_and_version(model, version)
    body = {
        "destination": owner_and_name(destination),
        "input": input,
        **given(webhook=webhook, webhook_events_filter=webhook_events_filter),
    }
    path = f"/models/{owner_name}/versions/{version_id}/trainings"
    return Operation(
        "trainings.create", "POST", path, One(TrainingFields), json=body, creates=True, missing=ModelNotFound
    )


def get_training(id: str) -> Operation[TrainingFields]:
    """The training with this id."""
    path = f"/trainings/{checked_id(id, 'training')}"
    return Operation("trainings.get", "GET", path, One(TrainingFields, id))


def list_trainings(cursor: Cursor = ...) -> Operation[PageFields[TrainingFields]]:
    """Your trainings, newest first."""
    return Operation("trainings.list", "GET", page_at(cursor, "/trainings"), Page(TrainingFields))


def cancel_training(id: str) -> Operation[TrainingFields]:
    """Cancel a training; harmless if it has ended."""
    path = f"/trainings/{checked_id(id, 'training')}/cancel"
    return Operation("trainings.cancel", "POST", path, One(TrainingFields, id), repeatable=True)
