"""From what the caller asked for to the state that a life begins with; shared by both clients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from random import random
from typing import Any

import attrs

from ...clock import Clock, SystemClock
from ...dialects import Create
from ...dialects.refs import ModelRef
from ...lifecycle.life import Terms
from ...lifecycle.machine import State, creating, following
from ...records.prediction import Snapshot
from ...wire import Timeout
from ..inputs import prompting
from . import chores
from .settings import DEFAULT, Route, Settings, TimeoutOption

LONGEST_HOLD = 5.0
_STRATEGIES = (None, "base64", "url")
_EVENTS = ("start", "output", "logs", "completed")


@attrs.frozen
class Call:
    """One ``run``, ``stream`` or ``create`` with its options, as the caller gave them."""

    model: str
    input: Mapping[str, Any] | None = None
    prompt: str | None = None
    messages: Any = None
    timeout: TimeoutOption = DEFAULT
    wait: bool | float | None = None
    webhook: str | None = None
    webhook_events_filter: list[str] | None = None
    on_update: Callable[[Snapshot], Any] | None = None
    progress: Any = False
    cancel_on_exit: bool = True
    use_file_output: bool = True
    file_encoding_strategy: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.file_encoding_strategy not in _STRATEGIES:
            raise ValueError(
                f"file_encoding_strategy must be 'base64', 'url' or None; got {self.file_encoding_strategy!r}"
            )
        if self.on_update is not None and not callable(self.on_update):
            raise TypeError(f"on_update must be callable, got {type(self.on_update).__name__}")
        if self.webhook is not None and not isinstance(self.webhook, str):
            raise TypeError(f"webhook must be a URL, got {type(self.webhook).__name__}")
        if self.webhook_events_filter is not None:
            _check_events(self.webhook_events_filter)


def checked_options(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a function that a model is used as; TypeError for what is an input, or nothing at all."""
    for name in options:
        if name not in _OPTIONS:
            raise TypeError(f"{name!r} is no option: inputs are given when the function is called")
    Call("", **options)  # raises for values that are wrong
    return options


_OPTIONS = attrs.fields_dict(Call).keys() - {"model", "input", "prompt", "messages"}


def _check_events(events: Any) -> None:
    if not isinstance(events, (list, tuple)) or not all(isinstance(event, str) for event in events):
        raise TypeError(f"webhook_events_filter must be a list of {', '.join(_EVENTS)}; got {events!r:.100}")
    unknown = [event for event in events if event not in _EVENTS]
    if unknown:
        raise ValueError(f"webhook_events_filter may name {', '.join(_EVENTS)}; got {unknown[0]!r:.100}")


def terms(given: Settings, route: Route, clock: Clock, timeout: Timeout, **more: Any) -> Terms:
    """What holds for a life that begins now."""
    now = clock.now()
    return Terms(
        dialect=route.dialect,
        deadline=None if timeout.total is None else now + timeout.total,
        timeout=timeout,
        max_retries=given.max_retries,
        # With a clock of the caller's own, such as a test's, every run is to be the same.
        seed=random() if isinstance(clock, SystemClock) else 0.5,  # noqa: S311 - jitter is no secret
        epoch=clock.time() - now,
        **more,
    )


def begin(
    given: Settings,
    route: Route,
    clock: Clock,
    call: Call,
    schema_of: Any,
    *,
    follows: bool = True,
    delivers: bool = True,
    longest_hold: float = LONGEST_HOLD,
) -> chores.Chore[State]:
    """Prepare the input, with requests where it needs them, and return the state that creates the prediction.

    ``longest_hold`` is how many seconds the server may hold a create that is followed where nobody said anything; 0 is
    never, whatever was said, for where a thread would have to wait.
    """
    ref = ModelRef.parse(call.model, aliases=route.dialect.name == "home")
    inputs = prompting.checked_input(call.input, call.prompt, call.messages)
    messages = None if call.messages is None else prompting.checked_messages(call.messages)
    timeout = given.budget(call.timeout)
    hold = _hold(call.wait, timeout, longest_hold if follows and not delivers else 0.0)
    if follows and not longest_hold:
        hold = None
    life_terms = terms(
        given,
        route,
        clock,
        timeout,
        hold=float(hold or 0),
        follows=follows,
        delivers=delivers,
        cancels=follows and call.cancel_on_exit,
    )
    if messages is not None:
        schema = yield from schema_of(life_terms, ref, clock.now())
        inputs = prompting.with_messages(inputs, messages, schema)
    if not prompting.is_json(inputs):
        from ..inputs.encoding import encoded  # only needed for files and the like

        inputs = yield from encoded(life_terms, inputs, clock.now(), call.file_encoding_strategy)
    asked = call.timeout if call.timeout is not DEFAULT else given.timeout
    wanted = Create(
        ref,
        inputs,
        wait=hold,
        cancel_after=timeout.total if life_terms.cancels and asked is not None else None,
        webhook=call.webhook,
        webhook_events_filter=call.webhook_events_filter,
    )
    try:
        request = route.dialect.create(wanted)
    except ValueError as error:
        raise ValueError(f"the input is not JSON: {error}") from None
    return creating(life_terms, request, clock.now())


def follow(
    given: Settings, route: Route, clock: Clock, snapshot: Snapshot, timeout: TimeoutOption
) -> chores.Chore[State]:
    """Return the state that follows a prediction from what is known of it, delivering its output."""
    yield from ()  # no request is needed for that
    return following(terms(given, route, clock, given.budget(timeout)), snapshot, clock.now())


def _hold(wait: Any, timeout: Timeout, longest: float) -> int | None:
    """How many seconds the server may hold the create: as asked, or long enough for a quick model."""
    if wait is None:
        return int(longest if timeout.total is None else min(longest, timeout.total / 4)) or None
    if wait is True or wait is False:
        return 60 if wait else None
    if not isinstance(wait, (int, float)):
        raise TypeError(f"wait must be a number of seconds or a boolean, got {type(wait).__name__}")
    if wait == 0:
        return None
    if not 0 < wait <= 60:
        raise ValueError(f"wait is how long the server may hold the request: 1 to 60 seconds, got {wait}")
    return math.ceil(wait)
