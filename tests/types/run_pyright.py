"""Has pyright check the files beside this one and the pages, in an environment of its own; ``.ci/run`` calls it.

Prints one line: what it found, or why it was skipped.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.types import pages  # run as a program, it is found by that path alone
from tests.types.test_types import HERE, MISTAKES, ROOT

_EXTRAS = {"reportMissingImports"}  # libraries that pages use and that are not installed for this


def main() -> int:
    """0 where documented code passes and every mistake is found."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        (written := Path(folder) / "pages").mkdir()
        checked = [HERE / "usage.py", HERE / "mistakes.py", *pages.write(written)]
        subprocess.run([python, "-m", "pip", "install", "-q", f"{ROOT}[async]", "pyright[nodejs]"], check=True)
        done = subprocess.run(
            [python, "-m", "pyright", "--outputjson", "--pythonpath", python, *checked],
            capture_output=True, text=True, check=False, cwd=folder,
        )  # fmt: skip
    said = json.loads(done.stdout)["generalDiagnostics"]
    found = [one for one in said if one["severity"] == "error" and one.get("rule") not in _EXTRAS]
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
