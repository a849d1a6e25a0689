"""An executor's part in a batch: this process creates predictions, and workers anywhere follow them to their end.

Following twice does no harm, so a worker may die, and a task may be run again. Only ``submit`` and futures are used.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from os import urandom
from pathlib import Path
from typing import Any

import attrs

from ...clock import Clock, SystemClock
from ...exceptions import AuthenticationError, ModelError
from ...lifecycle.machine import following
from ...records.prediction import Snapshot, Status
from ...transports.async_base import awaiting_thread, run_in_new_loop
from ..engine.calls import RunOptions
from ..engine.connections import Connections, Models
from ..engine.engine import Engine
from ..engine.routing import Route
from ..engine.settings import Settings
from ..outputs.download import Files
from ..outputs.streams import Format
from .saving import saved


class SharedEngine:
    """An engine on its way to workers: in each process there is one, however many tasks bring it. The token stays."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self._name = name

    def __reduce__(self) -> tuple[Any, ...]:
        made_of = self.engine.connections
        return _here, (self._name, self.engine.settings.without_token(), made_of.given, made_of.clock, made_of.models)


_engines: dict[str, SharedEngine] = {}
_MOST_ENGINES = 4


def _here(name: str, settings: Settings, given: Any, clock: Clock, models: Models | None) -> SharedEngine:
    shared = _engines.get(name)
    if shared is None:
        for oldest in list(_engines)[: 1 - _MOST_ENGINES]:
            _engines.pop(oldest, None)
        engine = Engine(settings, Connections(given, clock, models, blocking=given))
        shared = _engines.setdefault(name, SharedEngine(engine, name))
    return shared


@attrs.frozen
class Task:
    """What a worker does for one item: follow ``prediction`` until ``until`` (epoch seconds), or run ``options``.

    Then it saves the files in ``folder``, and calls ``then`` with the result.
    """

    shared: SharedEngine
    index: int
    options: RunOptions
    prediction: Mapping[str, Any] | None
    until: float | None
    folder: Path | None
    then: Any


@attrs.frozen
class Done:
    """What a worker returns: the prediction as it ended, the names of its files, what ``then`` returned or raised."""

    prediction: Mapping[str, Any]
    names: tuple[str, ...] = ()
    value: Any = None
    error: Exception | None = None


def work(task: Task) -> Done:
    """Do a task in a worker. Raises what keeps the prediction from being followed to its end there."""
    engine = task.shared.engine
    route = engine.route(task.options.model)
    snapshot = _ended(task, engine, route)
    if snapshot.status != Status.SUCCEEDED:
        return Done(dict(snapshot))
    files = Files(engine, route)
    names = _saved(task, Format(route.dialect.base_url, files), snapshot, route) if task.folder is not None else ()
    if task.then is None:
        return Done(dict(snapshot), names)
    format = Format(route.dialect.base_url, files if task.options.use_file_output else None)
    result = format.result(snapshot, _file_urls(engine, format, snapshot, route))
    try:
        value = task.then(result)
        return Done(dict(snapshot), names, run_in_new_loop(value) if inspect.iscoroutine(value) else value)
    except Exception as error:
        return Done(dict(snapshot), names, error=error)


def _ended(task: Task, engine: Engine, route: Route) -> Snapshot:
    """The prediction as it ended."""
    if task.prediction is None:
        over = engine.begin(task.options, route, delivers=False).settle()
    else:
        left = None if task.until is None else max(0.001, task.until - engine.clock.time())
        terms = engine.terms(route, left, delivers=False)
        over = engine.drive(following(terms, Snapshot(task.prediction), engine.clock.now()), route).settle()
    snapshot = over.life.snapshot
    if snapshot is None or (over.error is not None and not isinstance(over.error, ModelError)):
        assert over.error is not None
        raise over.error
    return snapshot


def _saved(task: Task, format: Format, snapshot: Snapshot, route: Route) -> tuple[str, ...]:
    assert task.folder is not None
    files = format.result(snapshot, _file_urls(task.shared.engine, format, snapshot, route)).files
    paths = run_in_new_loop(saved(files, task.folder, f"{task.index:06d}-{snapshot.id}"))
    return tuple(path.name for path in paths)


def _file_urls(engine: Engine, format: Format, snapshot: Snapshot, route: Route) -> Any:
    asking = format.asking(engine, engine.plain_terms(route), snapshot)
    return () if asking is None else engine.perform(asking, route)


class Workers:
    """The caller's executor, for as long as it takes tasks."""

    def __init__(self, executor: Executor, engine: Engine, folder: Path | None, then: Any) -> None:
        self._executor: Executor | None = executor
        self._shared = SharedEngine(engine, urandom(16).hex())
        self._folder = folder
        self._then = then

    async def done(
        self, index: int, options: RunOptions, prediction: Snapshot | None, seconds: float | None, clock: Clock
    ) -> Done | None:
        """What a worker has made of an item; None where it is to be made here, for whatever reason.

        Raises :class:`AuthenticationError` where workers have no token, for then none of them can do anything.
        """
        until = None if seconds is None else clock.time() + seconds
        known = None if prediction is None else dict(prediction)
        task = Task(self._shared, index, options, known, until, self._folder, self._then)
        future = self._submitted(task)
        if future is None:
            return None
        heard = asyncio.wrap_future(future)
        try:
            with awaiting_thread():
                await asyncio.wait({heard}, timeout=seconds if isinstance(clock, SystemClock) else None)
        finally:
            heard.cancel()
        return self._result(heard)

    def _submitted(self, task: Task) -> Future[Done] | None:
        try:
            return None if self._executor is None else self._executor.submit(work, task)
        except Exception as error:  # some pickle at once, and what cannot be sent is done here
            if isinstance(error, RuntimeError):  # it is broken, or was shut down
                self._executor = None
            return None

    def _result(self, heard: asyncio.Future[Done]) -> Done | None:
        if heard.cancelled():
            return None
        error = heard.exception()
        if isinstance(error, AuthenticationError):
            raise error
        if isinstance(error, BrokenExecutor):
            self._executor = None
        return heard.result() if error is None else None
