"""Builds the source distribution and the wheel, and has a stranger use each under every Python from 3.11 to 3.13 here.

``python tests/release/run_release.py``, from anywhere. From the unpacked source distribution, in a fresh virtual
environment, both commands of the README pass as they stand there; from the wheel alone the first does, and the marker
for type checkers is there. Ends with 1 where one fails.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "g4f"))

from run_all_pythons import VERSIONS, python  # noqa: E402

UNWANTED = ("PYTHONPATH", "VIRTUAL_ENV", "REPLICATE_API_TOKEN", "REPLICATE_BASE_URL", "REPLICATE_HOME_BACKEND")
OWN = {name: value for name, value in os.environ.items() if name not in UNWANTED}
OWN["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
TYPED = """python -c "import pathlib as p, replicate_home as r; p.Path(r.__file__).with_name('py.typed').stat()" """


def commands() -> list[str]:
    """The README's two: the one that runs a model, and the one that passes the tests."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r'^python -m pip install "\.\[.*\]" && .*$', readme, re.MULTILINE)


def build(folder: Path) -> tuple[Path, Path]:
    """The unpacked source distribution, and the wheel that is built from it."""
    shell(f"{sys.executable} -m venv {folder}/builder && {folder}/builder/bin/pip install -q build", folder)
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", "build", "dist", "*.egg-info", "__pycache__"))
    shell(f"{folder}/builder/bin/python -m build --outdir {folder}/dist {source}", folder)
    (archive,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    with tarfile.open(archive) as opened:
        opened.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return unpacked, wheel


def shell(command: str, folder: Path, venv: Path | None = None) -> str:
    """What it prints, run in ``folder`` with the programs of ``venv`` first; SystemExit if it fails."""
    own = OWN if venv is None else OWN | {"PATH": f"{venv / 'bin'}{os.pathsep}{OWN['PATH']}"}
    done = subprocess.run(command, shell=True, cwd=folder, env=own, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"failed with {done.returncode}: {command}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def fresh(interpreter: str, folder: Path) -> Path:
    """A new virtual environment."""
    subprocess.run([interpreter, "-m", "venv", "--clear", folder], check=True)
    return folder


def judge(interpreter: str, unpacked: Path, wheel: Path, folder: Path) -> None:
    """One Python."""
    runs, tests = commands()
    venv, empty = fresh(interpreter, folder / "venv"), folder / "empty"
    empty.mkdir(exist_ok=True)
    says(shell(runs.replace(".[", f"{wheel}["), empty, venv))
    shell(TYPED, empty, venv)
    venv = fresh(interpreter, folder / "venv")
    says(shell(runs, unpacked, venv))
    print(shell(tests, unpacked, venv).strip().splitlines()[-1], flush=True)


def says(streamed: str) -> None:
    """A model's answer is the end of what was printed."""
    assert len(streamed.strip().splitlines()[-1].split()) > 5, streamed


def main(versions: Sequence[str]) -> int:
    """Judge under each Python that is here."""
    judged = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpacked, wheel = build(folder)
        for version in versions:
            if (interpreter := python(version)) is None:
                print(f"release on Python {version}: there is none", flush=True)
                continue
            print(f"release on Python {version}", flush=True)
            judge(interpreter, unpacked, wheel, folder)
            judged.append(version)
    print(f"release: passed on {', '.join(judged) or 'no Python'}", flush=True)
    return 0 if judged else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or VERSIONS))
