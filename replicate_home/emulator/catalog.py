"""All models: those that are served, and those that were created over the API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import attrs

from .problems import Problem, conflict, forbidden, not_found
from .registry import Model, Models
from .schema.kinds import Opener
from .stored_run import StoredRun
from .timeline import Plan

HARDWARE = {
    "cpu": "CPU",
    "gpu-t4": "Nvidia T4 GPU",
    "gpu-a40-small": "Nvidia A40 GPU",
    "gpu-a40-large": "Nvidia A40 (Large) GPU",
    "gpu-l40s": "Nvidia L40S GPU",
    "gpu-a100-large": "Nvidia A100 (80GB) GPU",
    "gpu-h100": "Nvidia H100 GPU",
}


@attrs.frozen
class Version:
    """A version of a model: what runs it, and the training that made it, if any."""

    id: str
    number: int
    runs: Model
    made_at: float  # seconds since the epoch; unused if a training made it
    training: StoredRun | None = None

    def is_ready(self) -> bool:
        """Whether the training that makes it has succeeded."""
        end = self.training.end() if self.training else None
        return self.training is None or (end is not None and end.kind == "succeeded")

    @property
    def created(self) -> float:
        """When it was made, in seconds since the epoch."""
        end = self.training.end() if self.training else None
        return self.training.epoch + end.at if self.training and end else self.made_at

    def openapi(self) -> dict[str, Any]:
        """The schema of its input and output."""
        return self.runs.openapi()

    def plan(self, given: Mapping[str, Any], opener: Opener) -> Plan:
        """The run for one input."""
        return self.runs.plan(given, opener)


@attrs.define(eq=False)
class CatalogModel:
    """A model and its description; ``served`` is what runs it, None if it was created over the API."""

    name: str
    number: int
    created: float  # seconds since the epoch
    served: Model | None = None
    about: dict[str, Any] = attrs.field(factory=dict)
    visibility: str = "public"
    trained: list[Version] = attrs.field(factory=list)

    @property
    def official(self) -> bool | None:
        """Whether it shows no versions (True), has no endpoint of its own (False), or both are there (None)."""
        return self.served.official if self.served else False

    @property
    def versions(self) -> list[Version]:
        """Its versions, the latest first."""
        trained = [version for version in reversed(list(self.trained)) if version.is_ready()]
        if self.served is None:
            return trained
        served = [Version(id, -place, self.served, self.created) for place, id in enumerate(self.served.versions)]
        return [*trained, *served]

    def version(self, id: str) -> Version | None:
        """The version of that id."""
        return next((version for version in self.versions if version.id == id), None)

    @property
    def latest_at(self) -> float:
        """When its latest version was made, in seconds since the epoch."""
        versions = self.versions
        return versions[0].created if versions else self.created


class Catalog:
    """Finds models and versions by name and id. Safe to share between threads."""

    def __init__(self, models: Models, now: Callable[[], float]) -> None:
        self._models, self._now = models, now  # in seconds since the epoch
        self._lock = threading.RLock()
        self._order = count(1)
        self._known: dict[str, CatalogModel] = {}
        self._deleted: set[str] = set()
        self.all()  # what is served from the beginning comes first in the order of creation

    def all(self) -> list[CatalogModel]:
        """Every model, by name."""
        served = self._models.all()
        with self._lock:
            for name, model in served.items():
                self._serve(name, model)
            models = [model for name, model in self._known.items() if model.served is None or name in served]
        return sorted(models, key=lambda model: model.name)

    def find(self, name: str) -> CatalogModel:
        """The model ``owner/name``, or an error."""
        served = self._models.find(name)
        with self._lock:
            found = self._serve(name, served) if served else self._known.get(name)
        if found is None or (found.served is not None and served is None):
            raise self._missing(name)
        return found

    def find_version(self, name: str, id: str) -> tuple[CatalogModel, Version]:
        """A model's version by its id, or an error."""
        model = self.find(name)
        if model.official:
            raise no_versions()
        version = model.version(id)
        if version is None:
            raise self._missing(f"{name}:{id}", known=model)
        return model, version

    def resolve(self, wanted: str) -> tuple[CatalogModel, Version]:
        """What runs for ``owner/name``, ``owner/name:version`` or a bare version id."""
        name, _, id = wanted.partition(":") if "/" in wanted else ("", "", wanted)
        if name and id:
            return self.find_version(name, id)
        if name:
            return self.by_name(name)
        for model in self.all():
            if not model.official and (version := model.version(id)):
                return model, version
        raise self._missing(wanted)

    def by_name(self, name: str) -> tuple[CatalogModel, Version]:
        """A model that can be run without a version, and its latest version; a 404 for the others."""
        model = self.find(name)
        versions = model.versions
        if model.official is False or not versions:
            raise not_found(f"{name} is not an official model: name the version to run")
        return model, versions[0]

    def create(self, name: str, about: dict[str, Any], visibility: str) -> CatalogModel:
        """Add a model without versions; refused if the name is taken."""
        taken = self._models.find(name) is not None
        with self._lock:
            if taken or name in self._known:
                raise conflict(f"there is a model {name} already")
            self._deleted.discard(name)
            model = CatalogModel(name, next(self._order), self._now(), None, about, visibility)
            self._known[name] = model
            return model

    def destination(self, name: str) -> CatalogModel:
        """The model that a training adds a version to; a private one is created if there is none."""
        served = self._models.find(name)
        with self._lock:
            if served or name in self._known:
                return self.find(name)
            return self.create(name, {}, "private")

    def delete(self, name: str) -> None:
        """Delete a model that was created over the API; one that is served stays."""
        model = self.find(name)
        if model.served is not None:
            return
        if model.visibility != "private":
            raise forbidden("only private models can be deleted")
        if model.versions:
            raise conflict("a model that has versions cannot be deleted: delete them first")
        with self._lock:
            self._known.pop(name, None)
            self._deleted.add(name)

    def delete_version(self, name: str, id: str, used: Callable[[str], bool]) -> bool:
        """Delete a version that a training made, and return whether it was; refused while something runs on it."""
        model, version = self.find_version(name, id)
        if version.training is None:
            return False
        if model.visibility != "private":
            raise forbidden("only versions of private models can be deleted")
        if used(id):
            raise conflict("a version that a deployment or a training uses cannot be deleted")
        with self._lock:
            model.trained.remove(version)
            self._deleted.add(f"{name}:{id}")
        return True

    def add_version(self, model: CatalogModel, id: str, base: Version, training: StoredRun) -> None:
        """Give ``model`` the version that ``training`` makes of ``base``, once it succeeds."""
        with self._lock:
            model.trained.append(Version(id, next(self._order), base.runs, self._now(), training))

    def _serve(self, name: str, served: Model) -> CatalogModel:
        known = self._known.get(name)
        if known is None or known.served is None:
            known = self._known[name] = CatalogModel(name, next(self._order), self._now(), served)
        known.served = served
        return known

    def _missing(self, wanted: str, known: CatalogModel | None = None) -> Exception:
        name = wanted.partition(":")[0]
        if wanted in self._deleted or name in self._deleted or (known is not None and known.served is None):
            return not_found(f"there is no {wanted}")
        return self._models.missing(wanted)


def no_versions() -> Problem:
    """The refusal to list the versions of an official model."""
    return not_found("This model is an official model and does not expose a list of versions.")
