"""Type checkers pass documented code, with no cast and no ignore, and find the mistakes that people make."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
MISTAKES = {
    number
    for number, line in enumerate((HERE / "mistakes.py").read_text("utf-8").splitlines(), 1)
    if line.endswith("# wrong")
}


def checked(name: str) -> subprocess.CompletedProcess[str]:
    """What mypy says of a file, by its strictest rules."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--no-incremental", str(HERE / name)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=HERE.parents[1])


def test_mypy_passes_what_readme_and_docs_write():
    done = checked("usage.py")
    assert (done.returncode, done.stdout) == (0, "")


def test_mypy_finds_each_mistake_and_nothing_else():
    found = {int(number) for number in re.findall(r"mistakes\.py:(\d+): error", checked("mistakes.py").stdout)}
    assert found == MISTAKES
    assert len(MISTAKES) == 11


def test_neither_file_silences_a_type_checker():
    for name in ("usage.py", "mistakes.py"):
        assert not re.search(r"type: ignore|pyright|cast\(|\bAny\b", (HERE / name).read_text("utf-8")), name
