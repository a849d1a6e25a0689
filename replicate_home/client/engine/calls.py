"""The options of calls, and the lives that they begin; shared by both engines."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping
from functools import partial
from os import PathLike, urandom
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypedDict, TypeVar

import attrs

from ...dialects.base import Create
from ...dialects.refs import ModelRef
from ...dialects.replicate import LONGEST_WAIT
from ...drivers.calling import Beginning, Calling
from ...exceptions import InvalidInput
from ...lifecycle.life import Terms
from ...lifecycle.machine import creating
from ...records.prediction import Snapshot
from ...wire import Timeout
from ..inputs import prompting
from .settings import DEFAULT, TimeoutOption, checked_rate, checked_timeout, nearest

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ...records.schema import Schema

P = ParamSpec("P")
Options = TypeVar("Options")
S = TypeVar("S")
R = TypeVar("R")

HOLD = 1.0
"""How many seconds a server may hold the create of a ``run()`` without ``wait``.

A quick model is done by then, and the id is known soon enough to show progress and to cancel.
"""
_STRATEGIES = (None, "base64", "url")
_EVENTS = ("start", "output", "logs", "completed")

Report = Callable[[Snapshot], Any]
Messages = list[dict[str, Any]]


def reference_of(model: Any) -> Any:
    """The reference of a record of a model, a version or a deployment; anything else unchanged."""
    return getattr(model, "ref", model)


@attrs.frozen
class RunOptions:
    """The options of ``run``, ``stream`` and ``predictions.create``, checked."""

    model: Any = attrs.field(converter=reference_of)
    input: Mapping[str, Any] | None = None
    prompt: str | None = attrs.field(default=None, kw_only=True)
    messages: Messages | None = attrs.field(default=None, kw_only=True)
    timeout: TimeoutOption = attrs.field(default=DEFAULT, kw_only=True)
    wait: bool | float | None = attrs.field(default=None, kw_only=True)
    webhook: str | None = attrs.field(default=None, kw_only=True)
    webhook_events_filter: list[str] | None = attrs.field(default=None, kw_only=True)
    on_update: Report | None = attrs.field(default=None, kw_only=True)
    progress: Any = attrs.field(default=False, kw_only=True)
    cancel_on_exit: bool = attrs.field(default=True, kw_only=True)
    use_file_output: bool = attrs.field(default=True, kw_only=True)
    file_encoding_strategy: str | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.file_encoding_strategy not in _STRATEGIES:
            raise InvalidInput(
                f"file_encoding_strategy must be 'base64', 'url' or None; got {self.file_encoding_strategy!r}"
            )
        if self.on_update is not None and not callable(self.on_update):
            raise TypeError(f"on_update must be callable, got {type(self.on_update).__name__}")
        if self.webhook is not None and not isinstance(self.webhook, str):
            raise TypeError(f"webhook must be a URL, got {type(self.webhook).__name__}")
        if self.webhook_events_filter is not None:
            _check_events(self.webhook_events_filter)


def _path(value: str | PathLike[str] | None) -> Path | None:
    return None if value is None else Path(value)


@attrs.frozen
class MapOptions:
    """The options of ``map``, checked."""

    model: Any = attrs.field(converter=reference_of)
    inputs: Iterable[Mapping[str, Any] | str] | AsyncIterable[Mapping[str, Any] | str] = attrs.field(repr=False)
    concurrency: int = attrs.field(default=8, kw_only=True)
    journal: Path | None = attrs.field(default=None, kw_only=True, converter=_path)
    ordered: bool = attrs.field(default=False, kw_only=True)
    on_error: Literal["raise", "collect"] = attrs.field(default="raise", kw_only=True)
    on_unknown: Literal["raise", "resend", "skip"] = attrs.field(default="raise", kw_only=True)
    rate_limit: str | float | None = attrs.field(default=None, kw_only=True)
    timeout: TimeoutOption = attrs.field(default=DEFAULT, kw_only=True)
    save_to: Path | None = attrs.field(default=None, kw_only=True, converter=_path)
    then: Callable[[Any], Any] | None = attrs.field(default=None, kw_only=True)
    executor: Executor | None = attrs.field(default=None, kw_only=True)
    progress: Any = attrs.field(default=False, kw_only=True)
    cancel_on_exit: bool = attrs.field(default=True, kw_only=True)

    def __attrs_post_init__(self) -> None:
        is_one = isinstance(self.inputs, (str, bytes, Mapping))
        if is_one or not isinstance(self.inputs, (Iterable, AsyncIterable)):
            raise TypeError(f"inputs must be many, such as a list of prompts, got {type(self.inputs).__name__}")
        if isinstance(self.concurrency, bool) or not isinstance(self.concurrency, int) or self.concurrency < 1:
            raise InvalidInput(f"concurrency must be a whole number from 1; got {self.concurrency!r}")
        _check_choice("on_error", self.on_error, ("raise", "collect"))
        _check_choice("on_unknown", self.on_unknown, ("raise", "resend", "skip"))
        if self.then is not None and not callable(self.then):
            raise TypeError(f"then must be callable, got {type(self.then).__name__}")
        if self.executor is not None and not callable(getattr(self.executor, "submit", None)):
            raise TypeError(
                f"executor must be a concurrent.futures.Executor, or anything with its submit(); got "
                f"{type(self.executor).__name__}"
            )
        if self.rate_limit is not None:
            checked_rate(self.rate_limit)
        if self.timeout is not DEFAULT:
            checked_timeout(self.timeout)


class MoreMapOptions(TypedDict, total=False):
    """The options of ``map`` that ``f.map`` takes."""

    concurrency: int
    journal: str | PathLike[str] | None
    ordered: bool
    on_error: Literal["raise", "collect"]
    on_unknown: Literal["raise", "resend", "skip"]
    rate_limit: str | float | None
    timeout: TimeoutOption
    save_to: str | PathLike[str] | None
    then: Callable[[Any], Any] | None
    executor: Executor | None
    progress: Any
    cancel_on_exit: bool


class UseOptions(TypedDict, total=False):
    """The options of ``run`` that ``use`` takes."""

    timeout: TimeoutOption
    wait: bool | float | None
    webhook: str | None
    webhook_events_filter: list[str] | None
    on_update: Report | None
    progress: Any
    cancel_on_exit: bool
    use_file_output: bool
    file_encoding_strategy: str | None


USE_OPTIONS = frozenset(UseOptions.__annotations__)


def taking(
    options: Callable[P, Options],
) -> Callable[[Callable[[S, Options], R]], Callable[Concatenate[S, P], R]]:
    """Give a method that takes ``options`` as one value their signature, at run time and for type checkers."""

    def decorate(method: Callable[[S, Options], R]) -> Callable[Concatenate[S, P], R]:
        @functools.wraps(method)
        def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
            return method(self, _told(options, method.__name__, args, kwargs))

        parameters = inspect.signature(options).parameters.values()
        self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        signature = inspect.Signature([self, *parameters], return_annotation=method.__annotations__.get("return"))
        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return decorate


def _told(options: Callable[..., Options], name: str, args: Any, kwargs: Any) -> Options:
    """The options as a value; raises TypeError for unknown ones, in terms of the call."""
    try:
        return options(*args, **kwargs)
    except TypeError as error:
        message = str(error)
    known = inspect.signature(options).parameters
    unknown = [keyword for keyword in kwargs if keyword not in known]
    if unknown and name in ("run", "stream", "create"):
        meant = nearest(unknown[0], known)
        raise TypeError(
            f"{name}() has no option {unknown[0]!r}: {meant}inputs of the model go into input={{{unknown[0]!r}: ...}}"
        )
    raise TypeError(message.replace(f"{getattr(options, '__name__', '')}.__init__()", f"{name}()"))


def use_options(options: UseOptions) -> UseOptions:
    """The options of a model that is used as a function; raises TypeError for inputs and unknown names."""
    for name in options:
        if name not in USE_OPTIONS:
            meant = nearest(name, USE_OPTIONS)
            raise TypeError(f"use() has no option {name!r}: {meant}inputs are given when the function is called")
    RunOptions("", **options)  # raises for bad values
    return options


def map_options(model: Any, inputs: Any, used: UseOptions, more: MoreMapOptions) -> MapOptions:
    """What ``f.map`` is told, with what ``use`` was told before; TypeError for what can hold for one run only."""
    if used.get("on_update") is not None:
        raise TypeError("on_update hears of one prediction: give map() progress=True or then=, or iterate its items")
    shared: Any = {name: value for name, value in used.items() if name in ("timeout", "progress", "cancel_on_exit")}
    return MapOptions(model, inputs, **{**shared, **more})


def use_inputs(
    name: str, unnamed: tuple[Any, ...], input: Mapping[str, Any] | None, inputs: dict[str, Any]
) -> dict[str, Any]:
    """``prompt``, ``messages`` and input of one call of such a function; raises TypeError for options of ``use``."""
    if unnamed:
        raise TypeError(f"inputs are given by name, such as prompt={unnamed[0]!r:.100}; or all in input={{...}}")
    for option in inputs:
        if option in USE_OPTIONS:
            raise TypeError(
                f"{option!r} is an option of run(): give it to use({name!r}, {option}=...); "
                f"if the model has an input of that name, call the function with input={{{option!r}: ...}}"
            )
    messages = inputs.pop("messages", None)
    twice = [given for given in inputs if input is not None and given in input]
    if twice:
        raise TypeError(f"{twice[0]} is given twice: as {twice[0]}= and in the input")
    return {"input": {**(input or {}), **inputs}, "messages": messages}


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidInput(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r:.100}")


def _check_events(events: Any) -> None:
    if not isinstance(events, (list, tuple)) or not all(isinstance(event, str) for event in events):
        raise TypeError(f"webhook_events_filter must be a list of {', '.join(_EVENTS)}; got {events!r:.100}")
    unknown = [event for event in events if event not in _EVENTS]
    if unknown:
        raise InvalidInput(f"webhook_events_filter may name {', '.join(_EVENTS)}; got {unknown[0]!r:.100}")


def begin(
    options: RunOptions,
    life_terms: Terms,
    schema_of: Callable[[ModelRef], Calling[Schema]],
    hold: float,
    is_limited: bool,
    created_at: str | None = None,
) -> Generator[Beginning, Any, Beginning]:
    """Prepare the input, with requests if necessary, and return the beginning of the prediction's life.

    ``hold`` is how many seconds the server may hold the create by default; ``is_limited`` says
    whether the time limit is the caller's own, and so the server's too; ``created_at`` is the time of day.
    """
    dialect = life_terms.dialect
    if not (options.cancel_on_exit or dialect.keeps):
        raise InvalidInput(
            f"a {dialect.name} server ends a prediction with the connection that created it, so cancel_on_exit=False "
            "cannot hold: predictions.create(..., webhook=...) makes one that outlives its connection"
        )
    ref = ModelRef.parse(options.model, aliases=dialect.aliases)
    inputs = prompting.checked_input(options.input, options.prompt, options.messages)
    wait = _wait(options.wait, life_terms.timeout, hold)
    if options.messages is not None:
        messages = prompting.checked_messages(options.messages)
        schema = yield from schema_of(ref)
        inputs = prompting.with_messages(inputs, messages, schema.input)
    if not prompting.is_json(inputs):
        from ..inputs.encoding import encoded  # only needed for files and the like

        inputs = yield from encoded(life_terms, inputs, options.file_encoding_strategy)
    wanted = Create(
        ref,
        inputs,
        wait=wait,
        cancel_after=life_terms.timeout.total if life_terms.cancels and is_limited else None,
        webhook=options.webhook,
        webhook_events_filter=options.webhook_events_filter,
        follows=life_terms.follows,
    )
    if not dialect.keeps:
        wanted = attrs.evolve(wanted, id=f"rh{urandom(12).hex()}", created_at=created_at)
    try:
        request = dialect.create(wanted)
    except ValueError as error:
        where = prompting.not_json_at(inputs)
        message = f"{where}, which JSON cannot hold" if where else f"the input is not JSON: {error}"
    else:
        return partial(creating, life_terms, request, expected=dialect.expected(wanted))
    raise InvalidInput(message)


def _wait(wait: Any, timeout: Timeout, hold: float) -> int | None:
    """How many seconds the server may hold the create: as asked, or long enough for a quick model."""
    if wait is None:
        return int(hold if timeout.total is None else min(hold, timeout.total / 4)) or None
    if wait is True or wait is False:
        return LONGEST_WAIT if wait else None
    if not isinstance(wait, (int, float)):
        raise TypeError(f"wait must be a number of seconds or a boolean, got {type(wait).__name__}")
    if wait == 0:
        return None
    if not 0 < wait <= LONGEST_WAIT:
        raise InvalidInput(f"wait is how long the server may hold the request: 1 to 60 seconds, got {wait}")
    return math.ceil(wait)
