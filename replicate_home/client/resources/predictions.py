"""``client.predictions`` and the handle on a prediction, for both clients.

A training has the same handle, except for the output.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from ...dialects.base import checked_id
from ...exceptions import ReplicateHomeError
from ...operations.predictions import list_predictions
from ...records.base import Field
from ...records.parsing import parse
from ...records.prediction import PredictionFields, Snapshot
from ..engine.calls import RunOptions, taking
from ..engine.engine import Engine
from ..engine.routing import Route
from ..engine.settings import DEFAULT, TimeoutOption
from ..outputs.download import AsyncFiles, Files, FileSource
from ..outputs.file_url import with_urls
from ..outputs.results import Result
from ..outputs.streams import Format, Stream
from .binding import AsyncResource, Resource, apages, pages
from .creating import prediction_options

if TYPE_CHECKING:
    from ..engine.async_engine import AsyncEngine
    from ..outputs.async_streams import AsyncStream

E = TypeVar("E", "Engine", "AsyncEngine")


class BaseRun(PredictionFields, Generic[E]):
    """A handle on a prediction or a training: the latest snapshot, and the engine that fetches the next one."""

    __slots__ = ("_backend", "_engine", "_readable")
    _things = "predictions"

    def __init__(self, snapshot: PredictionFields, engine: E | None = None, backend: str | None = None) -> None:
        self._data = snapshot.to_dict()
        self._engine: E | None = engine
        self._backend = backend
        self._readable: tuple[Mapping[str, Any], Any] | None = None  # the data, and its output with files to read

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """A handle from the API's JSON, as :meth:`to_dict` returns it; it belongs to no client."""
        return cls(parse(Snapshot, dict(data)))

    @property
    def snapshot(self) -> Snapshot:
        """The latest snapshot, which is immutable."""
        return Snapshot(self._data)

    def _owner(self) -> tuple[E, Route]:
        """The engine, and the route to the server that has it."""
        if self._engine is None:
            things = self._things
            raise ReplicateHomeError(
                f"{things.removesuffix('s')} {self.id} belongs to no client: use client.{things}.get({self.id!r})"
            )
        return self._engine, self._engine.route_to(self._things, self._backend)

    def _output(self, files: Callable[[Any, Route], FileSource]) -> Any:
        """The output as the API sent it; its files can be read if it is known how to ask for them."""
        if self._readable is None or self._readable[0] is not self._data:
            output = self.snapshot.output
            try:
                engine, route = self._owner()
            except ReplicateHomeError:
                return output
            self._readable = self._data, with_urls(output, route.dialect.base_url, files(engine, route))
        return self._readable[1]

    def _update(self, snapshot: Snapshot) -> Self:
        self._data = snapshot.to_dict()
        return self

    @contextlib.contextmanager
    def _updated_by_errors(self) -> Iterator[None]:
        """Take on the snapshot that an error carries."""
        try:
            yield
        except ReplicateHomeError as error:
            if error.prediction is not None:
                self._update(error.prediction)
            raise

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from ..outputs.notebook import table  # only notebooks need it

        facts = {"id": self.id, "model": self.model, "status": self.status, "error": self.error, "output": self.output}
        return table({name: value for name, value in facts.items() if value is not None})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseRun) and other._data == self._data

    def __hash__(self) -> int:
        return hash(self.id)

    def __copy__(self) -> Self:
        return type(self)(self.snapshot, self._engine, self._backend)

    def __deepcopy__(self, memo: Any) -> Self:
        return self.__copy__()  # snapshots are immutable

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_dict, (self.to_dict(),)


class Run(BaseRun["Engine"]):
    """The methods of a handle on a prediction or a training."""

    __slots__ = ()

    def reload(self) -> Self:
        """Update it from the server."""
        engine, route = self._owner()
        with self._updated_by_errors():
            return self._update(engine.get(self.id, route))

    def wait(self, timeout: TimeoutOption = DEFAULT) -> Self:
        """Wait until it has ended, with whatever status.

        Raises :class:`PredictionTimeout` after ``timeout`` seconds (600 by default); it is not canceled.
        """
        engine, route = self._owner()
        with self._updated_by_errors():
            return self._update(engine.wait(self.snapshot, route, timeout))

    def cancel(self) -> Self:
        """Cancel it; harmless if it has already ended."""
        engine, route = self._owner()
        with self._updated_by_errors():
            return self._update(engine.cancel(self.snapshot, route))


class Prediction(Run):
    """A handle on a prediction: its latest snapshot, and methods to follow and cancel it.

    Only :meth:`cancel` cancels it. ``output`` is the API's JSON as sent; :meth:`result` has its files as
    :class:`FileOutput`.
    """

    __slots__ = ()

    @Field
    def output(self) -> Any:
        """The output as JSON, None if there is none yet. The URL of a file can be read: ``output.read()``."""
        return self._output(Files)

    def result(self, timeout: TimeoutOption = DEFAULT) -> Result:
        """Wait, and return the output as ``client.run()`` does; raises :class:`ModelError` if it failed."""
        self.wait(timeout)
        engine, route = self._owner()
        format = Format(route.dialect.base_url, Files(engine, route))
        ended = engine.ended(self.snapshot, route)
        asking = format.asking(engine, engine.plain_terms(route), ended)
        return format.result(ended, () if asking is None else engine.perform(asking, route))

    def stream(self, timeout: TimeoutOption = DEFAULT) -> Stream:
        """The output as it grows, from the beginning."""
        engine, route = self._owner()
        format = Format(route.dialect.base_url, Files(engine, route))
        return Stream(engine, route, format, engine.follow(self.snapshot, route, timeout))

    def output_iterator(self, timeout: TimeoutOption = DEFAULT) -> Iterator[Any]:
        """The items of the output as they arrive, including those that are already there."""
        with self.stream(timeout) as stream:
            yield from stream


class AsyncRun(BaseRun["AsyncEngine"]):
    """The same as :class:`Run`, awaited."""

    __slots__ = ()

    async def reload(self) -> Self:
        """Update it from the server."""
        engine, route = self._owner()
        with self._updated_by_errors():
            return self._update(await engine.get(self.id, route))

    async def wait(self, timeout: TimeoutOption = DEFAULT) -> Self:
        """Wait until it has ended, with whatever status.

        Raises :class:`PredictionTimeout` after ``timeout`` seconds (600 by default); it is not canceled.
        """
        engine, route = self._owner()
        with self._updated_by_errors():
            return self._update(await engine.wait(self.snapshot, route, timeout))

    async def cancel(self) -> Self:
        """Cancel it; harmless if it has already ended."""
        engine, route = self._owner()
        with self._updated_by_errors():
            return self._update(await engine.cancel(self.snapshot, route))


class AsyncPrediction(AsyncRun):
    """A handle on a prediction; the same as :class:`Prediction`, awaited."""

    __slots__ = ()

    @Field
    def output(self) -> Any:
        """The output as JSON, None if there is none yet. Read the file of a URL by ``await output.file.aread()``."""
        return self._output(AsyncFiles)

    async def result(self, timeout: TimeoutOption = DEFAULT) -> Result:
        """Wait, and return the output as ``client.run()`` does; raises :class:`ModelError` if it failed."""
        await self.wait(timeout)
        engine, route = self._owner()
        format = Format(route.dialect.base_url, AsyncFiles(engine, route))
        ended = engine.ended(self.snapshot, route)
        asking = format.asking(engine, engine.plain_terms(route), ended)
        return format.result(ended, () if asking is None else await engine.perform(asking, route))

    def stream(self, timeout: TimeoutOption = DEFAULT) -> AsyncStream:
        """The output as it grows, from the beginning."""
        from ..outputs.async_streams import AsyncStream

        engine, route = self._owner()
        format = Format(route.dialect.base_url, AsyncFiles(engine, route))
        return AsyncStream(engine, route, format, lambda: engine.follow(self.snapshot, route, timeout))

    def output_iterator(self, timeout: TimeoutOption = DEFAULT) -> AsyncStream:
        """The items of the output as they arrive, including those that are already there."""
        return self.stream(timeout)


def created(engine: Engine, options: RunOptions) -> Prediction:
    """A handle on a new prediction."""
    route = engine.route(options.model)
    return Prediction(engine.create(options, route), engine, route.dialect.name)


async def acreated(engine: AsyncEngine, options: RunOptions) -> AsyncPrediction:
    """Like :func:`created`, awaited."""
    route = engine.route(options.model)
    return AsyncPrediction(await engine.create(options, route), engine, route.dialect.name)


class Predictions(Resource):
    """``client.predictions``: create, get, list and cancel."""

    list = pages(list_predictions, Prediction)

    @taking(prediction_options)
    def create(self, options: RunOptions) -> Prediction:
        """Create a prediction and return at once, or after the server has held the request ``wait`` seconds.

        What runs is ``version``, ``model`` or ``deployment``, one of them: any form of reference, or a record of a
        model, a version or a deployment. As ``deployment``, ``owner/name`` is the name of one. The other options are
        those of ``run``; ``stream`` has no effect, because every prediction that can be streamed is. The prediction is
        yours: nothing cancels it but you.
        """
        return created(self.engine, options)

    def get(self, id: str) -> Prediction:
        """The prediction with this id."""
        backend = self.engine.backend_of(id)
        return Prediction(self.engine.get(id, self.engine.route(backend=backend)), self.engine, backend)

    def cancel(self, id: str) -> Prediction:
        """Cancel the prediction with this id; harmless if it has already ended."""
        backend = self.engine.backend_of(id)
        return Prediction(self.engine.cancel(_by_id(id), self.engine.route(backend=backend)), self.engine, backend)


class AsyncPredictions(AsyncResource):
    """``client.predictions``: create, get, list and cancel, awaited."""

    list = apages(list_predictions, AsyncPrediction)

    @taking(prediction_options)
    async def create(self, options: RunOptions) -> AsyncPrediction:
        """Create a prediction and return at once, or after the server has held the request ``wait`` seconds.

        What runs is ``version``, ``model`` or ``deployment``, one of them: any form of reference, or a record of a
        model, a version or a deployment. As ``deployment``, ``owner/name`` is the name of one. The other options are
        those of ``run``; ``stream`` has no effect, because every prediction that can be streamed is. The prediction is
        yours: nothing cancels it but you.
        """
        return await acreated(self.engine, options)

    async def get(self, id: str) -> AsyncPrediction:
        """The prediction with this id."""
        backend = self.engine.backend_of(id)
        return AsyncPrediction(await self.engine.get(id, self.engine.route(backend=backend)), self.engine, backend)

    async def cancel(self, id: str) -> AsyncPrediction:
        """Cancel the prediction with this id; harmless if it has already ended."""
        engine, backend = self.engine, self.engine.backend_of(id)
        return AsyncPrediction(await engine.cancel(_by_id(id), engine.route(backend=backend)), engine, backend)


def _by_id(id: str) -> Snapshot:
    """A snapshot of a prediction of which only the id is known."""
    return Snapshot({"id": checked_id(id)})
