"""A virtual environment for each peer, made once and kept in the user's cache folder.

What is installed is named here and nowhere else. This project is installed as its users install it: built from a
copy of the working tree, so that nothing is written beside the sources, and built anew when a source has changed.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"


class Peer(NamedTuple):
    """One column: its title, what pip installs for it, its adapter in ``peers/``, and what its users import."""

    title: str
    packages: tuple[str, ...]
    adapter: str
    imports: str

    @property
    def is_ours(self) -> bool:
        """Whether it is this project."""
        return self.imports == "replicate_home"


OFFICIAL = "replicate==1.0.7"
OURS = "replicate_home[async]"

COLUMNS = {
    "bare": Peer("bare socket", (), "bare", "socket"),
    "urllib3": Peer("urllib3", ("urllib3",), "over_urllib3", "urllib3"),
    "requests": Peer("requests", ("requests",), "over_requests", "requests"),
    "aiohttp": Peer("aiohttp", ("aiohttp",), "over_aiohttp", "aiohttp"),
    "official": Peer("official 1.0.7", (OFFICIAL,), "official", "replicate"),
    "official_async": Peer("official, async", (OFFICIAL,), "official_async", "replicate"),
    "ours": Peer("replicate_home", (OURS,), "ours", "replicate_home"),
    "ours_async": Peer("replicate_home, async", (OURS,), "ours_async", "replicate_home"),
}


def kept() -> pathlib.Path:
    """Where environments are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "replicate-home-benchmarks"


def clean_environ() -> dict[str, str]:
    """The environment for peers and for pip, without what would change a peer's behaviour."""
    changes = ("PYTHON", "REPLICATE_", "VIRTUAL_ENV")
    proxies = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(changes) and name.lower() not in proxies
    }


def sources() -> list[pathlib.Path]:
    """The files this project is built from."""
    top = [ROOT / name for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")]
    return [path for path in [*top, *sorted((ROOT / "replicate_home").rglob("*"))] if is_source(path)]


def is_source(path: pathlib.Path) -> bool:
    """Whether a file belongs into the build."""
    return path.is_file() and "__pycache__" not in path.parts


def fingerprint(packages: Iterable[str]) -> str:
    """Changes when what would be installed does."""
    digest = hashlib.sha256(f"{sys.version}{list(packages)}".encode())
    if OURS in packages:
        for path in sources():
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def python_of(packages: tuple[str, ...]) -> pathlib.Path:
    """The interpreter of an environment with ``packages``, made where there is none yet; the same one all run long."""
    name = packages[0].partition("[")[0].replace("==", "-") if packages else "nothing"
    folder = kept() / f"{name}-{fingerprint(packages)}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    forget_older(name)
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, env=clean_environ())
        install(python, packages)
    (folder / "complete").touch()
    return python


def forget_older(name: str) -> None:
    """Remove the environments of earlier versions of these packages that no run has used for an hour."""
    for complete in kept().glob(f"{name}-{'[0-9a-f]' * 16}/complete"):
        if time.time() - complete.stat().st_mtime > 3600:
            shutil.rmtree(complete.parent)


def install(python: pathlib.Path, packages: Sequence[str]) -> None:
    """Install ``packages`` by name, this project from a copy of its sources."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder, "source")
        wanted = [one.replace("replicate_home", str(copy)) if one == OURS else one for one in packages]
        if OURS in packages:
            for path in sources():
                target = copy / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
        if wanted:
            # pip's own settings, its proxy among them, hold here
            command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"pip could not install {', '.join(packages)}:\n{done.stderr[-2000:]}")
