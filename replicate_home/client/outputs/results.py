"""What ``run()`` returns: the model's output itself, as a value of its own type that also knows its prediction."""

from __future__ import annotations

import json
import sys
from collections.abc import Container, Iterator
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, overload

from ...records.prediction import Snapshot
from .download import FileSource
from .file_output import FileOutput, files_in, with_files


class Result:
    """The output of a finished prediction.

    It is the output itself: a real ``list``, ``str``, ``dict``, ``int``, ``float`` or :class:`FileOutput`. A null or
    boolean output is a plain ``Result`` that is equal to it, and true only if the output is ``True``.
    """

    output: Any
    """The JSON value, with file URLs as :class:`FileOutput`."""

    prediction: Snapshot
    """The prediction as it ended."""

    if TYPE_CHECKING:
        # Members of any kind of output, so that documented code passes type checkers. No __hash__: with it they would
        # consider `isinstance(result, list)` impossible.
        @overload
        def save(self, path: str | PathLike[str], *, progress: Any = False) -> Path: ...
        @overload
        def save(self, path: IO[bytes], *, progress: Any = False) -> None: ...
        def save(self, path: Any, *, progress: Any = False) -> Path | None: ...
        def read(self, size: int = -1, *, limit: int | None = None) -> bytes: ...
        def open(self) -> IO[bytes]: ...
        async def aread(self, size: int = -1, *, limit: int | None = None) -> bytes: ...
        @overload
        async def asave(self, path: str | PathLike[str], *, progress: Any = False) -> Path: ...
        @overload
        async def asave(self, path: IO[bytes], *, progress: Any = False) -> None: ...
        async def asave(self, path: Any, *, progress: Any = False) -> Path | None: ...

        url: str

        @property
        def name(self) -> str: ...
        @property
        def content_type(self) -> str | None: ...
        def __iter__(self) -> Iterator[Any]: ...
        def __len__(self) -> int: ...
        def __getitem__(self, key: Any) -> Any: ...
        def __contains__(self, item: Any) -> bool: ...
        def __eq__(self, other: object) -> bool: ...
    else:

        def __getattr__(self, name: str) -> Any:
            if name in _OF_SOME_KIND:
                kind = _kind_of(self.output)
                raise AttributeError(f"the output is {kind}, which has no {name!r}: {self._instead(name)}")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _instead(self, name: str) -> str:
        """Where something is that other kinds of output have."""
        found = self.files
        if not found or not hasattr(FileOutput, name):
            return "see .output, .text and .files"
        one, several = f"see .file.{name}", f"see .files[0].{name}, and .save_all for all {len(found)} files"
        return one if len(found) == 1 else several

    @property
    def text(self) -> str:
        """The text: a string, or a list of strings joined. Raises ValueError if the output is not text."""
        nothing = self.output is None or self.output == []
        text = "" if nothing else _text_of(self.output)
        if text is None:
            raise ValueError(f"the output is not text but {_kind_of(self.output)}: see .output and .files")
        return text

    @property
    def files(self) -> list[FileOutput]:
        """All files in the output, in order, at any depth."""
        return files_in(self.output)

    @property
    def file(self) -> FileOutput:
        """The only file in the output; raises ValueError with the count if there is not exactly one."""
        found = self.files
        if len(found) != 1:
            raise ValueError(f"expected exactly one file in the output, found {len(found)}: see .files")
        return found[0]

    def save_all(self, directory: str | Path) -> list[Path]:
        """Save every file in ``directory``, which is created if needed, and return the paths in order.

        If there are several, names begin with the position in the output: ``0-out.png``, ``1-out.png``.
        """
        return [file.save(path) for file, path in self._places(directory)]

    async def asave_all(self, directory: str | Path) -> list[Path]:
        """Like :meth:`save_all`, without blocking the event loop."""
        return [await file.asave(path) for file, path in self._places(directory)]

    def _places(self, directory: str | Path) -> list[tuple[FileOutput, Path]]:
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        found = self.files
        if len(found) == 1:
            return [(found[0], folder / found[0].name)]
        width = len(str(len(found) - 1))
        return [(file, folder / f"{place:0{width}}-{file.name}") for place, file in enumerate(found)]

    @property
    def logs(self) -> str:
        """What the model printed."""
        return self.prediction.logs

    @property
    def metrics(self) -> Any:
        """The server's measurements, such as ``predict_time`` in seconds."""
        return self.prediction.metrics

    @property
    def id(self) -> str:
        """The prediction's id."""
        return self.prediction.id

    def __str__(self) -> str:
        text = _text_of(self.output)
        if text is not None:
            return text
        found = self.files
        if len(found) == 1 and self.output in (found[0], found):
            return found[0].url
        return json.dumps(self.output, ensure_ascii=False, default=str)

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> Any:
        from .frameworks import core_schema_of  # only pydantic needs it

        return core_schema_of(cls, _json_value)

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: Any) -> dict[str, str]:
        return {}

    @property
    def __pydantic_serializer__(self) -> Any:
        from .frameworks import serializer  # only pydantic needs it

        return serializer(_json_value)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """What a notebook shows: text as text, files as pictures and players, one beside the other."""
        from .notebook import html_of  # only notebooks need it

        plain = {"text/plain": repr(self)}
        if isinstance(self.output, (bool, int, float, type(None))):
            return plain
        return {"text/html": html_of(self.output), **plain}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.output, self.prediction)


_OF_SOME_KIND = frozenset(name for kind in (FileOutput, list, str, dict) for name in dir(kind) if name[0] != "_")


class _Plain(Result):
    """A null or boolean output, whose types cannot be subclassed."""

    def __bool__(self) -> bool:
        return bool(self.output)

    def __eq__(self, other: object) -> bool:
        return bool(self.output == (other.output if isinstance(other, _Plain) else other))

    def __hash__(self) -> int:
        return hash(self.output)

    def __repr__(self) -> str:
        return f"Result({self.output!r})"


class _List(Result, list[Any]):
    """A list."""

    __hash__ = None


class _Dict(Result, dict[str, Any]):
    """An object."""

    __hash__ = None


class _Text(Result, str):
    """A string."""

    __slots__ = ("__dict__",)

    def __str__(self) -> str:
        return str(self.output)


class _Int(Result, int):
    """A whole number."""

    __str__ = int.__repr__


class _Float(Result, float):
    """A number."""

    __str__ = float.__repr__


class _File(Result, FileOutput):
    """A file."""

    def __init__(self, file: FileOutput) -> None:
        super().__init__(file.url, file.source, file.base_url)

    __str__ = FileOutput.__str__
    __repr__ = FileOutput.__repr__
    _repr_mimebundle_ = FileOutput._repr_mimebundle_


_CLASSES: tuple[tuple[type, type[Result]], ...] = (
    (FileOutput, _File), (str, _Text), (list, _List), (dict, _Dict), (int, _Int), (float, _Float),
)  # fmt: skip
_NAMED: list[type[Result]] = [_Plain, *(kind for _, kind in _CLASSES)]
for _class in _NAMED:
    _class.__name__ = _class.__qualname__ = f"{_class.__name__[1:]}Result"


def result_of(snapshot: Snapshot, base_url: str, source: FileSource | None, known: Container[str] = ()) -> Result:
    """The result of a prediction that succeeded; without a ``source``, files stay URLs.

    ``known`` are URLs that are known to be files, beside those that are seen to be.
    """
    output = snapshot.output
    return _rebuild(output if source is None else with_files(output, base_url, source, known), snapshot)


def _json_value(result: Any) -> Any:
    """The output as the API's JSON, with files as URLs."""
    output = result.output if isinstance(result, Result) else result
    if isinstance(output, FileOutput):
        return output.url
    if isinstance(output, list):
        return [_json_value(item) for item in output]
    return {name: _json_value(item) for name, item in output.items()} if isinstance(output, dict) else output


def _rebuild(output: Any, prediction: Snapshot) -> Result:
    result = _dressed(output)
    result.output, result.prediction = output, prediction
    return result


def _dressed(output: Any) -> Result:
    if output is None or isinstance(output, bool):
        if "fastapi.encoders" in sys.modules:
            from .frameworks import known_to_fastapi

            known_to_fastapi(_Plain, _json_value)
        return _Plain()
    for kind, dressed in _CLASSES:
        if isinstance(output, kind):
            return dressed(output)  # type: ignore[call-arg]  # each is built from a value of its own kind
    raise AssertionError(f"JSON has no {type(output).__name__}")


def _text_of(output: Any) -> str | None:
    if isinstance(output, str):
        return str.__str__(output)
    if isinstance(output, list) and output and all(isinstance(item, str) for item in output):
        return "".join(output)
    return None


def _kind_of(output: Any) -> str:
    return "a file" if isinstance(output, FileOutput) else f"a JSON {type(output).__name__}"
