"""The tasks of a batch in one event loop: each makes an item, and the caller takes them one by one."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

import attrs

from ...exceptions import CreateOutcomeUnknown
from .common import STOPPING, Common, CreatingStopped
from .item import Item
from .items import BatchItem, Pending
from .journal import Journal
from .writer import EndsBatch


class Work:
    """Everything under way for one batch.

    ``failed`` are the inputs that could be run once more; ``canceled`` counts the predictions that leaving cancels.
    """

    def __init__(self, common: Common) -> None:
        self.common = common
        self.failed: list[Pending] = []
        self.canceled = 0
        self._tasks: dict[asyncio.Task[None], Item] = {}
        self._ready: deque[BatchItem] = deque()
        self._out_of_turn: dict[int, BatchItem | None] = {}
        self._awaited: deque[int] = deque()  # the indexes of what is under way, as it came
        self._changed = asyncio.Event()
        self._failure: BaseException | None = None
        self._closed = False

    @property
    def has_ready(self) -> bool:
        """Whether an item can be taken without waiting."""
        return bool(self._ready)

    def add(self, pending: Pending) -> None:
        """Begin with an input."""
        if self._closed:
            return
        item = Item(self.common, pending)
        if self.common.options.ordered:
            self._awaited.append(pending.index)
        task = asyncio.get_running_loop().create_task(self._run(item), name=f"replicate_home item {pending.index}")
        self._tasks[task] = item
        task.add_done_callback(self._ended)

    async def take(self) -> BatchItem | None:
        """The next item, waiting for it; None where nothing is under way any more."""
        while True:
            if self._failure is not None:
                raise self._failure
            if self._ready:
                return self._ready.popleft()
            if not self._tasks:
                return None
            self._changed.clear()
            await self._changed.wait()

    async def leave(self) -> None:
        """Cancel what is under way, within a few seconds, and close."""
        if self._closed:
            return
        self._closed = True
        lives = [(item.place, item.life.drive) for item in self._tasks.values() if item.life is not None]
        if self.common.options.cancel_on_exit:
            self.canceled = sum(drive.has_to_cancel() for _, drive in lives)
            with contextlib.suppress(EndsBatch):  # a full disk must not keep anything running
                await self.common.writer.write(Journal.leave, [place for place, _ in lives])
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        self._close()

    def end(self) -> None:
        """Close, after the last item."""
        closed, self._closed = self._closed, True
        if not closed:
            self._close()

    def _close(self) -> None:
        self.common.thens.end()
        self.common.writer.close()

    async def _run(self, item: Item) -> None:
        try:
            made = await item.made()
        except (CreatingStopped, *STOPPING):
            self._offer(item.pending.index, None)
        except EndsBatch as ends:
            self._failure = self._failure or ends.error
        else:
            if made.error is not None and not isinstance(made.error, CreateOutcomeUnknown):
                self.failed.append(attrs.evolve(item.pending, again=True))
            self._offer(item.pending.index, made)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and task.exception() is not None:
            self._failure = self._failure or task.exception()
        self._changed.set()

    def _offer(self, index: int, item: BatchItem | None) -> None:
        """Let an item be taken, in its turn where the caller wants that; None is one that is none."""
        if not self.common.options.ordered:
            if item is not None:
                self._ready.append(item)
            return
        self._out_of_turn[index] = item
        while self._awaited and self._awaited[0] in self._out_of_turn:
            item = self._out_of_turn.pop(self._awaited.popleft())
            if item is not None:
                self._ready.append(item)
