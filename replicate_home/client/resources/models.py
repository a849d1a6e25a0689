"""``client.models`` and the handles on models and their versions, for both clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from ...operations.models import (
    create_model,
    delete_model,
    delete_version,
    get_model,
    get_readme,
    get_version,
    list_examples,
    list_models,
    list_versions,
    search_models,
    update_model,
)
from ...records.base import Field, Record
from ...records.model import ModelFields, VersionFields
from ...records.schema import Schema
from ..engine.calls import RunOptions, taking
from ..engine.engine import Engine
from ..outputs.results import Result
from ..outputs.streams import Stream
from .binding import AsyncResource, Nested, Resource, abound, acall, apages, bound, call, pages
from .creating import model_options
from .pages import AsyncListing, Page
from .predictions import AsyncPrediction, Prediction, acreated, created

if TYPE_CHECKING:
    from ..engine.async_engine import AsyncEngine

E = TypeVar("E", "Engine", "AsyncEngine")


class Handle(Record, Generic[E]):
    """A record with methods; to be mixed in after its fields. Pickling leaves its client behind."""

    __slots__ = ("_engine",)

    def __init__(self, fields: Record, engine: E) -> None:
        super().__init__(fields.to_dict())
        self._engine: E = engine

    def __reduce__(self) -> tuple[Any, ...]:
        fields = next(kind for kind in type(self).__mro__ if not issubclass(kind, Handle))
        return fields, (self.to_dict(),)


class Version(VersionFields, Handle["Engine"]):
    """One version of a model."""

    __slots__ = ()

    def predict(self, /, **inputs: Any) -> Result:
        """Run it, as ``client.run`` does, with these inputs."""
        with Stream.of(self._engine, RunOptions(self.id, inputs), delivers=False) as stream:
            return stream.result()


class AsyncVersion(VersionFields, Handle["AsyncEngine"]):
    """One version of a model; the same as :class:`Version`, awaited."""

    __slots__ = ()

    async def predict(self, /, **inputs: Any) -> Result:
        """Run it, as ``client.run`` does, with these inputs."""
        from ..outputs.async_streams import AsyncStream

        async with AsyncStream.of(self._engine, RunOptions(self.id, inputs), delivers=False) as stream:
            return await stream.result()


class BaseModel(ModelFields, Handle[E]):
    """What both handles on a model share."""

    __slots__ = ()

    def predict(self, *_: Any, **__: Any) -> NoReturn:
        """Not supported: use ``client.run``, or ``predict`` of a version."""
        raise TypeError(f"a model has no predict(): use client.run({self.id!r}, input={{...}})")

    def _update(self, fields: ModelFields) -> Self:
        self._data = fields.to_dict()
        return self


class Model(BaseModel["Engine"]):
    """A model, with its versions and an example."""

    __slots__ = ()

    @Field
    def latest_version(self) -> Version | None:  # type: ignore[override]  # it is only read
        """The version that was pushed last; None for an official model."""
        found = ModelFields(self._data).latest_version
        return None if found is None else Version(found, self._engine)

    @Field
    def default_example(self) -> Prediction | None:  # type: ignore[override]  # it is only read
        """A prediction that shows what the model does."""
        found = ModelFields(self._data).default_example
        return None if found is None else Prediction(found, self._engine)

    @property
    def versions(self) -> VersionsOfModel:
        """The versions of this model."""
        return VersionsOfModel(self, self._engine)

    def reload(self) -> Self:
        """Update it from the server."""
        return self._update(self._engine.operate(get_model(self.id)))


class AsyncModel(BaseModel["AsyncEngine"]):
    """A model; the same as :class:`Model`, awaited."""

    __slots__ = ()

    @Field
    def latest_version(self) -> AsyncVersion | None:  # type: ignore[override]  # it is only read
        """The version that was pushed last; None for an official model."""
        found = ModelFields(self._data).latest_version
        return None if found is None else AsyncVersion(found, self._engine)

    @Field
    def default_example(self) -> AsyncPrediction | None:  # type: ignore[override]  # it is only read
        """A prediction that shows what the model does."""
        found = ModelFields(self._data).default_example
        return None if found is None else AsyncPrediction(found, self._engine)

    @property
    def versions(self) -> AsyncVersionsOfModel:
        """The versions of this model."""
        return AsyncVersionsOfModel(self, self._engine)

    async def reload(self) -> Self:
        """Update it from the server."""
        return self._update(await self._engine.operate(get_model(self.id)))


class ModelVersions(Resource):
    """``client.models.versions``."""

    list = pages(list_versions, Version)
    get = bound(get_version, Version)
    delete = call(delete_version)


class AsyncModelVersions(AsyncResource):
    """``client.models.versions``, awaited."""

    list = apages(list_versions, AsyncVersion)
    get = abound(get_version, AsyncVersion)
    delete = acall(delete_version)


class VersionsOfModel:
    """``model.versions``."""

    def __init__(self, model: ModelFields, engine: Engine) -> None:
        self._model, self._versions = model, ModelVersions(engine)

    def list(self) -> Page[Version]:
        """The versions of the model, newest first."""
        return self._versions.list(self._model)

    def get(self, id: str) -> Version:
        """The version with this id."""
        return self._versions.get(self._model, id)

    def delete(self, id: str) -> bool:
        """Delete a version, and all predictions made with it; True once the API has accepted it."""
        return self._versions.delete(self._model, id)


class AsyncVersionsOfModel:
    """``model.versions``, awaited."""

    def __init__(self, model: ModelFields, engine: AsyncEngine) -> None:
        self._model, self._versions = model, AsyncModelVersions(engine)

    def list(self) -> AsyncListing[AsyncVersion]:
        """The versions of the model, newest first."""
        return self._versions.list(self._model)

    async def get(self, id: str) -> AsyncVersion:
        """The version with this id."""
        return await self._versions.get(self._model, id)

    async def delete(self, id: str) -> bool:
        """Delete a version, and all predictions made with it; True once the API has accepted it."""
        return await self._versions.delete(self._model, id)


class ModelExamples(Resource):
    """``client.models.examples``."""

    list = pages(list_examples, Prediction)


class AsyncModelExamples(AsyncResource):
    """``client.models.examples``, awaited."""

    list = apages(list_examples, AsyncPrediction)


class ModelPredictions(Resource):
    """``client.models.predictions``."""

    @taking(model_options)
    def create(self, options: RunOptions) -> Prediction:
        """Create a prediction of an official model; the options are those of ``client.predictions.create``."""
        return created(self.engine, options)


class AsyncModelPredictions(AsyncResource):
    """``client.models.predictions``, awaited."""

    @taking(model_options)
    async def create(self, options: RunOptions) -> AsyncPrediction:
        """Create a prediction of an official model; the options are those of ``client.predictions.create``."""
        return await acreated(self.engine, options)


class Models(Resource):
    """``client.models``."""

    list = pages(list_models, Model)
    search = pages(search_models, Model)
    get = bound(get_model, Model)
    create = bound(create_model, Model)
    update = bound(update_model, Model)
    delete = call(delete_model)
    readme = call(get_readme)
    versions = Nested(ModelVersions)
    examples = Nested(ModelExamples)
    predictions = Nested(ModelPredictions)

    def schema(self, model: str | ModelFields) -> Schema:
        """The JSON schemas of the model's input and output; fetched once per client."""
        return self.engine.schema(model)


class AsyncModels(AsyncResource):
    """``client.models``, awaited."""

    list = apages(list_models, AsyncModel)
    search = apages(search_models, AsyncModel)
    get = abound(get_model, AsyncModel)
    create = abound(create_model, AsyncModel)
    update = abound(update_model, AsyncModel)
    delete = acall(delete_model)
    readme = acall(get_readme)
    versions = Nested(AsyncModelVersions)
    examples = Nested(AsyncModelExamples)
    predictions = Nested(AsyncModelPredictions)

    async def schema(self, model: str | ModelFields) -> Schema:
        """The JSON schemas of the model's input and output; fetched once per client."""
        return await self.engine.schema(model)
