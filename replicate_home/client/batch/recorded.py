"""The life of one prediction, of which each turn is in the journal before the next request is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

from ...drivers.adrive import AsyncDrive
from ...lifecycle.machine import Kind, Sending, Settled, State
from .common import Common
from .journal import Journal, Row

Elsewhere = Callable[[State], Awaitable[State]]
_CANCELING = frozenset({Kind.CANCEL, Kind.LAST_CANCEL})


class RecordedLife:
    """A life under way; ``row`` is what the journal has, or is to have, of it, and None without a journal.

    What is known to exist may be followed ``elsewhere``, which gives the state at its end, or the same one.
    """

    def __init__(
        self, common: Common, drive: AsyncDrive, row: Row | None, index: int, elsewhere: Elsewhere | None
    ) -> None:
        self.drive = drive
        self.row = row
        self._index = index
        self._common = common
        self._write = common.writer.write
        self._is_known = drive.state.life.snapshot is not None
        self._elsewhere = elsewhere
        self._is_sending = False  # a create, of which the response may be lost

    async def settle(self) -> Settled:
        """The end of it; an exception leaves it."""
        state = self.drive.state
        try:
            while not isinstance(state, Settled):
                state = await self._step(state)
                if self._elsewhere is not None and self._is_known and not isinstance(state, Settled):
                    follow, self._elsewhere = self._elsewhere, None
                    state = self.drive.state = await follow(state)
        except BaseException:
            await self.drive.leave()
            await self._left()
            raise
        return state

    async def _step(self, state: State) -> State:
        if isinstance(state, Sending) and state.kind is Kind.CREATE:
            return await self._create()
        if isinstance(state, Sending) and state.kind in _CANCELING and self.row is not None:
            await self._write(Journal.leave, [(self.row.key, self.row.ordinal)])
        return await self._go_on()

    async def _create(self) -> State:
        """Send the create, or wait for its turn; either may take long, so that the time of the intent is now."""
        self._common.check_stopped()
        if self.row is None:
            return await self._go_on()
        self.row = attrs.evolve(self.row, sent_at=self._common.clock.time())
        await self._write(Journal.intend, self.row, self._index)
        self._common.check_stopped()
        self._is_sending = True
        with self._common.look_up.sending(self.row.sent):
            state = await self._go_on()
        self._is_sending = False
        return state

    async def _go_on(self) -> State:
        state = await self.drive.step()
        snapshot = state.life.snapshot
        if snapshot is not None and not self._is_known and self.row is not None:
            await self._write(Journal.created, self.row.key, self.row.ordinal, snapshot.id)
        self._is_known = snapshot is not None
        return state

    async def _left(self) -> None:
        """Write down what is known of it when it was left."""
        if self.row is None:
            return
        place, snapshot = (self.row.key, self.row.ordinal), self.drive.state.life.snapshot
        if snapshot is not None:
            await self._write(Journal.created, *place, snapshot.id)
        elif not self._is_sending:
            await self._write(Journal.forget, *place)
        if self._common.options.cancel_on_exit:
            await self._write(Journal.leave, [place])
