"""Type checkers pass documented code, with no cast and no ignore, and find the mistakes that people make."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from . import pages

HERE, ROOT = Path(__file__).parent, pages.ROOT
# A page uses a name again for another thing, as a notebook does, and libraries that are not installed everywhere.
PAGES_RULES = (
    "--allow-redefinition",
    "--ignore-missing-imports",
    "--allow-subclassing-any",
    "--allow-untyped-decorators",
    "--untyped-calls-exclude=opentelemetry",
    "--untyped-calls-exclude=distributed",
    "--follow-imports=silent",
)
MISTAKES = {
    number
    for number, line in enumerate((HERE / "mistakes.py").read_text("utf-8").splitlines(), 1)
    if line.endswith("# wrong")
}


def checked(*files: Path | str, rules: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """What mypy says of files, by its strictest rules, except for ``rules``."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--no-incremental", *rules]
    paths = [str(HERE / name) for name in files]
    return subprocess.run([*command, *paths], capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)


@pytest.mark.long
def test_mypy_passes_what_readme_and_docs_write():
    done = checked("usage.py")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.long
def test_mypy_passes_every_block_of_readme_and_docs(tmp_path: Path):
    done = checked(*pages.write(tmp_path), rules=PAGES_RULES)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.long
def test_mypy_finds_each_mistake_and_nothing_else():
    found = {int(number) for number in re.findall(r"mistakes\.py:(\d+): error", checked("mistakes.py").stdout)}
    assert found == MISTAKES
    assert len(MISTAKES) == 11


def test_neither_file_silences_a_type_checker():
    for name in ("usage.py", "mistakes.py"):
        assert not re.search(r"type: ignore|pyright|cast\(|\bAny\b", (HERE / name).read_text("utf-8")), name
