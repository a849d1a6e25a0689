"""A run is a timeline: what changed, and when on the emulator's clock; clients see a prefix of it.

In real time a thread runs the model and appends. In virtual time every look steps the model on to the moment that is
looked at: ``run.sleep`` then moves only the run's own time, so that the same looks, in any order and number, see the
same history. A model is never stepped further than one change beyond what was asked for.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from enum import StrEnum
from operator import attrgetter
from threading import Condition, get_ident
from typing import Any

import attrs

from ..clock import Clock, FakeClock, wait_until, waiting
from ..exceptions import Disconnected
from .failures import error_and_traceback
from .printed import Printed

ENDS = frozenset({"succeeded", "failed", "canceled", "aborted"})
LONGEST_VIRTUAL_RUN = 86_400.0  # virtual seconds after which a model that never stops sleeping ends
LARGEST_OUTPUT = 64 * 2**20
LONGEST_STEP = 0.05  # real seconds to wait for a model that another thread runs


class Trouble(StrEnum):
    """What goes wrong with a prediction on the way to its client; the run itself is not affected."""

    ANSWER_LOST = "answer lost"  # it is created, but the create gets no response
    STREAM_CUT = "stream cut"  # its stream breaks off after the last item, each time it is opened
    GONE = "gone"  # after its end, requests about it get no response


class Stopped(BaseException):
    """Ends a model's function from within ``run.sleep``; no ``except Exception`` of the model catches it."""


@attrs.frozen
class Change:
    """Something that happened: ``started``, ``item`` (of a list), ``value`` (the whole), ``logs`` or an end."""

    at: float
    kind: str
    value: Any = None


@attrs.frozen
class Plan:
    """What a run does: ``call`` takes the run and returns the output, or an iterator of its items.

    ``streams`` is what it streams: ``text``, ``files``, ``maybe`` (the first item decides) or ``no``;
    ``starts_after`` are the seconds before it starts. ``contradiction`` is shown in place of the output of a run that
    has ended.
    """

    call: Callable[[LocalRun], Any]
    streams: str = "no"
    starts_after: float = 0.0
    trouble: Trouble | None = None
    contradiction: Any = None


class Peer:
    """The other end of one request: what waits on its behalf can be ended from another thread.

    ``moves_time`` is set if the peer has a clock of its own, as across a socket: when it reads a running
    prediction, virtual time passes until there is something new.
    """

    def __init__(self, *, moves_time: bool = False) -> None:
        self.moves_time = moves_time
        self.closed = False
        self._waiting: Condition | None = None

    def check(self) -> None:
        """Raise :class:`Disconnected` once it is closed."""
        if self.closed:
            raise Disconnected("closed while waiting", phase="wait", may_have_been_processed=True)

    def wait(self, changed: Condition, seconds: float) -> None:
        """Wait, with ``changed`` held, until it is notified, ``seconds`` have passed or it is closed."""
        self._waiting = changed
        self.check()  # after the line above, so that a concurrent close() is not missed
        changed.wait(None if seconds == math.inf else max(0.0, seconds))

    def close(self) -> None:
        """End every wait on its behalf, now and later."""
        self.closed = True
        if (changed := self._waiting) is not None:
            with changed:
                changed.notify_all()


class LocalRun:
    """The run of a model, as its function sees it: annotate a parameter with this class to be given it.

    >>> def countdown(run: LocalRun, start: int = 3) -> Iterator[str]:
    ...     for number in range(start, 0, -1):
    ...         run.log(f"at {number}")
    ...         yield f"{number} "
    ...         run.sleep(1)
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def id(self) -> str:
        """The prediction's id."""
        return self._run.id

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass on the server's clock; does not return if the prediction was canceled."""
        self._run.sleep(seconds)

    def log(self, text: str) -> None:
        """Add ``text`` to the prediction's logs, as a line."""
        self._run.log(text)


class Run:
    """One run of a plan.

    ``changed`` guards the timeline and is notified of every change, and ``on_change`` is called; ``on_error`` gets the
    exception that ended the model; ``store`` turns an output value into JSON and keeps its files. At the moment
    ``cancels_at`` it is canceled, and ``limit`` seconds after its start it fails.
    """

    def __init__(
        self,
        id: str,  # of the prediction
        plan: Plan,
        clock: Clock,
        changed: Condition,
        *,
        store: Callable[[Any], Any],
        cancels_at: float = math.inf,
        limit: float = math.inf,
        on_change: Callable[[], None] | None = None,
        on_error: Callable[[Exception], object] | None = None,
    ) -> None:
        self.id = id
        self.created = clock.now()
        self.starts = self.created + plan.starts_after
        self.cancels_at = cancels_at
        self.deadline = cancels_at  # until the start, when the limit of the run is added
        self.ended = False  # the end is in the timeline, perhaps in the future
        self._plan, self._clock, self._changed = plan, clock, changed
        self._store = store
        self._limit = limit
        self._on_change = on_change
        self._on_error = on_error
        self._changes: list[Change] = []
        self._size = 0
        self._printed = Printed(self.log)
        self._steps = self._life()

    # -- what clients see

    def seen(self, start: int = 0) -> list[Change]:
        """The changes up to now, without the first ``start``."""
        with self._changed:
            return self._changes[start : self._seen_by(self._clock.now())]

    def is_over(self) -> bool:
        """Whether the end is visible yet."""
        with self._changed:
            return self._is_over(self._seen_by(self._clock.now()))

    def age_of(self, change: Change) -> float:
        """The seconds since ``change`` happened."""
        return self._clock.now() - change.at

    def first_item(self) -> Change | None:
        """The first item of a list as output, if it is visible yet."""
        return next((change for change in self.seen() if change.kind == "item"), None)

    def wait(self, count: float, until: float, peer: Peer) -> bool:
        """Wait until at least ``count`` changes, or the end, are visible; False if ``until`` came first."""
        raise NotImplementedError

    def look(self, peer: Peer) -> None:
        """Let a peer with its own clock see something new; real time passes by itself."""

    def cancel(self) -> None:
        """End it now, unless it has ended; what it would have done later never happens."""
        with self._changed:
            now = self._clock.now()
            number = self._seen_by(now)
            if self._is_over(number):
                return
            del self._changes[number:]
            self._end(Change(now, "canceled"))

    # -- what the model does

    def sleep(self, seconds: float) -> None:
        """Let time pass for the model."""
        raise NotImplementedError

    def log(self, text: str) -> None:
        """Add a line to the logs."""
        text = str(text)
        self._add("logs", self._store(text if text.endswith("\n") else text + "\n"))

    # -- the life

    def _life(self) -> Generator[None, None, None]:
        """The model's run, one step at a time; a step ends when there is something new to see."""
        self._add("started")
        yield
        result = None
        try:
            result = self._plan.call(LocalRun(self))
            if isinstance(result, Iterator) and not hasattr(result, "read"):
                for item in result:
                    self._add("item", self._store(item))
                    yield
            else:
                self._add("value", self._store(result))
            self._printed.end()
            self._add("succeeded")
        except Stopped:
            self._printed.end()
            self._add("canceled")  # ignored if the end is known; otherwise the limit of virtual time was reached
        except Exception as error:
            if self._on_error is not None:
                self._on_error(error)
            self._fail(error)
        except GeneratorExit:
            raise
        except BaseException as error:  # Ctrl-C is the caller's, but this run needs an end too
            self._add("failed", f"the model was interrupted: {type(error).__name__}")
            if not isinstance(error, SystemExit):
                raise
        finally:
            if isinstance(result, Generator):
                with suppress(Exception):
                    result.close()
            del self._plan  # it holds the input files

    def _step(self) -> None:
        """Take one step; what the model prints in it goes to the logs."""
        with self._printed.taken():
            next(self._steps, None)

    def _fail(self, error: Exception) -> None:
        described, traceback = error_and_traceback(error)
        self._printed.end()
        if traceback:
            self.log(traceback)
        self._add("failed", self._store(described))

    def _add(self, kind: str, value: Any = None) -> None:
        """Append to the timeline; what comes after the end or the deadline does not happen."""
        with self._changed:
            moment = self._moment()
            if self.ended:
                return
            if moment >= self.deadline:
                self._expire()
                return
            self._size += 64 + _size_of(value)
            if self._size > LARGEST_OUTPUT and kind not in ENDS:
                self._end(Change(moment, "failed", f"the output and logs are larger than {LARGEST_OUTPUT} bytes"))
                return
            change = Change(moment, kind, value)
            if kind in ENDS:
                self._end(change)
            else:
                self._append(change)
                if kind == "started":
                    self.deadline = min(self.cancels_at, moment + self._limit)

    def _end(self, change: Change) -> None:
        self.ended = True
        self._append(change)

    def _append(self, change: Change) -> None:
        self._changes.append(change)
        self._changed.notify_all()
        if self._on_change is not None:
            self._on_change()

    def _expire(self) -> None:
        """The deadline has passed: before the start it is ``aborted``, after it ``canceled``."""
        if self.deadline < self.cancels_at:
            self._end(Change(self.deadline, "failed", f"the run took longer than {self._limit:g} seconds"))
        else:
            self._end(Change(self.deadline, "canceled" if self._changes else "aborted"))

    def _is_over(self, number: int) -> bool:
        return number > 0 and self._changes[number - 1].kind in ENDS

    def _seen_by(self, now: float) -> int:
        """The number of changes up to ``now``, all of them known."""
        self._catch_up(now)
        if not self.ended and now >= self.deadline:
            self._expire()
        return bisect_right(self._changes, now, key=attrgetter("at"))

    def _moment(self) -> float:
        """The model's own now."""
        raise NotImplementedError

    def _catch_up(self, now: float) -> None:
        """Make every change up to ``now`` known."""

    def _has_come(self, count: float, until: float) -> bool | None:
        """What :meth:`wait` returns, if it need not wait any longer."""
        with self._changed:
            now = self._clock.now()
            number = self._seen_by(now)
            if number >= count or self._is_over(number):
                return True
            return False if now >= until else None


def _size_of(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(64 + len(key) + _size_of(item) for key, item in value.items())
    if isinstance(value, list):
        return sum(64 + _size_of(item) for item in value)
    return 0


class RealRun(Run):
    """A run on the machine's clock; :meth:`work` is called in a thread."""

    def work(self) -> None:
        """Wait for the start, then run the model to its end."""
        with self._changed:
            while not self.ended and (rest := min(self.starts, self.deadline) - self._clock.now()) > 0:
                self._changed.wait(rest)
        with suppress(BaseException):  # the timeline has it
            while not self.ended:
                self._step()
        self._steps.close()

    def sleep(self, seconds: float) -> None:
        """Wait; the end, the deadline or a cancel stops the model."""
        with self._changed:
            wakes = self._clock.now() + max(0.0, seconds)
            while not self.ended and (rest := min(wakes, self.deadline) - self._clock.now()) > 0:
                self._changed.wait(rest)
            self._seen_by(self._clock.now())
            if self.ended:
                raise Stopped

    def wait(self, count: float, until: float, peer: Peer) -> bool:
        """Wait, as above; every change ends a wait."""
        with self._changed:
            while (came := self._has_come(count, until)) is None:
                peer.wait(self._changed, min(until, self.deadline) - self._clock.now())
        return came

    def _moment(self) -> float:
        return self._clock.now()


class VirtualRun(Run):
    """A run on a :class:`FakeClock`, stepped by every request; ``changed`` is one lock for the whole emulator.

    It is not held while the model runs, which may wait for another thread that uses this server.
    """

    _clock: FakeClock

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._own = self.starts
        self._stepping: int | None = None  # the thread that runs the model

    def sleep(self, seconds: float) -> None:
        """Move the run's own time on."""
        self._own += max(0.0, seconds)
        if self.ended or self._own >= min(self.deadline, self.starts + LONGEST_VIRTUAL_RUN):
            raise Stopped

    def wait(self, count: float, until: float, peer: Peer) -> bool:
        """Wait, as above, until the moment of the next change."""
        while (came := self._has_come(count, until)) is None:
            wait_until(self._clock, self._next_change(until, peer))
        return came

    def look(self, peer: Peer) -> None:
        """Virtual time passes until there is something new."""
        if peer.moves_time:
            self.wait(len(self.seen()) + 1, math.inf, peer)

    def cancel(self) -> None:
        """End it now, and let go of the model."""
        super().cancel()
        with self._changed:
            self._let_go()

    def _let_go(self) -> None:
        if self.ended and self._stepping is None:
            self._steps.close()

    def _moment(self) -> float:
        return self._own

    def _step(self) -> None:
        self._stepping = get_ident()
        self._changed.release()
        try:
            with waiting():
                super()._step()
        finally:
            self._changed.acquire()
            self._stepping = None
            self._changed.notify_all()
            self._let_go()

    def _catch_up(self, now: float) -> None:
        while not self.ended and self._stepping is None and self._own <= min(now, self.deadline):
            self._step()

    def _next_change(self, until: float, peer: Peer) -> float:
        """When there is something new to see, but ``until`` at the latest."""
        with self._changed:
            peer.check()
            if self._stepping is not None:
                return self._after_step(until)
            now = self._clock.now()
            while not self.ended and self._changes[-1:] and self._changes[-1].at <= now:
                self._step()
            following = bisect_right(self._changes, now, key=attrgetter("at"))
            moment = self._changes[following].at if following < len(self._changes) else self.starts
            return min(moment, until, self.deadline)

    def _after_step(self, until: float) -> float:
        """Wait for the thread that runs the model, but not for long: the model may wait for this one."""
        if self._stepping == get_ident():
            raise Disconnected("a model waits for its own prediction", phase="wait", may_have_been_processed=True)
        has_stepped = self._changed.wait(LONGEST_STEP)
        return self._clock.now() if has_stepped else min(until, self.deadline)
