"""Writes what the pages take from the code: the lifecycle, the names of the reference, and the commands.

Run ``python docs/generate.py`` after a change of either; a test fails while a page is out of date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import command_table  # noqa: E402 - it lies beside this file, wherever this is run from
import lifecycle_picture  # noqa: E402
import lifecycle_walk  # noqa: E402
import reference_pages  # noqa: E402
from lifecycle_examples import Hosted, SelfHosted  # noqa: E402


def pages() -> dict[Path, str]:
    """What each generated file should be now."""
    walks = {
        "transitions": lifecycle_walk.edges(Hosted()),
        "cog": lifecycle_walk.edges(SelfHosted(creates=True)),
        "attached": lifecycle_walk.edges(SelfHosted(creates=False)),
    }
    lifecycle, command_line = HERE / "lifecycle.md", HERE / "command-line.md"
    names = {HERE / f"{name}.md": text for name, text in reference_pages.contents().items()}
    names[HERE / "reference.md"] = reference_pages.index()
    return {
        HERE / "lifecycle.svg": lifecycle_picture.svg(walks["transitions"], lifecycle_picture.HOSTED),
        HERE / "lifecycle-cog.svg": lifecycle_picture.svg(walks["cog"], lifecycle_picture.SELF_HOSTED),
        lifecycle: _filled(lifecycle, {mark: lifecycle_walk.listing(edges) for mark, edges in walks.items()}),
        command_line: _filled(command_line, {"commands": command_table.listing()}),
        HERE / "llms.txt": _llms(),
        **{page: _filled(page, {"names": text}) for page, text in names.items()},
    }


def _llms() -> str:
    """The pages in their order, each with its first sentence (https://llmstxt.org)."""
    index = (HERE / "index.md").read_text(encoding="utf-8")
    named = re.findall(r"^[a-z0-9-]+$", index, re.MULTILINE)
    parts = [_told(HERE / f"{name}.md") for name in named if name != "changelog"]
    lines = [f"- [{title}]({name}.md): {sentence}" for name, (title, sentence) in zip(named, parts, strict=False)]
    return "\n".join(["# replicate_home", "", f"> {_told(HERE / 'index.md')[1]}", "", "## Docs", "", *lines, ""])


def _told(page: Path) -> tuple[str, str]:
    """The title of a page, and its first sentence as plain text."""
    title, *paragraphs = page.read_text(encoding="utf-8").removeprefix("# ").split("\n\n")
    prose = next(paragraph for paragraph in paragraphs if re.match(r"[A-Z\[]|`\w", paragraph))
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", prose.replace("\n", " "))
    return title, re.split(r"(?<=\.)\s", text)[0]


def _filled(page: Path, texts: dict[str, str]) -> str:
    """The page with each text between its marks."""
    filled = page.read_text(encoding="utf-8")
    for mark, text in texts.items():
        begin, end = f"<!-- generated: {mark} -->\n", f"<!-- end: {mark} -->"
        before, _, rest = filled.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise SystemExit(f"{page.name} lacks the marks {begin.strip()} and {end}")
        filled = f"{before}{begin}{text}{end}{after}"
    return filled


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content, encoding="utf-8")
