"""The answer: on stdout, or in the file of ``-o``; for people as text, for programs as JSON.

Text is written as it arrives, files are shown as paths or URLs, the rest as JSON. Everything is flushed at once.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import IO, Any

from ..client.engine.routing import LOCAL_URL
from ..client.outputs.file_output import FileOutput, files_in
from ..exceptions import ReplicateHomeError
from ..protocol import urls
from ..records.events import DoneEvent, Event, LogsEvent, OutputEvent, StatusEvent
from ..records.prediction import Snapshot

STDOUT = "-"


class Answer:
    """Where an answer goes.

    Text goes to stdout, or into the file ``target``. Files are saved: one as ``target``, others beside it with numbers;
    or in ``directory``, which is created at once, where no file is overwritten. With neither, only files that have no
    public URL are saved, in the current folder. With the target ``-``, one file goes to stdout itself.
    """

    def __init__(self, directory: Path | None = None, target: str | None = None) -> None:
        self._directory = directory
        self._target = target
        self._text: IO[str] | None = None
        self._used = False
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)

    def write(self, text: str) -> None:
        """Write text now."""
        if self._target in (None, STDOUT):
            to_stdout(text)
        elif text:
            if self._text is None:
                self._text = open(str(self._target), "w", encoding="utf-8")  # noqa: SIM115 - closed by close()
            self._text.write(text)
            self._text.flush()

    def show(self, file: FileOutput) -> None:
        """Save a file and print its path, print its URL, or write its content to stdout."""
        if self._target == STDOUT:
            self._take()
            for piece in file:
                _to_stdout_as_it_is(piece)
        else:
            to_stdout(f"{self.saved(file) or file.url}\n")

    def saved(self, file: FileOutput) -> str | None:
        """The path of a file that is the output, now saved; None if it is not to be saved."""
        if self._target in (None, STDOUT):
            return self._kept(file)
        return str(file.save(self._free_target()))

    def place(self, file: FileOutput) -> str:
        """What stands for a file within an output: its path, now saved, or its URL if it is not to be saved."""
        return self._kept(file) or file.url

    def _kept(self, file: FileOutput) -> str | None:
        if self._directory is None and not _is_unreachable(file):
            return None
        path = _free_place((self._directory or Path()) / file.name)
        try:
            return str(file.save(path))
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def close(self) -> None:
        """The end of the answer: if its text is in a file, print the path of that."""
        if self._text is not None:
            self._text.close()
            to_stdout(f"{self._target}\n")

    def _free_target(self) -> Path:
        wanted = Path(str(self._target))
        if self._used:
            return _free_place(wanted)
        self._used = True
        return wanted

    def _take(self) -> None:
        if self._used:
            raise ReplicateHomeError("there is more than one file, and -o - has place for one: use --output-directory")
        self._used = True


def _is_unreachable(file: FileOutput) -> bool:
    """Whether a file has no URL that anything else could read."""
    found = urls.origin(file.url)
    return found is None or found == urls.origin(LOCAL_URL)


def _free_place(wanted: Path) -> Path:
    """A new, empty file: ``wanted``, or a numbered name if that exists."""
    for number in count(1):
        path = wanted if number == 1 else wanted.with_stem(f"{wanted.stem}-{number}")
        with contextlib.suppress(FileExistsError):
            path.open("xb").close()
            return path
    raise AssertionError("there are always more numbers")


def show_output(output: Any, answer: Answer) -> None:
    """A whole output: text, or the path or URL of each file on a line, or JSON with these in place of files."""
    items = output if isinstance(output, list) and output else [output]
    if all(isinstance(item, FileOutput) for item in items):
        for item in items:
            answer.show(item)
    elif all(isinstance(item, str) for item in items):
        answer.write("".join(items) + "\n")
    else:
        answer.write(json.dumps(output, ensure_ascii=False, default=answer.place) + "\n")


def show_pieces(pieces: Iterable[Any], answer: Answer) -> None:
    """An output as it arrives: text as it is, with a final line break; other items on separate lines."""
    line_is_open = False
    try:
        for piece in pieces:
            if isinstance(piece, str):
                line_is_open = True
                answer.write(piece)
            else:
                answer.write("\n" if line_is_open else "")
                line_is_open = False
                show_output(piece, answer)
    finally:
        answer.write("\n" if line_is_open else "")


def show_prediction(prediction: Snapshot, output: Any, answer: Answer) -> None:
    """The prediction as one line of JSON, as the API sent it.

    ``saved`` has the paths of saved files. Those that have no public URL are named by these in the output, too.
    """
    saved, places = _saved(output, answer)
    shown = {"output": _with_places(output, places)} if saved else {}
    to_stdout(json.dumps({**prediction.to_dict(), **shown, **saved}) + "\n")


def show_event(event: Event, answer: Answer) -> None:
    """An event of a stream as one line of JSON."""
    to_stdout(json.dumps({"event": event.event, **_evidence(event, answer)}) + "\n")


def to_stdout(text: str) -> None:
    """Write to stdout directly: ``click.echo`` would strip escape sequences from the output."""
    if sys.stdout is not None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _to_stdout_as_it_is(content: bytes) -> None:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _saved(output: Any, answer: Answer) -> tuple[dict[str, list[str]], Mapping[str, str]]:
    """``saved`` and the paths of the files in ``output``, if any are saved; and what each is shown as, by its URL."""
    paths = {file.url: path for file in files_in(output) if (path := answer.saved(file)) is not None}
    unreachable = {file.url for file in files_in(output) if _is_unreachable(file)}
    return (
        {"saved": list(paths.values())} if paths else {},
        {url: path for url, path in paths.items() if url in unreachable},
    )


def _with_places(output: Any, places: Mapping[str, str]) -> Any:
    """The output as JSON, its files by their places."""
    place: Callable[[FileOutput], str] = lambda file: places.get(file.url, file.url)  # noqa: E731
    return json.loads(json.dumps(output, default=place))


def _evidence(event: Event, answer: Answer) -> Mapping[str, Any]:
    match event:
        case StatusEvent():
            return {"id": event.prediction.id, "status": event.status}
        case OutputEvent():
            saved, places = _saved(event.data, answer)
            return {"data": _with_places(event.data, places), **saved}
        case LogsEvent():
            return {"data": event.data}
        case DoneEvent():
            return {"prediction": event.prediction.to_dict()}
