"""What a notebook shows of outputs: pictures, players, text and tables. Whatever came from a server is escaped."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Mapping
from html import escape
from typing import Any, Protocol, runtime_checkable

from ...exceptions import ReplicateHomeError
from ...protocol.urls import is_nowhere

PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_ROW = "display: flex; flex-wrap: wrap; gap: 8px"
_TEXT = "white-space: pre-wrap"


@runtime_checkable
class ShownFile(Protocol):
    """A file of an output."""

    url: str

    @property
    def name(self) -> str:
        """A file name."""
        ...

    @property
    def content_type(self) -> str | None:
        """The media type."""
        ...

    def read(self) -> bytes:
        """The content."""
        ...


def html_of(output: Any) -> str:
    """An output as HTML; its pictures are fetched, and are in it."""
    file = _file_of(output)
    if file is not None:
        return _shown(file)
    if isinstance(output, list) and any(_file_of(item) is not None for item in output):
        return f'<div style="{_ROW}">{"".join(map(html_of, output))}</div>'
    if isinstance(output, Mapping):
        return table(output)
    if isinstance(output, list) and output and all(isinstance(item, str) for item in output):
        output = "".join(output)
    shown = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, default=str)
    return f'<div style="{_TEXT}">{escape(shown)}</div>'


def table(values: Mapping[str, Any]) -> str:
    """Names and values as the rows of a table."""
    rows = (f"<tr><th>{escape(str(name))}</th><td>{html_of(value)}</td></tr>" for name, value in values.items())
    return f"<table>{''.join(rows)}</table>"


def link_to(file: ShownFile) -> str:
    """A player for sound and films, and for any other file a link; what only this process can read is in it."""
    kind = (file.content_type or "").partition("/")[0]
    if kind not in ("audio", "video"):
        return f'<a href="{escape(file.url)}">{escape(file.name)}</a>'
    source = _inline(file) if is_nowhere(file.url) else file.url
    return f'<{kind} controls src="{escape(source)}"></{kind}>'


def _file_of(value: Any) -> ShownFile | None:
    """The file that a value is, or whose URL it is."""
    if isinstance(value, str):
        value = getattr(value, "file", None)
    return value if isinstance(value, ShownFile) else None


def _shown(file: ShownFile) -> str:
    if file.content_type in PICTURES:
        with contextlib.suppress(ReplicateHomeError):  # an expired file is still shown as a link
            return f'<img src="{escape(_inline(file))}" style="max-width: 100%">'
    return link_to(file)


def _inline(file: ShownFile) -> str:
    return f"data:{file.content_type};base64,{base64.b64encode(file.read()).decode()}"

