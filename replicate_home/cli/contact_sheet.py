"""A page with the pictures of a batch and their prompts, beside the pictures."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, TextIO
from urllib.parse import quote

if TYPE_CHECKING:
    from ..client.batch.items import BatchItem

NAME = "contact-sheet.html"
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".bmp", ".svg"})
_OURS = '<!doctype html><meta name="generator" content="replicate-home map">'
_HEAD = f"""{_OURS}
<meta charset="utf-8"><title>Contact sheet</title>
<style>
body {{ font: 14px sans-serif; display: grid; grid-template-columns: repeat(auto-fill, minmax(16em, 1fr)); gap: 1em }}
figure {{ margin: 0 }}
img {{ width: 100% }}
</style>
"""


class ContactSheet:
    """Written beside the pictures while they come; it takes its name when it is finished.

    A page of that name that is none of ours is left alone.
    """

    def __init__(self, folder: Path) -> None:
        self._target = folder / NAME
        self._part = folder / f".{NAME}.part"
        self._file: TextIO | None = None

    def add(self, item: BatchItem) -> None:
        """The pictures of an item, if it has any."""
        for path in item.paths:
            if path.suffix.lower() in _PICTURES:
                if self._file is None:
                    self._file = self._part.open("w", encoding="utf-8")
                    self._file.write(_HEAD)
                self._file.write(_figure(path, item))

    def finish(self) -> None:
        """There are no more."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        if self._target.exists() and not self._target.read_text("utf-8", "replace").startswith(_OURS):
            self._part.unlink()
        else:
            self._part.replace(self._target)


def _figure(path: Path, item: BatchItem) -> str:
    said = str(item.input.get("prompt") or ", ".join(f"{name}: {value}" for name, value in item.input.items()))
    link, title = quote(path.name), escape(said, quote=True)
    return (
        f'<figure style="order: {item.index}"><a href="{link}"><img src="{link}" loading="lazy" alt="{title}"></a>'
        f"<figcaption>{item.index}: {title}</figcaption></figure>\n"
    )
