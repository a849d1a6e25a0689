"""Trainings: runs whose result is a new version of a model."""

from __future__ import annotations

from .base import field
from .prediction import PredictionFields


class TrainingFields(PredictionFields, noun="a training"):
    """The fields of a training: those of a prediction, because its life is the same.

    If it succeeded, ``output`` has the new ``version`` and the ``weights``.
    """

    __slots__ = ()

    destination = field(str, "``owner/name`` of the model that the new version is for.", checked=False)
