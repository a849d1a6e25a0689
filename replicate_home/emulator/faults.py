"""Faults as values: *when* something goes wrong, and *what* happens to the bytes of the response.

The same plan is played in process and over sockets. An effect is a function of its chunks, which are the head
with its body, or of an event stream the head and then each event.
"""

from __future__ import annotations

import json
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from ..wire import Response
from .problems import Problem
from .rendering import Rendering

PLACES = frozenset({"create", "poll", "stream", "cancel", "list", "upload", "download", "any"})
_WORDS = {
    "predictions.get": "poll",
    "trainings.get": "poll",
    "predictions.cancel": "cancel",
    "trainings.cancel": "cancel",
    "stream": "stream",
    "deliver": "download",
    "files.download": "download",
    "files.create": "upload",
}


@attrs.frozen
class Wait:
    """Nothing comes for so many seconds."""

    seconds: float


@attrs.frozen
class Ending:
    """The connection ends here: reset, or closed in order."""

    is_reset: bool


RESET: Final = Ending(True)
CLOSED: Final = Ending(False)
Step = bytes | Wait | Ending
Feed = Callable[[int, bytes], list[Step]]
"""What happens to the chunk with this number; an empty one is the end."""


@attrs.frozen
class Effect:
    """What goes wrong. With an ``answer``, the server never sees the request; ``refuses`` refuses the connection."""

    start: Callable[[], Feed]
    answer: Response | None = None
    refuses: bool = False


def _unchanged() -> Feed:
    return lambda _, chunk: [chunk]


def refuse() -> Effect:
    """The connection is refused. Over sockets it is reset instead, as the request is not known that early."""
    return Effect(_unchanged, Response(503), refuses=True)


def status(code: int, retry_after: float | None = None, html: str | None = None) -> Effect:
    """The request is refused before the server sees it, with this status, and a problem document or a page."""
    more = {} if retry_after is None else {"retry_after": retry_after}
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    if html is not None:
        return Effect(_unchanged, Response(code, {"content-type": "text/html", **headers}, html.encode()))
    return Effect(_unchanged, Problem(code, None, f"a fault: {code}", headers, **more).response({}))


def unanswered() -> Effect:
    """The connection is reset after the request was sent, and before the server has seen it."""
    return Effect(_ending(0, None, RESET), Response(503))


def cut(after: int = 0, events: int | None = None) -> Effect:
    """The connection is closed after so many bytes of the answer, or after ``events`` and so many bytes more."""
    return Effect(_ending(after, events, CLOSED))


def reset(after: int = 0, events: int | None = None) -> Effect:
    """As :func:`cut`, but the connection is reset."""
    return Effect(_ending(after, events, RESET))


def stall(seconds: float, after: int = 0, events: int | None = None) -> Effect:
    """Nothing comes for ``seconds``, after so many bytes or events; then the rest does."""
    return Effect(_interrupted(after, events, lambda rest: [Wait(seconds), rest]))


def drip(seconds: float, size: int = 1) -> Effect:
    """The answer comes ``size`` bytes at a time, with ``seconds`` before each."""

    def feed(_: int, chunk: bytes) -> list[Step]:
        pieces = [chunk[place : place + size] for place in range(0, len(chunk), size)]
        return [step for piece in pieces for step in (Wait(seconds), piece)]

    return Effect(lambda: feed)


def garble() -> Effect:
    """The body is not JSON, although its length is right."""

    def feed(number: int, chunk: bytes) -> list[Step]:
        head, end, body = chunk.partition(b"\r\n\r\n") if number == 0 else (b"", b"", chunk)
        return [head + end + body.translate(bytes.maketrans(b'{}":', b"<>';"))]

    return Effect(lambda: feed)


def repeat(event: int) -> Effect:
    """The event with this number, from 1, comes twice."""
    return Effect(lambda: lambda number, chunk: [chunk] * (2 if number == event and chunk else 1))


def lose(event: int) -> Effect:
    """The event with this number, from 1, never comes."""
    return Effect(lambda: lambda number, chunk: [] if number == event and chunk else [chunk])


def swap(event: int) -> Effect:
    """The event with this number, from 1, comes after the one that follows it."""

    def start() -> Feed:
        held: list[bytes] = []

        def feed(number: int, chunk: bytes) -> list[Step]:
            if number == event and chunk:
                held.append(chunk)
                return []
            late = [*held]
            held.clear()
            return [chunk, *late] if chunk else [*late, chunk]

        return feed

    return Effect(start)


def _ending(after: int, events: int | None, ending: Ending) -> Callable[[], Feed]:
    return _interrupted(after, events, lambda _: [ending])


def _interrupted(after: int, events: int | None, then: Callable[[bytes], list[Step]]) -> Callable[[], Feed]:
    """At the given place, ``then`` replaces the rest of the chunk."""

    def start() -> Feed:
        left: float = after

        def feed(number: int, chunk: bytes) -> list[Step]:
            nonlocal left
            if left == math.inf or (events is not None and number <= events and chunk):
                return [chunk]
            if chunk and len(chunk) <= left:
                left -= len(chunk)
                return [chunk]
            place, left = int(left), math.inf
            return [*([chunk[:place]] if place else []), *then(chunk[place:])]

        return feed

    return start


_EFFECTS: dict[str, Callable[..., Effect]] = {
    made.__name__: made for made in (refuse, status, unanswered, cut, reset, stall, drip, garble, repeat, lose, swap)
}


def _at_least_nothing(_: Any, attribute: Any, value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{attribute.name} is a number from 0, not {value!r}")


def _place(_: Any, __: Any, value: str) -> None:
    if value not in PLACES:
        raise ValueError(f"a fault must be for one of {', '.join(sorted(PLACES))}, not {value!r}")


@attrs.frozen
class Fault:
    """``effect`` for ``times`` requests of the kind ``at`` about ``model``, after the first ``skip``."""

    at: str = attrs.field(validator=_place)
    effect: Effect
    skip: int = attrs.field(default=0, validator=_at_least_nothing)
    times: float = attrs.field(default=1, validator=_at_least_nothing)
    model: str | None = None


class FaultPlan:
    """The faults of a server, each counted separately; of several that are due, the first one added happens."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = [*faults]
        self._seen = [0] * len(faults)

    @classmethod
    def from_json(cls, path: str | Path) -> FaultPlan:
        """The plan in a file: a list such as ``[{"at": "poll", "fault": "status", "code": 503, "times": 2}]``.

        ``fault`` is the name of an effect; its arguments are all but ``at``, ``skip``, ``times`` and ``model``.
        Raises ``ValueError`` that names a wrong entry.
        """
        found = json.loads(Path(path).read_text("utf-8"))
        if not isinstance(found, list):
            raise ValueError(f"{path}: a scenario is a list of faults")
        return cls([_from_json(entry, f"{path}: fault {number}") for number, entry in enumerate(found, 1)])

    def add(self, at: str, effect: Effect, *, times: float = 1, skip: int = 0, model: str | None = None) -> Fault:
        """Let ``effect`` happen to ``times`` requests (``math.inf``: all) of the kind ``at``, after the first ``skip``.

        ``at`` is create, poll, stream, cancel, list, upload, download or any; ``model`` limits it to one model.
        """
        fault = Fault(at, effect, skip, times, model)
        with self._lock:
            self._faults.append(fault)
            self._seen.append(0)
        return fault

    def __bool__(self) -> bool:
        return bool(self._faults)

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()
            self._seen.clear()

    def take(self, operation: str, model: Callable[[], str | None]) -> Fault | None:
        """The fault for this request, which is counted."""
        at = word_of(operation)
        with self._lock:
            for place, fault in enumerate(self._faults):
                if fault.at not in ("any", at) or (fault.model is not None and fault.model != model()):
                    continue
                self._seen[place] += 1
                if fault.skip < self._seen[place] <= fault.skip + fault.times:
                    return fault
        return None


def _from_json(entry: Any, where: str) -> Fault:
    try:
        given = dict(entry)
        when = {name: given.pop(name) for name in ("skip", "times", "model") if name in given}
        if when.get("times") == "always":
            when["times"] = math.inf
        at, name = given.pop("at"), given.pop("fault")
        if name not in _EFFECTS:
            raise ValueError(f"there is no fault {name!r}, only {', '.join(_EFFECTS)}")
        return Fault(at, _EFFECTS[name](**given), **when)
    except KeyError as missing:
        raise ValueError(f"{where} has no {missing}") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None


def word_of(operation: str) -> str:
    """The kind of request that an operation is, as faults name it."""
    if operation.endswith(("predictions.create", "trainings.create")):
        return "create"
    return "list" if operation.endswith(".list") else _WORDS.get(operation, "other")


class Playback:
    """The steps of one response under an effect."""

    def __init__(self, rendering: Rendering, effect: Effect) -> None:
        self.rendering = rendering
        self._feed = effect.start()
        self._steps: deque[Step] = deque()
        self._number = 0
        self._over = False

    def next(self, deadline: float | None) -> Step:
        """What comes next: bytes, a wait, or the end of the connection. Raises what the response's body raises."""
        while not self._steps:
            if self._over:
                return CLOSED
            chunk = self.rendering.read(deadline)
            self._steps.extend(step for step in self._feed(self._number, chunk) if step != b"")
            self._number += 1
            self._over = not chunk
        return self._steps.popleft()


def model_named(body: Mapping[str, Any], path: str) -> str | None:
    """The model that a create is about, from its path or its body; None for a bare version."""
    parts = path.split("/")
    if len(parts) >= 4 and parts[1] == "models":
        return f"{parts[2]}/{parts[3]}"
    named = str(body.get("version", "")).partition(":")[0]
    return named if "/" in named else None
