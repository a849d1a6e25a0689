"""The models of a fake: only those that a test defined; a request for any other fails loudly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ..emulator.registry import Model, Models, checked_name, version_of
from ..emulator.schema.kinds import Opener
from ..emulator.timeline import Plan
from .script import Script, any_input_openapi

Unexpected = Callable[[str, str], NoReturn]


class ScriptedModel:
    """A model whose run is chosen by its input: by the most specific script that matches, the last one of several."""

    def __init__(self, name: str, unexpected: Unexpected) -> None:
        self.name = name
        self.description: str | None = "scripted for a test"
        self.scripts: list[Script] = []
        self.trainings: list[Script] = []
        self.told: list[str] = []
        self._unexpected = unexpected

    @property
    def versions(self) -> tuple[str, ...]:
        """The scripted ones, the last first, and its default one."""
        return (*reversed(self.told), version_of(self.name))

    @property
    def official(self) -> bool | None:
        """The setting of the last script that has one."""
        said = [script.is_official for script in self.scripts if script.is_official is not None]
        return said[-1] if said else None

    @property
    def examples(self) -> list[dict[str, Any]]:
        """The inputs of the scripts that are examples."""
        return [script.inputs for script in self.scripts if script.shown]

    def openapi(self) -> dict[str, Any]:
        """The schema of the last script."""
        return self.scripts[-1].openapi() if self.scripts else any_input_openapi()

    def plan(self, given: Mapping[str, Any], opener: Opener) -> Plan:
        """The run of the matching script."""
        script = self._chosen("prediction", self.scripts, given)
        answer = script.next_answer()
        if not answer.is_told:
            self._unexpected(f"a prediction of {self.name!r}, for which {script!r} has no answer", self.name)
        return answer.plan(given, opener)

    def training(self, given: Mapping[str, Any], opener: Opener) -> Plan:
        """The training of the matching script."""
        return self._chosen("training", self.trainings, given).next_answer().plan(given, opener)

    def _chosen(self, what: str, scripts: list[Script], given: Mapping[str, Any]) -> Script:
        matching = [script for script in scripts if script.matches(given)]
        if not matching:
            self._unexpected(f"a {what} of {self.name!r} with the input {_short(given)}", self.name)
        return max(reversed(matching), key=lambda script: len(script.inputs))


class ScriptedModels(Models):
    """Only what the test defined, not the models registered for the process."""

    def __init__(self, unexpected: Unexpected) -> None:
        super().__init__()
        self.by_name: dict[str, ScriptedModel] = {}
        self._unexpected = unexpected

    def named(self, model: str) -> ScriptedModel:
        """The model ``owner/name``, or ``owner/name:version``, which adds the version."""
        if not isinstance(model, str):
            raise TypeError(f"a model is named 'owner/name', got {type(model).__name__}")
        name, _, version = model.partition(":")
        scripted = self.by_name.setdefault(checked_name(name), ScriptedModel(name, self._unexpected))
        if version and version not in scripted.told:
            scripted.told.append(version)
        return scripted

    def scripts(self) -> list[Script]:
        """Every script, of predictions and trainings."""
        return [script for model in self.by_name.values() for script in (*model.scripts, *model.trainings)]

    def all(self) -> dict[str, Model]:
        """Every model by name."""
        return {**self.by_name}

    def missing(self, wanted: str) -> Exception:
        """Raise loudly."""
        self._unexpected(f"the model {wanted!r}", wanted if "/" in wanted else f"owner/name:{wanted}")


def _short(given: Mapping[str, Any]) -> str:
    shown = repr(dict(given))
    return shown if len(shown) <= 200 else shown[:200] + "..."
