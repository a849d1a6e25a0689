"""Downloads: where files come from, and how they are read by threads and by event loops."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

import attrs

from ...exceptions import ProtocolError
from ...lifecycle.machine import Settled

if TYPE_CHECKING:
    from ...drivers.adrive import AsyncDrive
    from ...drivers.drive import Drive
    from ..engine.async_engine import AsyncEngine
    from ..engine.engine import Engine
    from ..engine.routing import Route
    from .ranges import Rest

T = TypeVar("T")
PIECE = 64 * 1024


@attrs.frozen
class Download:
    """A download, read by a blocking thread: ``read`` returns the next piece, ``b""`` at the end."""

    content_type: str
    read: Callable[[], bytes]
    close: Callable[[], None]
    """Discards the rest; may be called from another thread."""
    start: int = 0
    """The byte of the file at which it begins."""
    validator: str | None = None
    """What stands for this state of the file, where the rest of it can be asked for."""

    @classmethod
    def of(cls, content: bytes, content_type: str) -> Download:
        """A file whose content is already in memory."""
        return cls(content_type, partial(io.BytesIO(content).read, PIECE), lambda: None)

    @classmethod
    def over(cls, drive: Drive) -> Download:
        """A file that is the open body of a life."""
        content_type, start, validator = _described(drive)
        return cls(content_type, lambda: drive.read(_until(drive)), drive.close_body, start, validator)

    def pieces(self) -> Iterator[bytes]:
        """The content as it arrives; at the end the connection returns to the pool, earlier it is closed."""
        try:
            while piece := self.read():
                yield piece
        finally:
            self.close()


class AsyncDownload(Protocol):
    """A download, read by a task."""

    @property
    def content_type(self) -> str:
        """The media type."""
        ...

    @property
    def start(self) -> int:
        """The byte of the file at which it begins."""
        ...

    @property
    def validator(self) -> str | None:
        """What stands for this state of the file, where the rest of it can be asked for."""
        ...

    async def read(self) -> bytes:
        """The next piece; ``b""`` at the end."""
        ...

    def close(self) -> None:
        """Discard the rest."""
        ...


class DownloadInLoop:
    """A file that is the open body of a life in an event loop."""

    def __init__(self, drive: AsyncDrive) -> None:
        self._drive = drive
        self.content_type, self.start, self.validator = _described(drive)

    async def read(self) -> bytes:
        """The next piece; ``b""`` at the end."""
        return await self._drive.read(_until(self._drive))

    def close(self) -> None:
        """Discard the rest."""
        self._drive.close_body()


class DownloadInThread:
    """A file that a thread reads for an event loop."""

    def __init__(self, download: Download) -> None:
        self._download = download
        self.content_type, self.start, self.validator = download.content_type, download.start, download.validator

    async def read(self) -> bytes:
        """The next piece; ``b""`` at the end."""
        return await in_thread(self._download.read)

    def close(self) -> None:
        """Discard the rest."""
        self._download.close()


class FileSource(Protocol):
    """Where files come from."""

    def open(self, url: str, rest: Rest | None = None) -> Download:
        """Request a file, or the ``rest`` of it."""
        ...

    async def aopen(self, url: str, rest: Rest | None = None) -> AsyncDownload:
        """Request a file in an event loop."""
        ...


@attrs.frozen
class Files:
    """Files read over a blocking client's connections; event loops use threads."""

    engine: Engine
    route: Route

    def open(self, url: str, rest: Rest | None = None) -> Download:
        """Request a file."""
        return Download.over(self.engine.download(url, self.route, _headers(rest)))

    async def aopen(self, url: str, rest: Rest | None = None) -> AsyncDownload:
        """Request a file in a thread."""
        return DownloadInThread(await in_thread(self.open, url, rest))


@attrs.frozen
class AsyncFiles:
    """Files read over an async client's connections."""

    engine: AsyncEngine
    route: Route

    def open(self, url: str, rest: Rest | None = None) -> Download:
        """Request a file and wait for it, over the client's connections for threads."""
        return Files(self.engine.blocking(), self.route).open(url, rest)

    async def aopen(self, url: str, rest: Rest | None = None) -> AsyncDownload:
        """Request a file."""
        return DownloadInLoop(await self.engine.download(url, self.route, _headers(rest)))


class PublicFiles:
    """Output files that need no token, such as those of an unpickled result, over separate connections."""

    def open(self, url: str, rest: Rest | None = None) -> Download:
        """Request a file."""
        from ..engine.connections import Connections
        from ..engine.engine import Engine
        from ..engine.settings import Settings

        engine = Engine(Settings(backend="home"), Connections(None, None, None))
        try:
            download = Files(engine, engine.route()).open(url, rest)
        except BaseException:
            engine.close()
            raise

        def close() -> None:
            download.close()
            engine.close()

        return attrs.evolve(download, close=close)

    async def aopen(self, url: str, rest: Rest | None = None) -> AsyncDownload:
        """Request a file in a thread."""
        return DownloadInThread(await in_thread(self.open, url, rest))


class Part:
    """A file that is written next to its target and then renamed, so that a partial one is never seen."""

    def __init__(self, target: Path) -> None:
        if not target.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "the folder does not exist", str(target))
        self._target = target
        self._place = Path(os.path.realpath(target))  # a link goes on to lead where it did
        # Not tempfile, whose files only their owner can read: a model's output is an ordinary file.
        self._path = self._place.parent / f".{os.urandom(8).hex()}.part"
        self.file: IO[bytes] = self._path.open("xb")

    def finish(self) -> Path:
        """Rename it to its target."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self._path, self._place)
        return self._target

    def discard(self) -> None:
        """Delete it."""
        with contextlib.suppress(OSError):  # closing writes what is left, and the disk may be full
            self.file.close()
        self._path.unlink(missing_ok=True)


class Spool:
    """What is written to a device or a pipe once it is whole; to rename a file would take its place."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.file = spooled()

    def finish(self) -> Path:
        """Write it."""
        with self._target.open("wb") as target:
            copy_all(self.file, target)
        self.file.close()
        return self._target

    def discard(self) -> None:
        """Delete it."""
        self.file.close()


def part_of(target: Path) -> Part | Spool:
    """What is written in the place of ``target`` until it is whole."""
    return Spool(target) if target.exists() and not target.is_file() else Part(target)


def spooled() -> IO[bytes]:
    """A temporary file, on disk if it is large."""
    import tempfile  # only needed here, and slow to import

    return tempfile.SpooledTemporaryFile(max_size=2**20)


def copy_all(content: IO[bytes], file: IO[bytes]) -> None:
    """Copy all of it into an open file."""
    content.seek(0)
    while piece := content.read(PIECE):
        file.write(piece)


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """The result of a blocking function, run in a thread; virtual time waits for it."""
    import asyncio  # only event loops need it

    from ...transports.async_base import awaiting_thread

    with awaiting_thread():
        return await asyncio.to_thread(function, *arguments)


def _headers(rest: Rest | None) -> Mapping[str, str]:
    return {} if rest is None else rest.headers


def _described(drive: Drive | AsyncDrive) -> tuple[str, int, str | None]:
    """What the server said before the file: its media type, where it begins, and what stands for its state."""
    from .ranges import start_of, validator_of  # only needed once a file is read

    answer = drive.state.answer if isinstance(drive.state, Settled) else None
    assert answer is not None
    try:
        return answer.content_type, start_of(answer), validator_of(answer)
    except ProtocolError:
        drive.close_body()
        raise


def _until(drive: Drive | AsyncDrive) -> float | None:
    """When the next piece must have arrived."""
    terms = drive.state.life.terms
    idle = terms.timeout.idle
    limits = (terms.deadline, None if idle is None else drive.clock.now() + idle)
    return min((limit for limit in limits if limit is not None), default=None)
