"""Downloads that are cut: the rest is asked for where the server can tell that the file is still the same."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

import attrs

from ...exceptions import Disconnected, ProtocolError
from .download import AsyncDownload, Download
from .ranges import Rest

_ATTEMPTS = 3


@attrs.define
class Resuming:
    """How far a download has come. With ``restarts``, it starts over if the rest is not available."""

    restarts: bool
    place: int = 0
    furthest: int = 0
    _validator: str | None = None
    _attempts: int = _ATTEMPTS
    _cut: Disconnected | None = None

    @property
    def rest(self) -> Rest | None:
        """What is left to ask for; None for the whole file."""
        return Rest(self.place, self._validator) if self.place and self._validator else None

    def begun(self, download: Download | AsyncDownload) -> None:
        """The file has begun to arrive, from some byte on; raises the cut where that would repeat what was given."""
        if download.start not in (0, self.place):
            raise ProtocolError(f"the server sent a file from byte {download.start} on, not from {self.place}")
        if download.start != self.place and not self.restarts and self._cut is not None:
            self._attempts = 0
            raise self._cut
        self.place, self._validator = download.start, download.validator

    def came(self, length: int) -> None:
        """So many bytes have arrived; attempts that bring the download on are not counted."""
        self.place += length
        if self.place <= self.furthest:
            return  # read before: a server that always starts over and breaks off is given up
        self.furthest = self.place
        if self._cut is not None and self.rest is not None:
            self._attempts, self._cut = _ATTEMPTS, None

    def cut(self, error: Disconnected) -> None:
        """The connection broke; raises the error unless it is worth another attempt."""
        self._attempts -= 1
        if self._attempts <= 0 or not (self.restarts or self.rest is not None or not self.place):
            raise error
        self._cut = error


def arriving(opened: Callable[[Rest | None], Download], resuming: Resuming) -> Iterator[tuple[int, bytes]]:
    """The pieces of a file, each with its place; one at place 0 starts the file over."""
    while True:
        try:
            with contextlib.closing(opened(resuming.rest)) as download:
                resuming.begun(download)
                while piece := download.read():
                    yield resuming.place, piece
                    resuming.came(len(piece))
                return
        except Disconnected as error:
            resuming.cut(error)


async def aarriving(
    opened: Callable[[Rest | None], Awaitable[AsyncDownload]], resuming: Resuming
) -> AsyncGenerator[tuple[int, bytes], None]:
    """:func:`arriving` in an event loop."""
    while True:
        try:
            with contextlib.closing(await opened(resuming.rest)) as download:
                resuming.begun(download)
                while piece := await download.read():
                    yield resuming.place, piece
                    resuming.came(len(piece))
                return
        except Disconnected as error:
            resuming.cut(error)
