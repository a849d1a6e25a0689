"""Has pyright check the files beside this one, in an environment of its own; ``.ci/run`` calls it.

Prints one line: what it found, or why it was skipped.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from test_types import HERE, MISTAKES

ROOT = HERE.parents[1]


def main() -> int:
    """0 where documented code passes and every mistake is found."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", f"{ROOT}[async]", "pyright[nodejs]"], check=True)
        done = subprocess.run(
            [python, "-m", "pyright", "--outputjson", "--pythonpath", python, HERE / "usage.py", HERE / "mistakes.py"],
            capture_output=True, text=True, check=False, cwd=folder,
        )  # fmt: skip
    found = [one for one in json.loads(done.stdout)["generalDiagnostics"] if one["severity"] == "error"]
    lines = {(Path(one["file"]).name, one["range"]["start"]["line"] + 1) for one in found}
    expected = {("mistakes.py", number) for number in MISTAKES}
    for one in found:
        if (Path(one["file"]).name, one["range"]["start"]["line"] + 1) not in expected:
            print(f"pyright: {one['file']}:{one['range']['start']['line'] + 1}: {one['message']}")
    for name, number in sorted(expected - lines):
        print(f"pyright: {name}:{number}: a mistake that was not found")
    others = len(lines - expected)
    print(f"pyright: {len(lines & expected)} of {len(expected)} mistakes found, {others} errors elsewhere")
    return int(lines != expected)


if __name__ == "__main__":
    sys.exit(main())
