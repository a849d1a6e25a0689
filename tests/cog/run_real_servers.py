"""Has both clients tried against real Cog servers, which are installed from PyPI, each into an environment of its own.

``python tests/cog/run_real_servers.py``, from anywhere, with Cog 0.23; ``--old`` adds 0.16 and 0.9. The interpreter
that runs it needs the test extra. A Cog that cannot be installed here is skipped with a line that says so; ends with 1
where a test fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGES = {
    "0.23": ("cog==0.23.1", "pillow", "numpy", "attrs"),
    "0.16": ("cog==0.16.12", "setuptools<81"),
    "0.9": ("cog==0.9.26", "setuptools<81"),
}


def main() -> int:
    """Install, try, and say how it went."""
    versions = list(PACKAGES) if "--old" in sys.argv[1:] else ["0.23"]
    with tempfile.TemporaryDirectory() as folder:
        pythons = {version: python_with(version, Path(folder) / version) for version in versions}
        for version in (version for version, python in pythons.items() if python is None):
            print(f"Cog {version}: skipped, for it cannot be installed here", flush=True)
        if pythons["0.23"] is None:
            return 0
        there = {version: python for version, python in pythons.items() if python}
        names = {f"COG_PYTHON_{version.replace('.', '_')}": str(python) for version, python in there.items()}
        wanted = "" if there.keys() == PACKAGES.keys() else "not old_cog"
        command = [sys.executable, "-m", "pytest", "tests/cog/real_servers.py", "-m", wanted]
        status = subprocess.run(command, cwd=ROOT, env={**os.environ, **names}, check=False).returncode
        status = subprocess.run([pythons["0.23"], HERE / "local_predictors.py"], check=False).returncode or status
    print(f"Cog {', '.join(versions)}: {'failed' if status else 'passed'}", flush=True)
    return 1 if status else 0


def python_with(version: str, folder: Path) -> Path | None:
    """The interpreter of a new environment with that Cog, or one that the environment names; None without either."""
    given = os.environ.get(f"COG_PYTHON_{version.replace('.', '_')}")
    if given:
        return Path(given)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES[version]]
    return python if subprocess.run(install, check=False).returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())
