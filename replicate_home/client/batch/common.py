"""What the items of one batch share: where they go, how they are told, and whether anything may still be created."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from ...clock import Clock
from ...dialects.refs import ModelRef
from ...exceptions import (
    AuthenticationError,
    InvalidInput,
    NotFound,
    PaymentRequired,
    PermissionDenied,
    ReplicateHomeError,
)
from ...lifecycle import policy
from ...operations.models import get_model
from ...records.prediction import Snapshot
from ...threads import ThreadPool
from ...transports.async_base import sleep_on
from ..engine.async_connections import AsyncConnections
from ..engine.async_engine import AsyncEngine
from ..engine.calls import MapOptions
from ..engine.routing import Route
from ..engine.settings import Settings, checked_rate
from ..outputs.download import AsyncFiles
from ..outputs.streams import Format
from .journal import Journal
from .look_up import LookUp
from .writer import EndsBatch, Writer

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from .workers import Workers

_POLLS_A_SECOND = 40  # which the hosted API allows for all that run at once
PACE = policy.Pace(share=0.2, least=0.5, most=10.0)
"""A tenth of the run late on average, for a quarter of the requests: what counts is the whole batch."""

STOPPING = (AuthenticationError, PaymentRequired, PermissionDenied)
"""What every other create would be answered too."""


class CreatingStopped(Exception):
    """Raised in a task that was about to create a prediction, when no more are to be created."""


class Common:
    """Shared by all items of a batch; ``ref`` may be asked by many at once.

    ``outlives`` says whether predictions go on without the process that created them. ``format`` is how the caller gets
    outputs; in ``saving`` their files are read by the event loop itself.
    """

    def __init__(
        self,
        settings: Settings,
        connections: AsyncConnections,
        route: Route,
        options: MapOptions,
        each: Mapping[str, Any],
        journal: Journal | None,
        format: Format,
    ) -> None:
        streams = not connections.holds_threads(route.connections)
        pace = attrs.evolve(PACE, least=min(PACE.least, max(0.1, options.concurrency / _POLLS_A_SECOND)))
        self.engine = AsyncEngine(settings, connections, pace=pace, streams=streams)
        self.route = route
        self.options = options
        self.each = each
        self.writer = Writer(journal)
        self.look_up = LookUp(self.engine, route, self.writer)
        self.format = format
        self.saving = Format(route.dialect.base_url, AsyncFiles(self.engine, route))
        self.slots = asyncio.Semaphore(options.concurrency)
        self.thens = ThreadPool(min(32, options.concurrency), "replicate-home-then")
        self._creates = policy.OPEN if options.rate_limit is None else checked_rate(options.rate_limit)
        self.workers = None if options.executor is None else self._workers(options.executor)
        self.stopped: ReplicateHomeError | None = None
        self.outlives = route.dialect.keeps and route.connections != "local"
        self._named = ModelRef.parse(options.model, aliases=route.dialect.aliases)
        self._ref: ModelRef | None = None if journal is not None else self._named
        self._pinning = asyncio.Lock()

    @property
    def clock(self) -> Clock:
        """The clock that all goes by."""
        return self.engine.clock

    def _workers(self, executor: Executor) -> Workers:
        if not self.route.dialect.keeps:
            raise InvalidInput(
                f"a {self.route.dialect.name} server ends a prediction with the connection that asked for it, so no "
                "worker can follow it: leave executor= out"
            )
        from .workers import Workers  # few batches need it

        return Workers(executor, self.engine.blocking(), self.options.save_to, self.options.then)

    def stop_at(self, error: Exception) -> bool:
        """Whether this error means that nothing more is to be created."""
        if not isinstance(error, STOPPING):
            return False
        self.stopped = self.stopped or error
        return True

    def check_stopped(self) -> None:
        """Raise where nothing more is to be created."""
        if self.stopped is not None:
            raise CreatingStopped

    async def turn(self) -> None:
        """Wait until the caller's own limit lets one more be created."""
        self.check_stopped()
        now = self.clock.now()
        at = self._creates.moment(now)
        self._creates = self._creates.taking(at)
        if at > now:
            await sleep_on(self.clock, at - now)
        self.check_stopped()

    async def ref(self) -> ModelRef:
        """What is run: with a journal, always the version that was the latest when it began."""
        async with self._pinning:
            if self._ref is None:
                self._ref = await self._pinned()
            return self._ref

    async def file_urls(self, snapshot: Snapshot) -> Container[str]:
        """The URLs in an output of which only the model's schema tells that they are files."""
        format = self.format if self.options.save_to is None else self.saving
        asking = format.asking(self.engine, self.engine.plain_terms(self.route), snapshot)
        return () if asking is None else await self.engine.perform(asking, self.route)

    async def _pinned(self) -> ModelRef:
        if self._named.version or self._named.deployment:
            return self._named
        version = await self.writer.write(Journal.fact, "version")
        if version is None:
            version = await self._latest()
            await self.writer.write(Journal.state_fact, "version", version)
        return attrs.evolve(self._named, version=version or None)

    async def _latest(self) -> str:
        """The model's latest version; empty where it has none to be named, as official models."""
        operation = get_model(str(self._named))
        try:
            model = await self.engine.perform(self.engine.operating(operation, self.route), self.route)
        except (NotFound, PermissionDenied):  # of this server, the create will say what it has to say
            return ""
        except ReplicateHomeError as error:
            raise EndsBatch(error) from None
        named = None if model.is_official else model.latest_version
        return "" if named is None else named.id
