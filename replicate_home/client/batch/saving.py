"""The files of an item's output, saved in a folder before the server deletes them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ..outputs.download import in_thread
from ..outputs.file_output import FileOutput


async def saved(files: list[FileOutput], folder: Path, prefix: str) -> tuple[Path, ...]:
    """The paths of the files in ``folder``, in order. One that is there already is not fetched again.

    A name contains the prediction's id, so what has it is the same file; and it has it only when it is complete.
    """
    if not files:
        return ()
    await in_thread(_made, folder)
    width = len(str(len(files) - 1))
    places = [f"{number:0{width}}-" if len(files) > 1 else "" for number in range(len(files))]
    paths = [folder / f"{prefix}-{place}{file.name}" for file, place in zip(files, places, strict=True)]
    for file, path in zip(files, paths, strict=True):
        if not path.exists():
            await file.asave(path)
    await in_thread(_synced, folder)
    return tuple(paths)


def _made(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _synced(folder: Path) -> None:
    """Have the names in the folder outlive a power failure too, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
