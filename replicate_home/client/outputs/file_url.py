"""Files in the output of a prediction that the caller holds: their URLs, as the API sent them, which can be read."""

from __future__ import annotations

from typing import Any

from .download import FileSource
from .file_output import LARGEST_READ, FileOutput, has_urls, is_file


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


def with_urls(value: Any, base_url: str, source: FileSource) -> Any:
    """The output with its file URLs as :class:`FileURL`, at any depth."""
    if isinstance(value, str):
        return FileURL(FileOutput(value, source, base_url)) if is_file(value, base_url) else value
    if isinstance(value, list):
        return [with_urls(item, base_url, source) for item in value] if has_urls(value) else value
    return {key: with_urls(item, base_url, source) for key, item in value.items()} if isinstance(value, dict) else value
