"""The output on stdout, for people and for pipes: text as it arrives, files as paths or URLs, the rest as JSON.

Nothing else goes to stdout. Everything written is flushed at once.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import click

from ..client.engine.routing import LOCAL_URL
from ..client.outputs.file_output import FileOutput, files_in
from ..protocol import urls
from ..records.events import DoneEvent, Event, LogsEvent, OutputEvent, StatusEvent
from ..records.prediction import Snapshot


class Files:
    """Where the files in an output go.

    They are saved in ``directory``, which is created at once. Without one, only files without a public URL are saved,
    in the current folder; for others the URL is shown. Existing files are never overwritten.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)

    def place(self, file: FileOutput) -> str:
        """Save ``file`` and return its path, or return its URL if it is not to be saved."""
        return self._saved(file) if self._is_to_be_saved(file) else file.url

    def saved(self, output: Any) -> dict[str, list[str]]:
        """Under ``saved``, the paths of the files in ``output``; empty if none are saved."""
        paths = [self._saved(file) for file in files_in(output) if self._is_to_be_saved(file)]
        return {"saved": paths} if paths else {}

    def _is_to_be_saved(self, file: FileOutput) -> bool:
        found = urls.origin(file.url)
        return self._directory is not None or found is None or found == urls.origin(LOCAL_URL)

    def _saved(self, file: FileOutput) -> str:
        path = _free_place((self._directory or Path()) / file.name)
        try:
            return str(file.save(path))
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _free_place(wanted: Path) -> Path:
    """A new, empty file: ``wanted``, or a numbered name if that exists."""
    for number in count(1):
        path = wanted if number == 1 else wanted.with_stem(f"{wanted.stem}-{number}")
        with contextlib.suppress(FileExistsError):
            path.open("xb").close()
            return path
    raise AssertionError("there are always more numbers")


def show_output(output: Any, files: Files) -> None:
    """Print a whole output: text, or the path or URL of each file on a line, or JSON with these in place of files."""
    items = output if isinstance(output, list) and output else [output]
    if all(isinstance(item, FileOutput) for item in items):
        for item in items:
            _write(f"{files.place(item)}\n")
    elif all(isinstance(item, str) for item in items):
        _write("".join(items) + "\n")
    else:
        _write(json.dumps(output, ensure_ascii=False, default=files.place) + "\n")


def show_pieces(pieces: Iterable[Any], files: Files) -> None:
    """Print an output as it arrives: text as it is, with a final line break; other items on separate lines."""
    line_is_open = False
    try:
        for piece in pieces:
            if isinstance(piece, str):
                line_is_open = True
                _write(piece)
            else:
                _write("\n" if line_is_open else "")
                line_is_open = False
                show_output(piece, files)
    finally:
        _write("\n" if line_is_open else "")


def show_prediction(prediction: Snapshot, output: Any, files: Files) -> None:
    """Print the prediction as one line of JSON, as the API sent it; ``saved`` has the paths of saved files, if any."""
    _write(json.dumps({**prediction.to_dict(), **files.saved(output)}) + "\n")


def show_events(events: Iterable[Event], files: Files) -> None:
    """Print the events of a stream as they arrive, each as one line of JSON."""
    for event in events:
        _write(json.dumps({"event": event.event, **_evidence(event, files)}, default=str) + "\n")


def _write(text: str) -> None:
    """Write to stdout directly: ``click.echo`` would strip escape sequences from the output."""
    if sys.stdout is not None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _evidence(event: Event, files: Files) -> Mapping[str, Any]:
    match event:
        case StatusEvent():
            return {"id": event.prediction.id, "status": event.status}
        case OutputEvent():
            return {"data": event.data, **files.saved(event.data)}
        case LogsEvent():
            return {"data": event.data}
        case DoneEvent():
            return {"prediction": event.prediction.to_dict()}


class StatusLine:
    """An ``on_update`` callback: on a terminal, one line of progress on stderr, which is removed afterwards."""

    def __init__(self) -> None:
        self._shown = sys.stderr is not None and sys.stderr.isatty()

    def __call__(self, snapshot: Snapshot) -> None:
        """Show its progress."""
        progress = snapshot.progress
        steps = f", step {progress.current} of {progress.total}" if progress else ""
        self._show(f"{snapshot.model or 'prediction'} {snapshot.id}: {snapshot.status}{steps}")

    def __enter__(self) -> StatusLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._show("")

    def _show(self, text: str) -> None:
        if self._shown:
            click.echo(f"\r{text[:79]:79}\r", nl=False, err=True)
