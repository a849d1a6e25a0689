"""What is known of one prediction's life, as a value, and how it takes in a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import attrs

from ..dialects.base import Dialect
from ..records.events import DoneEvent, LogsEvent, StatusEvent
from ..records.prediction import Snapshot
from ..wire import Response, Timeout
from . import policy
from .deltas import new_items
from .replays import NOTHING, Seen, sift

if TYPE_CHECKING:
    from ..protocol.sse import ServerSentEvent


@attrs.frozen
class Terms:
    """What holds for a whole life.

    ``deadline`` is a time on the caller's clock; ``epoch`` is what to add to that for the time of
    day. ``follows``: go on until the prediction is terminal; ``delivers``: hand out its output as it grows;
    ``cancels``: it is this life's to cancel; ``streams``: its end may be learned from an event stream; ``pace``: how
    often it is polled otherwise.
    """

    dialect: Dialect
    deadline: float | None = None
    timeout: Timeout = attrs.field(factory=Timeout)
    max_retries: int = 3
    seed: float = 0.0
    epoch: float = 0.0
    follows: bool = True
    delivers: bool = True
    cancels: bool = False
    streams: bool = True
    pace: policy.Pace = policy.PACE


class Log(Sequence[Any]):
    """A sequence that only grows, as a value: appending returns the next one, and copies nothing.

    States that follow each other share one list, of which each sees the part that was there when it was made.
    """

    __slots__ = ("_items", "_length")

    def __init__(self, items: Iterable[Any] = ()) -> None:
        self._items = list(items)
        self._length = len(self._items)

    def extended(self, items: Sequence[Any]) -> Log:
        """This log with ``items`` at its end."""
        if not items:
            return self
        # An older state that goes on must not see what a newer one appended, and all lives share the empty log.
        shared = self._items if 0 < self._length == len(self._items) else self._items[: self._length]
        shared.extend(items)
        grown = Log.__new__(Log)
        grown._items, grown._length = shared, len(shared)
        return grown

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._items[: self._length][index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items if self._length == len(self._items) else self._items[: self._length])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Log) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # a log is compared by its items, which may be unhashable

    def __repr__(self) -> str:
        return f"Log({list(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Log, (list(self),)


EMPTY = Log()


@attrs.frozen
class Output:
    """News: pieces of output, in order. One batch for all that came at once."""

    items: list[Any]


News = StatusEvent | Output | LogsEvent | DoneEvent


@attrs.frozen
class Life:
    """What is known so far; ``began`` is when the create was sent, or when the prediction was picked up again.

    ``streams``: the event stream may still be used; ``opens``: how often it was opened; ``reopen``: it was cut;
    ``done``: it said that it was done; ``tied``: the prediction ends with the connection that asked for it.
    """

    terms: Terms
    began: float
    snapshot: Snapshot | None = None
    delivered: Log = EMPTY
    logged: int = 0
    seen: Seen = NOTHING
    streams: bool = True
    reopen: bool = False
    opens: int = 0
    done: bool = False
    cuts: int = 0
    retry_ms: int | None = None
    poll_errors: int = 0
    failing_since: float | None = None
    draws: int = 0
    tied: bool = False

    def drawn(self) -> float:
        """This life's next number from 0 to 1; count it with ``draws``."""
        return policy.draw(self.terms.seed, self.draws)

    def seeing(self, snapshot: Snapshot) -> tuple[Life, tuple[News, ...]]:
        """This life with a new snapshot, and what is new in it; a terminal status is final."""
        known = self.snapshot
        if known is not None and known.is_terminal:
            return self, ()
        news: tuple[News, ...] = ()
        if known is None or known.status != snapshot.status:
            news = (StatusEvent(snapshot),)
        logs = snapshot.logs
        if len(logs) > self.logged:
            news = (*news, LogsEvent(logs[self.logged :]))
        return attrs.evolve(self, snapshot=snapshot, logged=max(self.logged, len(logs))), news

    def delivering(self, *, final: bool) -> tuple[Life, list[Any] | None]:
        """This life with the rest of the snapshot's output, and the rest; None if it contradicts what was delivered."""
        if not self.terms.delivers or self.snapshot is None:
            return self, []
        items = new_items(self.delivered, self.snapshot.output, final=final)
        return (attrs.evolve(self, delivered=self.delivered.extended(items)) if items else self), items

    def hearing(self, events: list[ServerSentEvent]) -> tuple[Life, tuple[News, ...], bool]:
        """This life after some events of the stream, the news in them, and whether the stream is over.

        It is after a final event, or if events are missing: later ones are then ignored.
        Raises :class:`ProtocolError` for events that make no sense.
        """
        seen, fresh, gap = sift(self.seen, self.terms.dialect.heard(events), reopened=self.opens > 1)
        news, items, logged, done, told = news_in(fresh, self.terms.delivers)
        delivered = self.delivered.extended(items) if items else self.delivered
        cuts = self.cuts
        if cuts and any(event.id for event in fresh):  # one without an id may be a replay
            cuts = 0
        # Not attrs.evolve, which looks up each field by its name: this runs for every network read.
        life = Life(
            self.terms, self.began, self.snapshot, delivered, self.logged + logged, seen, self.streams, self.reopen,
            self.opens, self.done or done, cuts, self.retry_ms, self.poll_errors, self.failing_since, self.draws,
            self.tied,
        )  # fmt: skip
        for data in told:
            life, more = life._told(data)
            news = (*news, *more) if life.snapshot is not None and life.snapshot.is_terminal else (*more, *news)
        return life, news, done or gap

    def _told(self, data: str) -> tuple[Life, tuple[News, ...]]:
        """This life with the prediction as an event of the stream describes it."""
        return self.seeing(self.terms.dialect.snapshot(Response(200, body=data.encode()), self.snapshot))


def news_in(events: list[ServerSentEvent], delivers: bool) -> tuple[tuple[News, ...], list[Any], int, bool, list[str]]:
    """The news in new events, the output among it, the number of characters of logs, and whether a final event came;
    last, any snapshots of the whole prediction, as JSON.
    """
    news: list[News] = []
    items: list[Any] = []
    told: list[str] = []
    start = logged = 0
    done = False
    for event in events:
        kind = event[0]
        if kind == "output":
            if delivers:
                items.append(event[1])
        elif kind == "logs":
            if len(items) > start:
                news.append(Output(items[start:]))
                start = len(items)
            news.append(LogsEvent(event[1]))
            logged += len(event[1])
        elif kind in ("done", "error"):
            # `error` says why and `done` follows it; the poll after either has both in full.
            done = True
            break
        elif kind == "prediction":
            told.append(event[1])
    if len(items) > start:
        news.append(Output(items[start:] if start else items))
    return tuple(news), items, logged, done, told
