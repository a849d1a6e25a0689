"""Writes what the pages take from the code: the lifecycle, and the names of the reference.

Run ``python docs/generate.py`` after a change of either; a test fails while a page is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import lifecycle_picture  # noqa: E402 - it lies beside this file, wherever this is run from
import lifecycle_walk  # noqa: E402
import reference_pages  # noqa: E402


def pages() -> dict[Path, str]:
    """What each generated file should be now."""
    edges = lifecycle_walk.edges()
    lifecycle = HERE / "lifecycle.md"
    names = {HERE / f"{name}.md": text for name, text in reference_pages.contents().items()}
    names[HERE / "reference.md"] = reference_pages.index()
    return {
        HERE / "lifecycle.svg": lifecycle_picture.svg(edges),
        lifecycle: _between_marks(lifecycle, "transitions", lifecycle_walk.listing(edges)),
        **{page: _between_marks(page, "names", text) for page, text in names.items()},
    }


def _between_marks(page: Path, mark: str, text: str) -> str:
    """The page with ``text`` where its marks say that it goes."""
    begin, end = f"<!-- generated: {mark} -->\n", f"<!-- end: {mark} -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{page.name} lacks the marks {begin.strip()} and {end}")
    return f"{before}{begin}{text}{end}{after}"


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content, encoding="utf-8")
