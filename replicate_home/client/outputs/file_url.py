"""Files in the output of a prediction that the caller holds: their URLs, as the API sent them, which can be read."""

from __future__ import annotations

from typing import Any

from .download import FileSource
from .file_output import LARGEST_READ, FileOutput, files_in, with_files


class FileURL(str):
    """The URL of a file in ``prediction.output``: an ordinary string that also has :meth:`read` and :attr:`file`."""

    __slots__ = ("file",)

    file: FileOutput
    """The file, to save it or to read it in an event loop."""

    def __new__(cls, file: FileOutput) -> FileURL:
        """The URL of this file."""
        url = super().__new__(cls, file.url)
        url.file = file
        return url

    def read(self, size: int = -1, *, limit: int | None = LARGEST_READ) -> bytes:
        """The content of the file, as :meth:`FileOutput.read` gives it."""
        return self.file.read(size, limit=limit)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def with_urls(output: Any, base_url: str, source: FileSource) -> Any:
    """The output with its file URLs as :class:`FileURL`, at any depth."""
    found = with_files(output, base_url, source)
    return _urls(found) if files_in(found) else output


def _urls(value: Any) -> Any:
    if isinstance(value, FileOutput):
        return FileURL(value)
    if isinstance(value, list):
        return [_urls(item) for item in value]
    return {key: _urls(item) for key, item in value.items()} if isinstance(value, dict) else value
