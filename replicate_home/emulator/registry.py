"""The callables that are models, with their names and signatures."""

from __future__ import annotations

import hashlib
import inspect
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import attrs

from .predictors import as_function, is_predictor
from .problems import hint, not_found
from .schema.kinds import Opener
from .schema.signature import Signature, read_signature
from .timeline import LocalRun, Plan

__all__ = ["LocalModel", "LocalRun", "Model", "Models", "local_model"]

F = TypeVar("F", bound=Callable[..., Any])
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def checked_name(name: str) -> str:
    """``name``, if it is a model's name; raises ``ValueError`` otherwise."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"a model's name looks like 'owner/name', not {name!r}")
    return name


def version_of(name: str) -> str:
    """The id of a model's only version: 64 hexadecimal digits, always the same for the name."""
    return hashlib.sha256(name.encode()).hexdigest()


class Model(Protocol):
    """What a server needs to know about a model."""

    @property
    def name(self) -> str:
        """``owner/name``."""
        ...

    @property
    def description(self) -> str | None:
        """What it does."""
        ...

    @property
    def versions(self) -> tuple[str, ...]:
        """The ids of its versions, the latest first."""
        ...

    @property
    def official(self) -> bool | None:
        """Whether it shows no versions (True), has no endpoint of its own (False), or both are there (None)."""
        ...

    @property
    def examples(self) -> Sequence[Mapping[str, Any]]:
        """The inputs of its example predictions, that of the default example first."""
        ...

    def openapi(self) -> dict[str, Any]:
        """The schema of its input and output."""
        ...

    def plan(self, given: Mapping[str, Any], opener: Opener) -> Plan:
        """The run for one input; raises :class:`~.problems.Problem` if the input does not fit."""
        ...

    def training(self, given: Mapping[str, Any], opener: Opener) -> Plan:
        """The run that trains it on one input; its output is the weights."""
        ...


@attrs.frozen
class LocalModel:
    """A callable as a model: its parameters are the input schema, what it returns or yields is the output."""

    name: str
    function: Callable[..., Any]
    signature: Signature
    description: str | None = None
    official: bool | None = None
    trainer: LocalModel | None = None
    examples: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(
        cls,
        name: str,
        function: Callable[..., Any],
        *,
        official: bool | None = None,
        train: Callable[..., Any] | None = None,
        examples: Iterable[Mapping[str, Any]] = (),
    ) -> LocalModel:
        """Read ``function``'s signature and docstring, and those of ``train``."""
        if not callable(function):
            raise TypeError(f"the model {name} must be a callable, not {type(function).__name__}")
        if is_predictor(function):
            function = as_function(function)
        is_plain = hasattr(function, "__code__") or inspect.ismethod(function)
        about = inspect.getdoc(function) if is_plain else inspect.getdoc(type(function))
        trainer = None if train is None else cls.of(name, train)
        if trainer is not None and trainer.signature.streams != "no":
            raise TypeError(f"the training of {name} returns its weights; it cannot be a generator")
        signature = read_signature(function, LocalRun)
        return cls(checked_name(name), function, signature, about, official, trainer, tuple(examples))

    @property
    def versions(self) -> tuple[str, ...]:
        """The ids of its versions, the latest first."""
        return (version_of(self.name),)

    def openapi(self) -> dict[str, Any]:
        """The schema of its input and output."""
        return self.signature.openapi()

    def plan(self, given: Mapping[str, Any], opener: Opener) -> Plan:
        """The run for one input; raises :class:`~.problems.Problem` naming each field that does not fit."""
        self.signature.check(given)

        def call(run: LocalRun) -> Any:
            arguments, keywords = self.signature.bind(given, run, opener)
            return self.function(*arguments, **keywords)

        return Plan(call, self.signature.streams)

    def training(self, given: Mapping[str, Any], opener: Opener) -> Plan:
        """The run that trains it; without a function it takes any input, and has no weights."""
        return Plan(lambda _: None) if self.trainer is None else self.trainer.plan(given, opener)


_shared: dict[str, LocalModel] = {}
_lock = threading.Lock()


def local_model(
    name: str,
    *,
    official: bool | None = None,
    train: Callable[..., Any] | None = None,
    examples: Iterable[Mapping[str, Any]] = (),
) -> Callable[[F], F]:
    """Register a function as the model ``name`` ("local/name") for every local client of this process.

    Its parameters are the model's inputs, by their annotations and defaults; a generator streams; a returned or
    yielded ``Path``, ``bytes`` or Pillow image is a file; an exception fails the prediction. The function itself
    is returned unchanged.

    ``official=True`` hides its versions, as those of the hosted service's official models are hidden;
    ``official=False`` makes callers name a version, as for all other models there. ``train`` is called by trainings of
    the model with their input, and returns the weights, if any. ``examples`` are the inputs of the model's example
    predictions, which are run when they are first asked for.
    """
    checked_name(name)

    def register(function: F) -> F:
        model = LocalModel.of(name, function, official=official, train=train, examples=examples)
        with _lock:
            _shared[name] = model
        return function

    return register


class Models:
    """The models of one server: its own, and those registered for the whole process."""

    def __init__(self, own: Mapping[str, Callable[..., Any] | LocalModel] | None = None) -> None:
        self._own: dict[str, LocalModel] = {}
        for name, function in (own or {}).items():
            self.add(name, function)

    def add(self, name: str, function: Callable[..., Any] | LocalModel) -> None:
        """Serve ``function`` as the model ``name``."""
        self._own[name] = function if isinstance(function, LocalModel) else LocalModel.of(name, function)

    def all(self) -> Mapping[str, Model]:
        """Every model by name."""
        with _lock:
            return {**_shared, **self._own}

    def find(self, name: str) -> Model | None:
        """The model of that name."""
        return self.all().get(name)

    def missing(self, wanted: str) -> Exception:
        """What to raise for a model or version that is not here."""
        near = hint(wanted, sorted(self.all()), alike=0.8)  # names of the same owner are similar anyway
        return not_found(f"there is no model {wanted!r} on this server. {near}")
