"""What the routes act on: models, a clock, the store, and how a run begins."""

from __future__ import annotations

import math
import re
import threading
from collections import Counter, deque
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs

from ..clock import Clock, FakeClock, waiting
from ..threads import ThreadPool
from .catalog import Catalog, CatalogModel, Version
from .files import InputFiles, OutputFiles, StoredFile
from .incoming import RunOptions
from .limits import Limits
from .registry import Models
from .store import KEPT_RUNS, Deployment, Store
from .stored_run import StoredRun
from .timeline import LocalRun, Peer, Plan, RealRun, Run, VirtualRun
from .webhook_senders import Send
from .webhooks import Webhooks

ACCOUNT = "local"
KEPT_CAUSES = 100  # exceptions, which keep the models' objects alive
RUNNING_AT_ONCE = 32  # further predictions stay ``starting`` until one ends


@attrs.frozen
class CreatedPrediction:
    """A prediction that was created, with the input as it was sent."""

    model: str
    input: Mapping[str, Any]
    prediction_id: str


class Service:
    """Models that can be run, and everything that was created over the API."""

    def __init__(
        self, models: Models, clock: Clock, base_url: str, *, seed: int | str, limits: Limits, send_webhook: Send
    ) -> None:
        self.clock = clock
        self.base_url = base_url
        self.epoch = clock.time() - clock.now()  # added to a moment on the clock, it gives the date
        self.limits = limits
        self.models = models
        self.catalog = Catalog(models, self.date)
        self.store = Store(seed, clock.now)
        self.webhooks = Webhooks(clock, send_webhook, self.store.new_digest("webhooks"), self.store.new_id)
        self.calls: deque[CreatedPrediction] = deque(maxlen=KEPT_RUNS)
        self.run_counts: Counter[str] = Counter()
        self._threads = ThreadPool(RUNNING_AT_ONCE, "prediction", idle=0.0)
        self.causes: deque[tuple[str, Exception]] = deque(maxlen=KEPT_CAUSES)
        self._examples: dict[str, list[StoredRun]] = {}
        self._virtual = threading.Condition(threading.RLock())  # one for all virtual runs: every request steps them

    def date(self) -> float:
        """Now, in seconds since the epoch."""
        return self.epoch + self.clock.now()

    def predict(
        self,
        model: CatalogModel,
        version: Version,
        options: RunOptions,
        *,
        deployment: Deployment | None = None,
    ) -> StoredRun:
        """Create a prediction and let it run; raises :class:`~.problems.Problem` where the input does not fit."""
        plan = version.plan(options.input, self._input_files(options.origin))
        stored = self._begin(
            plan,
            options,
            limit=self.limits.run,
            model=model.name,
            version="hidden" if model.official else version.id,
            deployment=f"{deployment.owner}/{deployment.name}" if deployment else None,
            streams=plan.streams,
            stream_token=self.store.new_id() + self.store.new_id(),
            retention=math.inf if self.limits.retention is None else self.limits.retention,
            trouble=plan.trouble,
            contradiction=plan.contradiction,
        )
        self.calls.append(CreatedPrediction(model.name, options.input, stored.id))
        self.run_counts[model.name] += 1
        return stored

    def train(self, model: CatalogModel, version: Version, destination: str, options: RunOptions) -> StoredRun:
        """Create a training and let it run; its end makes a version of the model ``destination``."""
        plan = version.runs.training(options.input, self._input_files(options.origin))
        made = self.catalog.destination(destination)
        id = self.store.new_digest("version").hex()
        stored = self._begin(
            attrs.evolve(plan, call=_training(plan, f"{destination}:{id}")),
            options,
            model=model.name,
            version=version.id,
            resource="trainings",
        )
        self.catalog.add_version(made, id, version, stored)
        return stored

    def examples(self, model: CatalogModel) -> list[StoredRun]:
        """The example predictions of a model, run on first use, on a clock of their own."""
        wanted = list(model.served.examples) if model.served else []
        with self._virtual:  # their runs take it too: a model may use models
            made = self._examples.setdefault(model.name, [])
            for given in wanted[len(made) :]:
                made.append(self._example(model, given))
            return list(made)

    def _example(self, model: CatalogModel, given: Mapping[str, Any]) -> StoredRun:
        version = model.versions[0]
        options, clock = RunOptions(dict(given), self.base_url.removesuffix("/v1")), FakeClock()
        plan = version.plan(options.input, self._input_files(options.origin))
        stored = self._begin(
            plan,
            options,
            clock=clock,
            model=model.name,
            version="hidden" if model.official else version.id,
            resource="examples",
        )
        with waiting():  # on a clock of its own
            stored.run.wait(math.inf, math.inf, Peer())
        return stored

    def file_behind(self, uri: str, origin: str) -> StoredFile | None:
        """The file behind one of this server's own URLs; None for any other URL."""
        parts, own = urlsplit(uri), urlsplit(self.base_url)
        if f"{parts.scheme}://{parts.netloc}" not in (origin, f"{own.scheme}://{own.netloc}"):
            return None
        path = unquote(parts.path).removeprefix("/v1")
        if found := re.fullmatch(r"/files/([^/]+)(?:/download)?", path):
            return self.store.upload(found[1]).file
        if found := re.fullmatch(r"/delivery/([^/]+)/([^/]+)", path):
            return self.store.delivered(found[1], found[2])
        return None

    def cause_of(self, prediction_id: str) -> Exception | None:
        """The exception that ended a model, as long as it is remembered."""
        return next((error for id, error in reversed(self.causes) if id == prediction_id), None)

    def close(self) -> None:
        """Cancel what runs, and wait briefly for its threads; a model that never sleeps cannot be stopped."""
        self.webhooks.close()
        for stored in self.store.runs():
            stored.run.cancel()
        self._threads.join(2.0)

    def _input_files(self, origin: str) -> InputFiles:
        return InputFiles(lambda uri: self.file_behind(uri, origin))

    def _begin(
        self,
        plan: Plan,
        options: RunOptions,
        *,
        limit: float | None = None,
        clock: Clock | None = None,
        **described: Any,
    ) -> StoredRun:
        id = self.store.new_id()
        files = OutputFiles(lambda size: self.store.count_file(id, size))
        stored = StoredRun(
            id=id,
            number=self.store.new_number(),
            input=options.input,
            run=self._run(id, plan, files, clock or self.clock, options.lifetime, limit),
            files=files,
            epoch=self.epoch,
            webhook=options.webhook_fields,
            **described,
        )
        self.store.add(stored)
        if options.webhook is not None:
            self.webhooks.subscribe(stored, options.webhook, options.webhook_events, options.origin)
        if isinstance(stored.run, RealRun):
            self._threads.submit(stored.run.work)
        return stored

    def _run(
        self, id: str, plan: Plan, files: OutputFiles, clock: Clock, lifetime: float | None, limit: float | None
    ) -> Run:
        bounds: dict[str, Any] = {
            "cancels_at": math.inf if lifetime is None else clock.now() + lifetime,
            "limit": math.inf if limit is None else limit,
            "on_error": lambda error: self.causes.append((id, error)),
        }
        if isinstance(clock, FakeClock):
            return VirtualRun(id, plan, clock, self._virtual, store=files.store, **bounds)
        changed = threading.Condition(threading.RLock())
        noticed = partial(self.webhooks.notice, id)
        return RealRun(id, plan, clock, changed, store=files.store, on_change=noticed, **bounds)


def _training(plan: Plan, version: str) -> Any:
    """What a training runs: the plan, with the name of the new version added to its output."""

    def call(run: LocalRun) -> Any:
        made = plan.call(run)
        if isinstance(made, Mapping):
            return {**made, "version": version}
        return {"version": version} if made is None else {"version": version, "weights": made}

    return call
