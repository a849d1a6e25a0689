"""Predictor classes as in Cog, as functions: ``setup`` once, then ``predict`` or ``run``.

A plain class does not need Cog. One that uses ``cog.Input``, ``cog.Path`` and the like runs if Cog is installed; these
are recognized by their names, and never imported here.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import queue
import threading
import traceback
import types
import typing
from collections.abc import Callable, Iterator
from contextvars import copy_context
from functools import partial
from typing import Annotated, Any, Literal, TypeGuard

from ..threads import ThreadPool

_ITERATORS = (
    collections.abc.AsyncIterator, collections.abc.AsyncIterable, collections.abc.AsyncGenerator,
    collections.abc.Generator,
)  # fmt: skip
_LIMITS = {"ge": "minimum", "le": "maximum", "min_length": "minLength", "max_length": "maxLength"}


class SetupFailed(Exception):
    """A predictor's ``setup`` failed; the message has its traceback."""


def is_predictor(found: Any) -> TypeGuard[type]:
    """Whether it is a class with a method ``predict`` or ``run``."""
    return isinstance(found, type) and _method_of(found) is not None


def as_function(predictor: type) -> Callable[..., Any]:
    """A function that runs the predictor, with the signature and docstring of its method."""
    method = _method_of(predictor)
    assert method is not None
    loaded = _Loaded(predictor)
    iterates = inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method)
    signature = _signature(method)
    # An argument left out would be the method's default, which in Cog is a special object.
    defaults = {one.name: one.default for one in signature.parameters.values() if one.default is not one.empty}

    def predict(*args: Any, **inputs: Any) -> Any:
        return loaded.value_of(method, args, {**defaults, **inputs})

    def predict_items(*args: Any, **inputs: Any) -> Iterator[Any]:
        yield from loaded.items_of(method, args, {**defaults, **inputs})

    function: Any = predict_items if iterates else predict
    function.__name__, function.__doc__ = method.__name__, inspect.getdoc(method) or inspect.getdoc(predictor)
    function.__signature__ = signature
    annotations = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    annotations["return"] = signature.return_annotation
    function.__annotations__ = {name: said for name, said in annotations.items() if said is not inspect.Parameter.empty}
    return function  # type: ignore[no-any-return]  # one of the two above


class _Loaded:
    """The only instance of a predictor, created and set up before its first prediction."""

    def __init__(self, predictor: type) -> None:
        self._predictor = predictor
        self._instance: Any = None
        self._failure: str | None = None
        self._lock = threading.Lock()
        self._coroutines = _Coroutines()

    def value_of(self, method: Callable[..., Any], args: Any, inputs: Any) -> Any:
        value = method(self._ready(), *args, **inputs)
        if inspect.iscoroutine(value):
            value = self._coroutines.result(value)
        return _plain(value)

    def items_of(self, method: Callable[..., Any], args: Any, inputs: Any) -> Iterator[Any]:
        items = method(self._ready(), *args, **inputs)
        if not hasattr(items, "__anext__"):
            yield from map(_plain, items)
            return
        nothing = object()
        try:
            while (item := self._coroutines.result(anext(items, nothing))) is not nothing:
                yield _plain(item)
        finally:
            self._coroutines.result(items.aclose())

    def _ready(self) -> Any:
        with self._lock:
            if self._instance is None and self._failure is None:
                try:
                    self._instance = self._set_up()
                except Exception:
                    self._failure = traceback.format_exc()
        if self._failure is not None:
            raise SetupFailed(f"setup failed: {self._failure}")
        return self._instance

    def _set_up(self) -> Any:
        instance = self._predictor()
        setup = getattr(instance, "setup", None)
        if setup is not None:
            wants = inspect.signature(setup).parameters
            done = setup(None) if "weights" in wants else setup()  # there are no weights but its own
            if inspect.iscoroutine(done):
                self._coroutines.result(done)
        return instance


class _Coroutines:
    """One event loop for all coroutines of a predictor, run by a short-lived thread."""

    def __init__(self) -> None:
        self._steps = ThreadPool(1, "replicate-home-predictor")
        self._loop: Any = None

    def result(self, awaited: Any) -> Any:
        """Wait for a coroutine, and return or raise what it does."""
        outcome: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        # In the context of the run, so that its prints are logged there.
        self._steps.submit(partial(copy_context().run, self._take, awaited, outcome))
        value, error = outcome.get()
        if error is not None:
            raise error
        return value

    def _take(self, awaited: Any, outcome: queue.SimpleQueue[tuple[Any, BaseException | None]]) -> None:
        import asyncio  # only asynchronous predictors need it

        async def step() -> Any:
            return await awaited

        try:
            self._loop = self._loop or asyncio.new_event_loop()
            value = self._loop.run_until_complete(step())
        except BaseException as error:
            outcome.put((None, error))
        else:
            outcome.put((value, None))

    def __del__(self) -> None:
        if self._loop is not None and not self._loop.is_running():
            self._loop.close()


def _method_of(found: type) -> Callable[..., Any] | None:
    methods = (getattr(found, name, None) for name in ("predict", "run"))
    return next((method for method in methods if inspect.isfunction(method)), None)


def _signature(method: Callable[..., Any]) -> inspect.Signature:
    """The method's signature without ``self``, with annotations that the emulator knows."""
    hints = {name: _resolved(method, said) for name, said in getattr(method, "__annotations__", {}).items()}
    signature = inspect.signature(method)
    parameters = [
        _parameter(one, hints.get(one.name, one.annotation)) for one in list(signature.parameters.values())[1:]
    ]
    # A parameter with a default may precede one without, as all are passed by name.
    parameters.sort(key=lambda one: (one.kind, one.default is not inspect.Parameter.empty))
    returned = hints.get("return", signature.return_annotation)
    return signature.replace(parameters=parameters, return_annotation=_output(returned))


def _resolved(method: Callable[..., Any], annotation: Any) -> Any:
    """One annotation by itself, so that one that cannot be resolved does not spoil the others."""
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, method.__globals__, include_extras=True)["it"]
    except Exception:  # evaluating an annotation may raise anything
        return Any


def _parameter(parameter: inspect.Parameter, annotation: Any) -> inspect.Parameter:
    given = parameter.default
    annotation = str if _is_of_cog(annotation, "Secret") else annotation
    if not _is_of_cog(type(given), "FieldInfo"):
        return parameter.replace(annotation=annotation)
    if given.choices:
        annotation = Literal[tuple(given.choices)]
    words = {word: getattr(given, name) for name, word in _LIMITS.items()}
    words["description"] = given.description
    said = {word: value for word, value in words.items() if value is not None}
    return parameter.replace(
        annotation=Annotated[annotation, said] if said else annotation, default=_default(given, annotation)
    )


def _default(given: Any, annotation: Any) -> Any:
    """The default of a ``cog.Input``, where None means both no default and null."""
    factory = getattr(given.default, "default_factory", None)
    if factory is not None:
        return factory()
    if given.default is not None and given.default is not ...:
        return given.default
    takes_none = type(None) in typing.get_args(annotation)
    return None if takes_none else inspect.Parameter.empty


def _output(annotation: Any) -> Any:
    """All kinds of iterators count as one; a Cog model is an object."""
    origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    is_iterator = origin in _ITERATORS or any(
        _is_of_cog(origin, name) for name in ("ConcatenateIterator", "AsyncConcatenateIterator")
    )
    if is_iterator:
        item: Any = arguments[0] if arguments else Any
        return Iterator[item]
    if isinstance(annotation, type) and any(_is_of_cog(base, "BaseModel") for base in annotation.__mro__):
        return dict
    return annotation


def _is_of_cog(found: Any, name: str) -> bool:
    module = getattr(found, "__module__", None) or ""
    return module.partition(".")[0] == "cog" and getattr(found, "__name__", None) == name


def _plain(value: Any) -> Any:
    """Data models as dictionaries, at any depth."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):
        return _plain(value.model_dump())
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
