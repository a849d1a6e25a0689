"""Progress bars on stderr, for predictions, downloads and uploads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import IO, Any

import attrs

from ...exceptions import MissingExtra
from ...records.prediction import Snapshot
from ...wire import Upload
from ..engine.calls import Report


def reporting(on_update: Report | None, progress: Any) -> Report:
    """A callback that shows new snapshots as a bar (``progress`` is True or a tqdm class), then calls ``on_update``."""
    bar = _Bar(tqdm_class(progress))

    def report(snapshot: Snapshot) -> Any:
        bar.show(snapshot)
        return None if on_update is None else on_update(snapshot)

    return report


def tqdm_class(progress: Any) -> Any:
    """The class that draws bars: tqdm if ``progress`` is True, else ``progress`` itself."""
    if progress is not True:
        return progress
    try:
        from tqdm.auto import tqdm
    except ImportError:
        message = "progress=True needs tqdm: python -m pip install tqdm"
    else:
        # tqdm's monitor thread, which redraws stale bars, never ends; ours is redrawn at every update.
        return type("tqdm", (tqdm,), {"monitor_interval": 0})
    raise MissingExtra(message, name="tqdm")


@contextlib.contextmanager
def shown(file: IO[bytes], progress: Any, name: str) -> Iterator[IO[bytes]]:
    """``file``, of which a bar shows how much has been written."""
    with tqdm_class(progress).wrapattr(file, "write", desc=name, unit_divisor=1024) as watched:
        yield watched


@attrs.frozen
class ShownUpload:
    """An upload of which a bar shows how much has been sent."""

    upload: Upload
    progress: Any
    name: str

    @property
    def length(self) -> int:
        """Its length in bytes."""
        return self.upload.length

    def open(self) -> Iterator[bytes]:
        """The body in pieces."""
        tqdm = tqdm_class(self.progress)
        with tqdm(total=self.length, desc=self.name, unit="B", unit_scale=True, unit_divisor=1024) as bar:
            for piece in self.upload.open():
                yield piece
                bar.update(len(piece))


class _Bar:
    def __init__(self, tqdm: Any) -> None:
        self._tqdm = tqdm
        self._bar: Any = None

    def show(self, snapshot: Snapshot) -> None:
        if self._bar is None:
            self._bar = self._tqdm(total=None, bar_format="{desc}")
        progress = snapshot.progress
        if progress is not None:
            self._bar.bar_format = None
            self._bar.total, self._bar.n = progress.total, progress.current
        self._bar.set_description(f"{snapshot.model or 'prediction'} {snapshot.status}", refresh=True)
        if snapshot.is_terminal:
            self._bar.close()
