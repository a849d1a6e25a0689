"""One input of a batch on its way to an item: found in the journal, created or followed, saved, written down.

The order is the promise: each thing is in the journal before what depends on it is done.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ...drivers.adrive import AsyncDrive
from ...drivers.calling import snapshot_of
from ...exceptions import CreateOutcomeUnknown, FileExpired, ModelError, ReplicateHomeError
from ...lifecycle import machine
from ...lifecycle.machine import Sending, Settled, following
from ...records.prediction import Snapshot, Status
from ...transports.threaded import in_thread
from ..engine.calls import RunOptions
from ..inputs.prompting import is_json
from ..outputs.file_output import FileOutput
from .common import Common, CreatingStopped
from .items import BatchItem, Pending
from .journal import Journal, Row, State
from .keys import digest, key_of
from .recorded import RecordedLife
from .saving import saved
from .writer import EndsBatch

if TYPE_CHECKING:
    from .workers import Done

_STOPPED = frozenset({Status.CANCELED, Status.ABORTED})
_FINAL = (ModelError, FileExpired)
"""How predictions end; any other error is about the way to them, which may be open another time."""


class Item:
    """One input under way. ``pending`` has its key as soon as that is known."""

    def __init__(self, common: Common, pending: Pending) -> None:
        self._common = common
        self._write = common.writer.write
        self.pending = pending
        self.life: RecordedLife | None = None
        self._snapshot: Snapshot | None = None
        self._elsewhere: Done | None = None  # what a worker has made of it

    @property
    def place(self) -> tuple[bytes, int]:
        """Where it is in the journal."""
        return self.pending.key, self.pending.ordinal

    async def made(self) -> BatchItem:
        """The item. Errors that are this input's own are in it; what ends the batch, or all creating, is raised."""
        try:
            row = await self._known()
            if row is not None and row.state in (State.DONE, State.FAILED):
                return await self._reused(row)
            async with self._common.slots:
                return await self._finished(await self._run(row))
        except (EndsBatch, CreatingStopped):
            raise
        except Exception as error:
            if self._common.stop_at(error) and self._snapshot is None:
                raise
            return self._item(error=error)

    async def _known(self) -> Row | None:
        """What the journal has of this input."""
        if not self._common.writer.writes:
            return None
        if not self.pending.key:
            ref, input = await self._common.ref(), self.pending.input
            reads_files = not is_json(input)
            readers = self._common.engine.async_connections.readers
            key = await in_thread(readers, key_of, str(ref), input) if reads_files else key_of(str(ref), input)
            ordinal = await self._write(Journal.meet, key)
            self.pending = attrs.evolve(self.pending, key=key, ordinal=ordinal or 0)
        row = await self._write(Journal.row, *self.place)
        if row is not None and row.state is State.FAILED and self.pending.again:
            await self._write(Journal.forget, *self.place)
            return None
        return row

    async def _reused(self, row: Row) -> BatchItem:
        """What the journal has of a prediction that has ended."""
        assert row.outcome is not None
        self._snapshot = row.outcome
        try:
            self._common.engine.ended(row.outcome, self._common.route)
        except ReplicateHomeError as error:
            return self._item(error=error, reused=True)
        return await self._with_files(row.outcome, row.files, reused=True)

    async def _run(self, row: Row | None) -> Settled:
        """The end of a prediction that goes on, or that is created."""
        if row is None:
            return await self._create(1)
        if not self._common.outlives:
            await self._write(Journal.forget, *self.place)
            return await self._create(row.attempts + 1)
        prediction_id = row.prediction_id or await self._looked_up(row)
        over = None if prediction_id is None else await self._resume(prediction_id, row)
        return over or await self._create(row.attempts + 1)

    async def _resume(self, prediction_id: str, row: Row) -> Settled | None:
        """The end of a prediction that was created before; None where it is to be created anew."""
        common = self._common
        snapshot = await common.engine.get(prediction_id, common.route)
        if row.state is State.LEAVING and snapshot.status in _STOPPED:  # that was our doing
            await self._write(Journal.forget, *self.place)
            return None
        self._snapshot = snapshot
        terms = common.engine.terms(
            common.route, common.options.timeout, delivers=False, cancels=common.options.cancel_on_exit
        )
        drive = common.engine.drive(following(terms, snapshot, common.clock.now()), common.route)
        return await self._settle(drive, row)

    async def _looked_up(self, row: Row) -> str | None:
        """The id that an unanswered create turns out to have; None where it is to be sent again."""
        try:
            return await self._common.look_up.find(row, await self._common.ref())
        except CreateOutcomeUnknown:
            if self._common.options.on_unknown != "resend":
                raise
            return None

    async def _create(self, attempts: int) -> Settled:
        """The end of a new prediction."""
        while True:
            over, row = await self._created(attempts)
            unknown = isinstance(over.error, CreateOutcomeUnknown) and over.life.snapshot is None
            if not unknown:
                return over
            if row is not None:
                prediction_id = await self._looked_up(row)
                resumed = None if prediction_id is None else await self._resume(prediction_id, row)
                if resumed is not None:
                    return resumed
            elif self._common.options.on_unknown != "resend":
                return over
            if attempts > self._common.engine.settings.max_retries:
                return over
            attempts += 1

    async def _created(self, attempts: int) -> tuple[Settled, Row | None]:
        """The end of one create, and what the journal has of it."""
        common = self._common
        await common.turn()
        if common.workers is not None and common.route.connections == "local":
            over = await self._made_by_worker(attempts)
            if over is not None:
                return over, None
        drive = await common.engine.begin(await self._options(), common.route, delivers=False)
        row = Row(*self.place, State.INTENT, _sent(drive), attempts=attempts) if common.writer.writes else None
        over = await self._settle(drive, row)
        return over, None if self.life is None else self.life.row

    async def _options(self) -> RunOptions:
        # The create is not held, so that its id is known, and written down, as soon as it can be.
        options = self._common.options
        ref = await self._common.ref()
        told: dict[str, Any] = {"wait": False, **self._common.each}
        return RunOptions(
            str(ref), self.pending.input, timeout=options.timeout, cancel_on_exit=options.cancel_on_exit, **told
        )

    async def _settle(self, drive: AsyncDrive, row: Row | None) -> Settled:
        elsewhere = None if self._common.workers is None else self._followed_by_worker
        self.life = RecordedLife(self._common, drive, row, self.pending.index, elsewhere)
        try:
            return await self.life.settle()
        finally:
            self._snapshot = drive.state.life.snapshot

    async def _followed_by_worker(self, state: machine.State) -> machine.State:
        """The end of a prediction as a worker has seen it; the state as it is where none has."""
        common, terms = self._common, state.life.terms
        assert common.workers is not None
        now = common.clock.now()
        left = None if terms.deadline is None else terms.deadline - now
        done = await common.workers.done(
            self.pending.index, await self._options(), state.life.snapshot, left, common.clock
        )
        if done is None:
            return state
        self._elsewhere = done
        return following(terms, Snapshot(done.prediction), common.clock.now())

    async def _made_by_worker(self, attempts: int) -> Settled | None:
        """The end of a prediction of a model that runs in a worker; None where it is to run here."""
        common, options = self._common, await self._options()
        assert common.workers is not None
        terms = common.engine.terms(common.route, common.options.timeout, delivers=False)
        done = await common.workers.done(self.pending.index, options, None, terms.timeout.total, common.clock)
        if done is None:
            return None
        self._elsewhere = done
        if common.writer.writes:
            row = Row(*self.place, State.INTENT, b"", common.clock.time(), attempts=attempts)
            await self._write(Journal.intend, row, self.pending.index)
        over = following(terms, Snapshot(done.prediction), common.clock.now())
        assert isinstance(over, Settled)
        return over

    async def _finished(self, over: Settled) -> BatchItem:
        """The item of a life that is over."""
        snapshot, error = over.life.snapshot, over.error
        self._snapshot = snapshot
        if snapshot is None:
            assert error is not None
            if not isinstance(error, CreateOutcomeUnknown):  # refused, or never sent
                await self._write(Journal.forget, *self.place)
            raise error
        if error is None:
            return await self._with_files(snapshot_of(over), (), reused=False)
        if isinstance(error, _FINAL):
            await self._write(Journal.finish, *self.place, snapshot, str(error), ())
        return self._item(error=error)

    async def _with_files(self, snapshot: Snapshot, known: tuple[str, ...], *, reused: bool) -> BatchItem:
        """The item of a prediction that succeeded: its files saved, then written down, then handed to ``then``."""
        common, folder, elsewhere = self._common, self._common.options.save_to, self._elsewhere
        urls = await common.file_urls(snapshot)
        item = self._item(result=common.format.result(snapshot, urls), reused=reused)
        if folder is not None:
            paths = tuple(folder / name for name in (known if elsewhere is None else elsewhere.names))
            if elsewhere is None and (not paths or not all(path.exists() for path in paths)):
                # What this raises leaves the row as it is, so that saving is tried again.
                paths = await self._saved(snapshot, common.saving.result(snapshot, urls).files, folder)
            item = attrs.evolve(item, paths=paths)
        if not reused:
            names = tuple(path.name for path in item.paths)
            await self._write(Journal.finish, *self.place, snapshot, None, names)
        if elsewhere is not None:
            return attrs.evolve(item, value=elsewhere.value, error=elsewhere.error)
        return await self._after(item)

    async def _saved(self, snapshot: Snapshot, files: list[FileOutput], folder: Path) -> tuple[Path, ...]:
        try:
            return await saved(files, folder, f"{self.pending.index:06d}-{snapshot.id}")
        except FileExpired as error:
            await self._write(Journal.finish, *self.place, snapshot, str(error), ())
            raise
        except ReplicateHomeError:  # some of which are OSErrors too
            raise
        except OSError as error:  # the folder is no item's own: the disk is full for all of them
            raise EndsBatch(error) from None

    async def _after(self, item: BatchItem) -> BatchItem:
        """The item with what the caller's function makes of its result."""
        then, common = self._common.options.then, self._common
        if then is None:
            return item
        try:
            if inspect.iscoroutinefunction(then):
                value = await then(item.result)
            else:
                value = await in_thread(common.thens, then, item.result)
        except Exception as error:
            return attrs.evolve(item, error=error)
        return attrs.evolve(item, value=value)

    def _item(self, **parts: Any) -> BatchItem:
        prediction_id = None if self._snapshot is None else self._snapshot.id
        return BatchItem(self.pending.index, self.pending.input, prediction_id=prediction_id, **parts)


def _sent(drive: AsyncDrive) -> bytes:
    """A digest of the input as it goes over the wire, by which its prediction is found in a list."""
    assert isinstance(drive.state, Sending)
    body = drive.state.request.body
    return digest(json.loads(body)["input"]) if isinstance(body, bytes) else b""
