"""The Python of README.md and docs/ as modules, for type checkers: one a page, with the page's line numbers."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(python|py|python script)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def write(folder: Path) -> list[Path]:
    """Write a module for each page that has Python, and one for each block that is a program of its own."""
    sources = {name: source for page in PAGES for name, source in _modules(page).items()}
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return [folder / f"{name}.py" for name in sources]


def _modules(page: Path) -> dict[str, str]:
    text, name = page.read_text(encoding="utf-8"), page.stem.replace("-", "_").lower()
    blocks = list(_BLOCK.finditer(text))
    together = [block for block in blocks if block[1] != "python script"]
    modules = {f"{name}_page": _source(text, together)} if together else {}
    for number, block in enumerate(blocks):
        if block not in together:
            modules[f"{name}_script_{number}"] = _source(text, [block])
    return modules


def _source(text: str, blocks: list[re.Match[str]]) -> str:
    """The blocks, with empty lines for all else, in a coroutine if they await as a notebook does."""
    lines: list[str] = []
    for block in blocks:
        lines += [""] * (text.count("\n", 0, block.start(2)) - len(lines)) + block[2].splitlines()
    if not _awaits("\n".join(lines)):
        return "\n".join([*lines, ""])
    return "\n".join(["async def page() -> None:", *(f"    {line}".rstrip() for line in lines[1:]), ""])


def _awaits(source: str) -> bool:
    try:
        compile(source, "page", "exec", dont_inherit=True)
    except SyntaxError:
        compile(source, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        return True
    return False
