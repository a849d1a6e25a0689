"""``client.trainings`` and the handle on a training, for both clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ...operations.base import Operation
from ...operations.names import ModelName
from ...operations.trainings import cancel_training, create_training, get_training, list_trainings
from ...records.model import VersionFields
from ...records.training import TrainingFields
from ..inputs.prompting import is_json
from .binding import AsyncResource, Resource, abound, apages, bound, pages
from .predictions import AsyncRun, Run


class Training(TrainingFields, Run):
    """A handle on a training: its latest snapshot, and methods to follow and cancel it."""

    __slots__ = ()
    _things = "trainings"


class AsyncTraining(TrainingFields, AsyncRun):
    """A handle on a training; the same as :class:`Training`, awaited."""

    __slots__ = ()
    _things = "trainings"


class Trainings(Resource):
    """``client.trainings``."""

    list = pages(list_trainings, Training)
    get = bound(get_training, Training)
    cancel = bound(cancel_training, Training)

    def create(
        self,
        model: ModelName | None = None,
        version: str | VersionFields | None = None,
        input: Mapping[str, Any] | None = None,
        destination: ModelName | None = None,
        *,
        webhook: str | None = None,
        webhook_events_filter: Sequence[str] | None = None,
        file_encoding_strategy: str | None = None,
    ) -> Training:
        """Train a version of a model; the result is a new version of the model ``destination``, which must exist.

        The version is ``"owner/name:version"``, as either argument, or given beside its model. Files in the input are
        sent first, as ``file_encoding_strategy`` says (see :meth:`Client.run`). ``webhook`` is called with the training
        at the events that ``webhook_events_filter`` names.
        """
        ask = _asking(model, version, destination, webhook=webhook, webhook_events_filter=webhook_events_filter)
        route = self.engine.route()
        steps = self.engine.starting(ask, input, file_encoding_strategy, route)
        return Training(self.engine.perform(steps, route), self.engine)


class AsyncTrainings(AsyncResource):
    """``client.trainings``, awaited."""

    list = apages(list_trainings, AsyncTraining)
    get = abound(get_training, AsyncTraining)
    cancel = abound(cancel_training, AsyncTraining)

    async def create(
        self,
        model: ModelName | None = None,
        version: str | VersionFields | None = None,
        input: Mapping[str, Any] | None = None,
        destination: ModelName | None = None,
        *,
        webhook: str | None = None,
        webhook_events_filter: Sequence[str] | None = None,
        file_encoding_strategy: str | None = None,
    ) -> AsyncTraining:
        """Train a version of a model; the result is a new version of the model ``destination``, which must exist.

        The version is ``"owner/name:version"``, as either argument, or given beside its model. Files in the input are
        sent first, as ``file_encoding_strategy`` says (see :meth:`Client.run`). ``webhook`` is called with the training
        at the events that ``webhook_events_filter`` names.
        """
        ask = _asking(model, version, destination, webhook=webhook, webhook_events_filter=webhook_events_filter)
        route = self.engine.route()
        steps = self.engine.starting(ask, input, file_encoding_strategy, route)
        return AsyncTraining(await self.engine.perform(steps, route, reads_files=not is_json(input)), self.engine)


def _asking(
    model: ModelName | None, version: str | VersionFields | None, destination: ModelName | None, **options: Any
) -> partial[Operation[TrainingFields]]:
    """The operation that creates a training, without its input."""
    if model is None:
        model, version = version if isinstance(version, str) else None, None
    if model is None or destination is None:
        raise TypeError("create() needs a version such as 'owner/name:version', and a destination such as 'owner/name'")
    return partial(create_training, model, version, destination=destination, **options)
