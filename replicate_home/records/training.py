"""Trainings: runs whose result is a new version of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import declared
from .prediction import PredictionFields


class TrainingFields(PredictionFields, noun="a training"):
    """The fields of a training: those of a prediction, because its life is the same.

    If it succeeded, ``output`` has the new ``version`` and the ``weights``.
    """

    __slots__ = ()
    _data: Mapping[str, Any]

    @declared
    def destination(self) -> str | None:
        """``owner/name`` of the model that the new version is for; known once the training has succeeded."""
        sent: str | None = self._data.get("destination")
        return sent if sent is not None else _model_of(self.output)


def _model_of(output: Any) -> str | None:
    """The model of the new version in a training's output, which is all that the API tells of its destination."""
    version = output.get("version") if isinstance(output, dict) else None
    return version.partition(":")[0] if isinstance(version, str) else None
