"""The answers of a fake's model, one after another, each written in one line of a test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import attrs

from ..emulator.problems import Problem
from ..emulator.registry import LocalModel
from ..emulator.schema.kinds import Opener
from ..emulator.schema.signature import read_signature
from ..emulator.timeline import LocalRun, Plan, Trouble
from .refusals import checked_status, html_page, refusal

_LONGEST = 86_400.0


@attrs.define
class Answer:
    """One answer of a script: a run, or a refusal. ``is_told`` is whether it has an outcome."""

    pieces: tuple[Any, ...] | None = None
    value: Any = None
    error: str | None = None
    logs: list[str] = attrs.field(factory=list)
    seconds: float = 0.0
    starts_after: float = 0.0
    model: LocalModel | None = None
    refusal: Callable[[], Problem] | None = None
    trouble: Trouble | None = None
    contradiction: Any = None
    is_told: bool = False

    def plan(self, given: Mapping[str, Any], opener: Opener) -> Plan:
        """The run, or the refusal as it is raised."""
        if self.refusal is not None:
            raise self.refusal()
        if self.model is not None:
            plan = self.model.plan(given, opener)
        else:
            plan = Plan(self._whole if self.pieces is None else self._piecewise, self.streamed)
        return attrs.evolve(
            plan, starts_after=self.starts_after, trouble=self.trouble, contradiction=self.contradiction
        )

    @property
    def streamed(self) -> str:
        """What it streams, as in :class:`~..emulator.timeline.Plan`."""
        if not self.pieces or all(isinstance(piece, str) for piece in self.pieces):
            return "no" if self.pieces is None else "text"
        return "files" if all(_is_file(piece) for piece in self.pieces) else "no"

    def _whole(self, run: LocalRun) -> Any:
        self._log(run)
        run.sleep(self.seconds)
        self._fail()
        return self.value

    def _piecewise(self, run: LocalRun) -> Iterator[Any]:
        self._log(run)
        pieces = self.pieces or ()
        passed = 0.0
        for number, piece in enumerate(pieces, 1):
            rest = self.seconds * number / len(pieces) - passed
            passed += rest  # not a running sum, whose rounding errors would add up
            run.sleep(rest)
            yield piece
        if not pieces:
            run.sleep(self.seconds)
        self._fail()

    def _log(self, run: LocalRun) -> None:
        for line in self.logs:
            run.log(line)

    def _fail(self) -> None:
        if self.error is not None:
            raise ScriptedFailure(self.error)


class ScriptedFailure(Exception):
    """The failure that a script gives to a model."""


class Script:
    """A model's answers to inputs that contain ``inputs``. Every method returns the script itself.

    >>> fake.on("owner/llm", prompt="Hi").streams("Hel", "lo").takes(3)
    >>> fake.on("owner/llm").refuses(429, retry_after=2).then.returns("at last")
    """

    def __init__(self, name: str, inputs: Mapping[str, Any]) -> None:
        self.name, self.inputs = name, dict(inputs)
        self.is_official: bool | None = None
        self.shown = False
        self.given = 0  # how many answers
        self.answers = [Answer()]
        self._lock = threading.Lock()

    @property
    def then(self) -> Script:
        """Begin the next answer; the last one is repeated."""
        if not self._last.is_told:
            raise ValueError(f"{self!r} has no answer before .then")
        self.answers.append(Answer())
        return self

    # -- runs

    def streams(self, *pieces: Any) -> Script:
        """Output ``pieces`` one by one; the output is their list. Texts and files are also streamed as events."""
        self._last.pieces = pieces
        return self._told()

    def returns(self, value: Any) -> Script:
        """Output ``value`` at the end: JSON, or ``bytes``, a ``Path`` or a Pillow image as a file, at any depth."""
        self._last.value = value
        return self._told()

    def fails(self, error: str) -> Script:
        """End as ``failed`` with ``error``, after the pieces if there are any."""
        self._last.error = error
        return self._told()

    def calls(self, function: Callable[..., Any]) -> Script:
        """Run ``function`` on the input, as :func:`replicate_home.local_model` would.

        An exception in it fails the prediction, and is the ``__cause__`` of what the client raises; an AssertionError
        passes through to the caller as itself.
        """
        self._last.model = LocalModel.of(self.name, function)
        return self._told()

    def takes(self, seconds: float) -> Script:
        """Run for ``seconds`` of the fake's clock; pieces are spread evenly over them, the last at the end."""
        if not 0 <= seconds <= _LONGEST:
            raise ValueError(f"a run takes 0 to {_LONGEST:.0f} seconds, not {seconds}")
        self._last.seconds = seconds
        return self

    def starts_after(self, seconds: float) -> Script:
        """Stay ``starting`` for ``seconds`` before the run begins."""
        self._last.starts_after = seconds
        return self

    def logs(self, *lines: str) -> Script:
        """Write ``lines`` to the logs when the run begins."""
        self._last.logs += lines
        return self

    # -- refusals and failures

    def refuses(
        self,
        status: int,
        detail: str | None = None,
        *,
        retry_after: float | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Script:
        """Refuse the create with an HTTP ``status`` (400 to 599), as the hosted service does.

        ``retry_after`` are the seconds that a 429 or 503 asks to wait; ``fields`` are the inputs that a 422 names,
        with what is wrong with each.
        """
        self._last.refusal = partial(refusal, checked_status(status), detail, retry_after=retry_after, fields=fields)
        return self._told()

    def answers_html(self, html: str = "<html><body>Bad gateway</body></html>", status: int = 200) -> Script:
        """Answer the create with a page instead of JSON, as proxies and captive portals do."""
        self._last.refusal = partial(html_page, html, status)
        return self._told()

    def loses_answer(self) -> Script:
        """Create the prediction, and close the connection instead of answering."""
        self._last.trouble = Trouble.ANSWER_LOST
        return self._told()

    def then_disconnects(self) -> Script:
        """Cut the event stream after the last piece, each time it is opened; polls still see the end."""
        self._last.trouble = Trouble.STREAM_CUT
        return self

    def then_vanishes(self) -> Script:
        """Cut the event stream after the last piece, and close the connection of every later request about it."""
        self._last.trouble = Trouble.GONE
        return self

    def then_contradicts(self, output: Any) -> Script:
        """End with ``output`` as the output, whatever was streamed."""
        self._last.contradiction = output
        return self

    # -- the model

    def official(self, is_official: bool = True) -> Script:
        """Hide the model's versions, like an official one; with False, callers must name a version.

        By default it has versions and can be run without naming one.
        """
        self.is_official = is_official
        return self

    def is_example(self) -> Script:
        """Make its inputs and answer an example prediction of the model."""
        self.shown = True
        return self

    # -- for the fake

    def matches(self, given: Mapping[str, Any]) -> bool:
        """Whether ``given`` contains this script's inputs."""
        return all(name in given and given[name] == value for name, value in self.inputs.items())

    def next_answer(self) -> Answer:
        """The answer that is next."""
        with self._lock:
            number, self.given = self.given, self.given + 1
        return self.answers[min(number, len(self.answers) - 1)]

    def openapi(self) -> dict[str, Any]:
        """The schema of the function, else one that takes any input."""
        first = self.answers[0]
        if first.model is not None:
            return first.model.openapi()
        document = any_input_openapi()
        document["components"]["schemas"]["Output"].update(_OUTPUTS.get(first.streamed, {}))
        return document

    @property
    def _last(self) -> Answer:
        return self.answers[-1]

    def _told(self) -> Script:
        self._last.is_told = True
        return self

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self.inputs.items())
        return f"fake.on({self.name!r}{given})"


def any_input_openapi() -> dict[str, Any]:
    """The schema of a model that takes any input."""
    return read_signature(_any_input, LocalRun).openapi()


def _any_input(**_: Any) -> Any:
    """The signature of a script: it takes any input."""


_OUTPUTS: dict[str, dict[str, Any]] = {
    "text": {
        "type": "array",
        "items": {"type": "string"},
        "x-cog-array-type": "iterator",
        "x-cog-array-display": "concatenate",
    },
    "files": {"type": "array", "items": {"type": "string", "format": "uri"}, "x-cog-array-type": "iterator"},
}


def _is_file(piece: Any) -> bool:
    return not isinstance(piece, (str, int, float, list, tuple, dict, type(None)))
