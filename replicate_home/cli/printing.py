"""The answer on stdout, for people and for pipes: text as it comes, files as paths or URLs, the rest as JSON.

Nothing else goes to stdout. Whatever is written is flushed at once.
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
    """Where the files of an answer go.

    Into ``directory``, which is made at once. Without one only what has no address outside this process is saved,
    in the current folder; of other files the URL is shown. Nothing that exists is overwritten.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)

    def place(self, file: FileOutput) -> str:
        """The path that ``file`` is saved as now, or its URL where it is not saved."""
        return self._saved(file) if self._is_to_be_saved(file) else file.url

    def saved(self, output: Any) -> dict[str, list[str]]:
        """Under ``saved``, the paths of the files in ``output``; empty where none is saved."""
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
    """A new, empty file: ``wanted``, or with a number where that exists."""
    for number in count(1):
        path = wanted if number == 1 else wanted.with_stem(f"{wanted.stem}-{number}")
        with contextlib.suppress(FileExistsError):
            path.open("xb").close()
            return path
    raise AssertionError("there are always more numbers")


def show_output(output: Any, files: Files) -> None:
    """A whole output: the text, or the place of each file on a line, or JSON with places for files."""
    items = output if isinstance(output, list) and output else [output]
    if all(isinstance(item, FileOutput) for item in items):
        for item in items:
            _write(f"{files.place(item)}\n")
    elif all(isinstance(item, str) for item in items):
        _write("".join(items) + "\n")
    else:
        _write(json.dumps(output, ensure_ascii=False, default=files.place) + "\n")


def show_pieces(pieces: Iterable[Any], files: Files) -> None:
    """The pieces of an output as they come: text as it is, with a line break after it; others on lines of their own."""
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
    """The prediction as one line of JSON, as the API has it; ``saved`` are the paths of its files, if any."""
    _write(json.dumps({**prediction.to_dict(), **files.saved(output)}) + "\n")


def show_events(events: Iterable[Event], files: Files) -> None:
    """The events of a stream as they come, each as one line of JSON."""
    for event in events:
        _write(json.dumps({"event": event.event, **_evidence(event, files)}, default=str) + "\n")


def _write(text: str) -> None:
    """Straight to stdout: ``click.echo`` would take escape sequences out of what a model says."""
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
    """On a terminal, one line on stderr that says how far a prediction is, and is gone afterwards. ``on_update``."""

    def __init__(self) -> None:
        self._shown = sys.stderr is not None and sys.stderr.isatty()

    def __call__(self, snapshot: Snapshot) -> None:
        """Show how far it is."""
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
