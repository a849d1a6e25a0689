"""The engine of an async client: the twin of :mod:`.engine`, awaited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ...dialects.refs import ModelRef
from ...drivers import calling
from ...drivers.adrive import AsyncDrive
from ...drivers.calling import Calling
from ...exceptions import ReplicateHomeError
from ...lifecycle.machine import Settled, State, following
from ...operations.base import Operation
from ...records.prediction import Snapshot
from ...records.schema import Schema
from ...transports.threaded import in_thread
from ..inputs.prompting import is_json
from .async_connections import AsyncConnections
from .calls import HOLD, RunOptions, reference_of
from .engine import BaseEngine, Engine
from .routing import Route
from .settings import Settings, TimeoutOption

R = TypeVar("R")
T = TypeVar("T")


class AsyncEngine(BaseEngine):
    """Makes calls in the caller's event loop."""

    def __init__(self, settings: Settings, connections: AsyncConnections, **life_terms: Any) -> None:
        super().__init__(settings, connections.shared, **life_terms)
        self.async_connections = connections

    async def perform(self, steps: Calling[T], route: Route, *, reads_files: bool = False) -> T:
        """Make a call's requests, one after the other; steps that read files run in a thread."""
        over: Settled | None = None
        while True:
            if reads_files:
                begins, value = await in_thread(self.async_connections.readers, calling.advanced, steps, over)
            else:
                begins, value = calling.advanced(steps, over)
            if begins is None:
                return value  # type: ignore[return-value]  # the generator's own
            over = await self.drive(begins(self.clock.now()), route).settle()

    def drive(self, state: State, route: Route) -> AsyncDrive:
        """A life that begins with ``state``."""
        connections = self.async_connections
        gate = connections.shared.gate(route.dialect)
        return AsyncDrive(state, connections.transport(route.connections), self.clock, gate, connections.leaving)

    async def begin(self, options: RunOptions, route: Route, *, delivers: bool) -> AsyncDrive:
        """The life of a new prediction; ``delivers`` is whether its output is handed out as it grows."""
        # If threads serve the event loop, a held create would block one of them.
        hold = HOLD if self.async_connections.is_native(route.connections) else 0.0
        steps = self.beginning(options, route, delivers=delivers, hold=hold)
        begins = await self.perform(steps, route, reads_files=not is_json(options.input))
        return self.drive(begins(self.clock.now()), route)

    async def follow(self, snapshot: Snapshot, route: Route, timeout: TimeoutOption) -> AsyncDrive:
        """A life that goes on from what is known of a prediction, handing out all of its output."""
        return self.drive(following(self.terms(route, timeout), snapshot, self.clock.now()), route)

    async def create(self, options: RunOptions, route: Route) -> Snapshot:
        """Create a prediction and leave it running."""
        return await self.perform(self.creating(options, route), route, reads_files=not is_json(options.input))

    async def get(self, prediction_id: str, route: Route) -> Snapshot:
        """A prediction as it is now."""
        return await self.perform(self.getting(prediction_id, route), route)

    async def cancel(self, known: Snapshot, route: Route) -> Snapshot:
        """Cancel a prediction, of which only the id need be known."""
        return await self.perform(self.canceling(known, route), route)

    async def wait(self, snapshot: Snapshot, route: Route, timeout: TimeoutOption) -> Snapshot:
        """A prediction as it ends, failed or not."""
        return await self.perform(calling.ended(self.terms(route, timeout, delivers=False), snapshot), route)

    async def operate(self, operation: Operation[R], backend: str | None = None) -> R:
        """Perform one operation of the API."""
        route = self.route(backend=backend)
        return await self.perform(self.operating(operation, route), route)

    async def schema(self, model: Any) -> Schema:
        """A model's inputs and output."""
        ref = reference_of(model)
        route = self.route(ref)
        parsed = ModelRef.parse(ref, aliases=route.dialect.aliases)
        return await self.perform(self.asking_schema(self.plain_terms(route), parsed, strict=True), route)

    async def download(self, url: str, route: Route, headers: Mapping[str, str]) -> AsyncDrive:
        """A settled life whose body is an open download; raises if it could not be opened."""
        drive = self.drive(self.downloading(url, route, headers), route)
        error = (await drive.settle()).error
        if error is not None:
            raise error
        return drive

    def blocking(self) -> Engine:
        """The same engine for threads; raises if its transport is for event loops only."""
        if self.connections.is_async_only:
            raise ReplicateHomeError("this came over a transport for event loops: await aread(), asave() or async for")
        return Engine(self.settings, self.connections)

    async def close(self) -> None:
        """Close the connections, after waiting for cancels; a transport that was passed in stays open."""
        await self.async_connections.close()
