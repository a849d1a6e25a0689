"""What became of a create that was not answered: found in the server's list of predictions, or reported."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import attrs

from ...dialects.refs import ModelRef
from ...exceptions import CreateOutcomeUnknown, NotFound, PermissionDenied, ReplicateHomeError
from ...operations.predictions import list_predictions
from ...records.prediction import Snapshot
from ...transports.async_base import sleep_on
from ..engine.async_engine import AsyncEngine
from ..engine.routing import Route
from .journal import Journal, Row
from .keys import digest
from .writer import Writer

CLOCKS_DIFFER = 120.0
PATIENCE = 60.0
"""For so many seconds after a create was sent, its prediction may still appear in the list."""
PAUSE = 5.0


@attrs.frozen
class _Listing:
    """The predictions that the server listed, made between two moments; digests of their inputs by id."""

    fetched: float
    after: float
    before: float
    found: dict[str, bytes]

    def covers(self, row: Row, now: float) -> bool:
        """Whether it is recent, and what this create made would be in it."""
        return now - self.fetched < PAUSE / 2 and self.after <= row.sent_at - CLOCKS_DIFFER and (
            self.before >= row.sent_at + CLOCKS_DIFFER
        )  # fmt: skip


class LookUp:
    """Looks for the predictions of unanswered creates: one reading of the list serves all that wait."""

    def __init__(self, engine: AsyncEngine, route: Route, writer: Writer) -> None:
        self._engine = engine
        self._route = route
        self._writer = writer
        self._turn = asyncio.Lock()
        self._listing: _Listing | None = None
        self._waiting: list[Row] = []
        self._under_way: Counter[bytes] = Counter()

    @contextmanager
    def sending(self, sent: bytes) -> Iterator[None]:
        """Meanwhile a create of this input is sent, whose prediction is nobody else's."""
        self._under_way[sent] += 1
        try:
            yield
        finally:
            self._under_way[sent] -= 1
            if not self._under_way[sent]:
                del self._under_way[sent]

    async def find(self, row: Row, ref: ModelRef) -> str:
        """The id of its prediction, which is in the journal then; CreateOutcomeUnknown where that cannot be told."""
        clock = self._engine.clock
        until = min(row.sent_at, clock.time()) + PATIENCE  # the system's clock may have been set back since
        self._waiting.append(row)
        try:
            while True:
                found = await self._look(row, ref)
                if found is not None:
                    return found
                if clock.time() >= until:
                    raise _unknown(row, [])
                await sleep_on(clock, PAUSE)
        finally:
            self._waiting.remove(row)

    async def _look(self, row: Row, ref: ModelRef) -> str | None:
        async with self._turn:
            try:
                listed = await self._listed(row, ref)
            except (NotFound, PermissionDenied):  # this server keeps no list
                raise _unknown(row, []) from None
            except ReplicateHomeError:
                return None
            if self._under_way[row.sent]:  # one of these may be its answer, which is about to come
                return None
            free, rivals = await self._free(listed, row)
            if len(free) > rivals:
                raise _unknown(row, free)
            if not free:
                return None
            await self._writer.write(Journal.created, row.key, row.ordinal, free[0])
            return free[0]

    async def _free(self, listed: dict[str, bytes], row: Row) -> tuple[list[str], int]:
        """The predictions of this input that belong to no row, and how many rows there are for them."""
        same = [id for id, sent in listed.items() if sent == row.sent]
        told = await self._writer.write(Journal.strangers, same, row.sent)
        return told or ([], 0)

    async def _listed(self, row: Row, ref: ModelRef) -> dict[str, bytes]:
        now = self._engine.clock.time()
        if self._listing is None or not self._listing.covers(row, now):
            after = min(waiting.sent_at for waiting in self._waiting) - CLOCKS_DIFFER
            before = max(waiting.sent_at for waiting in self._waiting) + CLOCKS_DIFFER
            found = {
                snapshot.id: digest(snapshot.input)
                async for snapshot in self._predictions(after, before)
                if _is_of(snapshot, ref)
            }
            self._listing = _Listing(now, after, before, found)
        return self._listing.found

    async def _predictions(self, after: float, before: float) -> AsyncIterator[Snapshot]:
        """The predictions made between two moments, with their inputs, the oldest last."""
        operation = list_predictions(created_after=_iso(after), created_before=_iso(before))
        seen: set[str] = set()
        while True:
            page = await self._engine.perform(self._engine.operating(operation, self._route), self._route)
            for snapshot in page.results:
                whole = "input" in snapshot or snapshot.data_removed
                yield snapshot if whole else await self._engine.get(snapshot.id, self._route)
            if page.next is None or page.next in seen:
                return
            seen.add(page.next)
            operation = list_predictions(page.next)


def _is_of(snapshot: Snapshot, ref: ModelRef) -> bool:
    """Whether a prediction may be one that the API was asked for with this reference."""
    if snapshot.source == "web" or snapshot.data_removed:
        return False
    if ref.deployment:
        return snapshot.deployment in (None, ref.deployment)
    return snapshot.model == ref.model or (ref.version is not None and snapshot.version == ref.version)


def _unknown(row: Row, ids: list[str]) -> CreateOutcomeUnknown:
    sent = f"a create was sent at {_iso(row.sent_at)} and its response was lost, so a prediction may exist or not"
    why = "the server's list shows none that must be it"
    if ids:
        why = f"the server's list shows more predictions of this input than were recorded: {', '.join(sorted(ids))}"
    return CreateOutcomeUnknown(
        f"{sent}; {why}. It was not repeated, because that could run and bill it twice: on_unknown='resend' does"
    )


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
