"""Runs the tests of the g4f provider in a fresh virtual environment for each Python from 3.11 to 3.13 that is here.

``python tests/g4f/run_all_pythons.py``, from anywhere. A Python is here where it is on the PATH or was installed by
pyenv. Ends with 1 where a run fails or none was possible.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("3.11", "3.12", "3.13")
PACKAGES = (f"{ROOT}[g4f]", "pytest", "pytest-timeout", "hypothesis")
TESTS = ("-m", "pytest", "tests/g4f", "--confcutdir=tests", "-p", "no:cacheprovider")


def python(version: str) -> str | None:
    """The interpreter of that version, if there is one that starts."""
    by_pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for found in [shutil.which(f"python{version}"), *map(str, by_pyenv)]:
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
    return None


def run(interpreter: str, folder: Path) -> int:
    """The tests' exit code in a new environment of that interpreter."""
    venv = folder / "bin" / "python"
    subprocess.run([interpreter, "-m", "venv", folder], check=True)
    subprocess.run([venv, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES], check=True)
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run([venv, *TESTS], cwd=ROOT, env=own, check=False).returncode


def main() -> int:
    """Run them all, and say how it went."""
    codes = {}
    for version in VERSIONS:
        interpreter = python(version)
        if interpreter is None:
            print(f"g4f on Python {version}: there is none", flush=True)
            continue
        print(f"g4f on Python {version}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            codes[version] = run(interpreter, Path(folder))
    failed = [version for version, code in codes.items() if code]
    print(f"g4f: passed on {', '.join(sorted(codes.keys() - failed)) or 'no Python'}", flush=True)
    return 1 if failed or not codes else 0


if __name__ == "__main__":
    sys.exit(main())
