"""``client.trainings`` and the handle on a training, for both clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from ...operations.base import Operation
from ...operations.names import ModelName
from ...operations.trainings import cancel_training, create_training, get_training, list_trainings
from ...records.model import VersionFields
from ...records.training import TrainingFields
from ..engine.calls import taking
from ..inputs.prompting import is_json
from .binding import AsyncResource, Resource, abound, apages, bound, pages
from .predictions import AsyncRun, Run


@attrs.frozen
class Wanted:
    """A training to create: ``ask`` is the operation, without its ``input``."""

    ask: partial[Operation[TrainingFields]]
    input: Mapping[str, Any] | None
    file_encoding_strategy: str | None


def training_options(
    model: ModelName | None = None,
    version: str | VersionFields | None = None,
    input: Mapping[str, Any] | None = None,
    destination: ModelName | None = None,
    *,
    webhook: str | None = None,
    webhook_events_filter: Sequence[str] | None = None,
    file_encoding_strategy: str | None = None,
) -> Wanted:
    """The options of ``trainings.create``."""
    if model is None:
        model, version = version if isinstance(version, str) else None, None
    if model is None or destination is None:
        raise TypeError("create() needs a version such as 'owner/name:version', and a destination such as 'owner/name'")
    ask = partial(
        create_training, model, version, destination=destination, webhook=webhook,
        webhook_events_filter=webhook_events_filter,
    )  # fmt: skip
    return Wanted(ask, input, file_encoding_strategy)


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

    @taking(training_options)
    def create(self, wanted: Wanted) -> Training:
        """Train a version of a model; the result is a new version of the model ``destination``, which must exist.

        The version is ``"owner/name:version"``, as either argument, or given beside its model. Files in the input are
        sent first, as ``file_encoding_strategy`` says (see :meth:`Client.run`). ``webhook`` is called with the training
        at the events that ``webhook_events_filter`` names.
        """
        route = self.engine.route()
        steps = self.engine.starting(wanted.ask, wanted.input, wanted.file_encoding_strategy, route)
        return Training(self.engine.perform(steps, route), self.engine)


class AsyncTrainings(AsyncResource):
    """``client.trainings``, awaited."""

    list = apages(list_trainings, AsyncTraining)
    get = abound(get_training, AsyncTraining)
    cancel = abound(cancel_training, AsyncTraining)

    @taking(training_options)
    async def create(self, wanted: Wanted) -> AsyncTraining:
        """Train a version of a model; the result is a new version of the model ``destination``, which must exist.

        The version is ``"owner/name:version"``, as either argument, or given beside its model. Files in the input are
        sent first, as ``file_encoding_strategy`` says (see :meth:`Client.run`). ``webhook`` is called with the training
        at the events that ``webhook_events_filter`` names.
        """
        route = self.engine.route()
        steps = self.engine.starting(wanted.ask, wanted.input, wanted.file_encoding_strategy, route)
        created = await self.engine.perform(steps, route, reads_files=not is_json(wanted.input))
        return AsyncTraining(created, self.engine)
