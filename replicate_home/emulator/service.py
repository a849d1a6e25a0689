"""What the routes act on: the models, the clock, what is stored, and how a prediction is begun."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Mapping
from itertools import count
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs

from ..clock import Clock, FakeClock
from ..threads import ThreadPool
from .files import InputFiles, OutputFiles, StoredFile
from .predictions import StoredPrediction
from .registry import Model, Models
from .store import KEPT_PREDICTIONS, Store
from .timeline import Plan, RealRun, Run, VirtualRun

RUNNING_AT_ONCE = 32  # further predictions stay ``starting`` until one ends


@attrs.frozen
class CreatedPrediction:
    """A prediction that was created, with the input as it was sent."""

    model: str
    input: Mapping[str, Any]
    prediction_id: str


class Service:
    """Models that can be run, and everything that was made over the API. Knows no routes."""

    def __init__(self, models: Models, clock: Clock, base_url: str, seed: int | str) -> None:
        self.models = models
        self.clock = clock
        self.base_url = base_url
        self.store = Store(seed)
        self.calls: deque[CreatedPrediction] = deque(maxlen=KEPT_PREDICTIONS)
        self.epoch = clock.time() - clock.now()  # added to a moment on the clock, it gives the date
        self._threads = ThreadPool(RUNNING_AT_ONCE, "prediction", idle=0.0)
        self._order = count()
        self._virtual = threading.Condition(threading.RLock())  # one for all virtual runs: every look steps them

    def find_model(self, wanted: str) -> tuple[Model, str]:
        """The model and its version for ``owner/name``, ``owner/name:version`` or a version alone."""
        name, _, version = wanted.partition(":") if "/" in wanted else ("", "", wanted)
        model = self.models.find(name) if name else self.models.find_version(version)
        if model is None or (version and version not in model.versions):
            raise self.models.missing(wanted)
        return model, version or model.versions[0]

    def begin(
        self,
        model: Model,
        version: str,
        given: Mapping[str, Any],
        *,
        origin: str,
        lifetime: float | None,
        webhook: Mapping[str, Any],
    ) -> StoredPrediction:
        """Create a prediction and let it run; raises :class:`~.problems.Problem` where the input does not fit."""
        plan = model.plan(given, InputFiles(lambda uri: self.file_behind(uri, origin)))
        id = self.store.new_id()
        files = OutputFiles(lambda size: self.store.count_file(id, size))
        prediction = StoredPrediction(
            id=id,
            number=next(self._order),
            model=model.name,
            version=version,
            input=given,
            run=self._run(id, plan, files, lifetime),
            files=files,
            stream_token=self.store.new_id() + self.store.new_id(),
            streams=plan.streams,
            epoch=self.epoch,
            webhook=webhook,
        )
        self.store.add(prediction)
        self.calls.append(CreatedPrediction(model.name, given, id))
        if isinstance(prediction.run, RealRun):
            self._threads.submit(prediction.run.work)
        return prediction

    def file_behind(self, uri: str, origin: str) -> StoredFile | None:
        """The file behind one of this server's own URLs; None for any other URL."""
        parts, own = urlsplit(uri), urlsplit(self.base_url)
        if f"{parts.scheme}://{parts.netloc}" not in (origin, f"{own.scheme}://{own.netloc}"):
            return None
        path = unquote(parts.path).removeprefix("/v1")
        if found := re.fullmatch(r"/files/([^/]+)(?:/download)?", path):
            return self.store.upload(found[1], self.clock.now()).file
        if found := re.fullmatch(r"/delivery/([^/]+)/([^/]+)", path):
            return self.store.delivered(found[1], found[2])
        return None

    def close(self) -> None:
        """Cancel what runs, and wait a moment for its threads; a model that never sleeps cannot be stopped."""
        for prediction in self.store.predictions():
            prediction.run.cancel()
        self._threads.join(2.0)

    def _run(self, id: str, plan: Plan, files: OutputFiles, lifetime: float | None) -> Run:
        deadline = None if lifetime is None else self.clock.now() + lifetime
        if isinstance(self.clock, FakeClock):
            return VirtualRun(id, plan, self.clock, self._virtual, store=files.store, deadline=deadline)
        changed = threading.Condition(threading.RLock())
        return RealRun(id, plan, self.clock, changed, store=files.store, deadline=deadline)
