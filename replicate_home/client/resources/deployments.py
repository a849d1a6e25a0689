"""``client.deployments`` and the handle on a deployment, for both clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from ...operations.deployments import (
    create_deployment,
    delete_deployment,
    get_deployment,
    list_deployments,
    update_deployment,
)
from ...records.deployment import DeploymentFields
from ..engine.calls import RunOptions, taking
from ..engine.engine import Engine
from .binding import AsyncResource, Nested, Resource, abound, acall, apages, bound, call, pages
from .creating import at_deployment, deployed_options, deployment_options
from .predictions import AsyncPrediction, Prediction, acreated, created

if TYPE_CHECKING:
    from ..engine.async_engine import AsyncEngine

E = TypeVar("E", "Engine", "AsyncEngine")


class BaseDeployment(DeploymentFields, Generic[E]):
    """What both handles on a deployment share."""

    __slots__ = ("_engine",)

    def __init__(self, fields: DeploymentFields, engine: E) -> None:
        super().__init__(fields.to_dict())
        self._engine: E = engine

    def __reduce__(self) -> tuple[type[DeploymentFields], tuple[dict[str, object]]]:
        return DeploymentFields, (self.to_dict(),)  # its client is left behind


class Deployment(BaseDeployment["Engine"]):
    """One of your deployments: a model on machines of its own."""

    __slots__ = ()

    @property
    def predictions(self) -> PredictionsOfDeployment:
        """Its predictions."""
        return PredictionsOfDeployment(self, self._engine)


class AsyncDeployment(BaseDeployment["AsyncEngine"]):
    """One of your deployments; the same as :class:`Deployment`, awaited."""

    __slots__ = ()

    @property
    def predictions(self) -> AsyncPredictionsOfDeployment:
        """Its predictions."""
        return AsyncPredictionsOfDeployment(self, self._engine)


class PredictionsOfDeployment:
    """``deployment.predictions``."""

    def __init__(self, deployment: DeploymentFields, engine: Engine) -> None:
        self._deployment, self._engine = deployment, engine

    @taking(deployed_options)
    def create(self, options: RunOptions) -> Prediction:
        """Create a prediction on this deployment; the options are those of ``client.predictions.create``."""
        return created(self._engine, at_deployment(options, self._deployment))


class AsyncPredictionsOfDeployment:
    """``deployment.predictions``, awaited."""

    def __init__(self, deployment: DeploymentFields, engine: AsyncEngine) -> None:
        self._deployment, self._engine = deployment, engine

    @taking(deployed_options)
    async def create(self, options: RunOptions) -> AsyncPrediction:
        """Create a prediction on this deployment; the options are those of ``client.predictions.create``."""
        return await acreated(self._engine, at_deployment(options, self._deployment))


class DeploymentPredictions(Resource):
    """``client.deployments.predictions``."""

    @taking(deployment_options)
    def create(self, options: RunOptions) -> Prediction:
        """Create a prediction on a deployment; the options are those of ``client.predictions.create``."""
        return created(self.engine, options)


class AsyncDeploymentPredictions(AsyncResource):
    """``client.deployments.predictions``, awaited."""

    @taking(deployment_options)
    async def create(self, options: RunOptions) -> AsyncPrediction:
        """Create a prediction on a deployment; the options are those of ``client.predictions.create``."""
        return await acreated(self.engine, options)


class Deployments(Resource):
    """``client.deployments``."""

    list = pages(list_deployments, Deployment)
    get = bound(get_deployment, Deployment)
    create = bound(create_deployment, Deployment)
    update = bound(update_deployment, Deployment)
    delete = call(delete_deployment)
    predictions = Nested(DeploymentPredictions)


class AsyncDeployments(AsyncResource):
    """``client.deployments``, awaited."""

    list = apages(list_deployments, AsyncDeployment)
    get = abound(get_deployment, AsyncDeployment)
    create = abound(create_deployment, AsyncDeployment)
    update = abound(update_deployment, AsyncDeployment)
    delete = acall(delete_deployment)
    predictions = Nested(AsyncDeploymentPredictions)
