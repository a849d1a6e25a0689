"""Has the official clients do everything they can against ``replicate-home serve``, each in an environment of its own.

Then code for the Python client is run with ours: the same calls, whose records are compared, and its README.

``python tests/official/run_official_clients.py``, from anywhere. A client that cannot be installed here is skipped with
a line that says so; ends with 1 where one fails.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "emulator"))

from operations import TABLE  # noqa: E402

PYTHON_1, PYTHON_2, JAVASCRIPT = "replicate 1.0.7", "replicate 2.0.0b4", "replicate 1.4.0 for JavaScript"
MOVING = "moving from replicate 1.0.7"
PYTHONS = {
    PYTHON_1: (["replicate==1.0.7"], ["python_1.py"]),
    PYTHON_2: (["replicate==2.0.0b4", "standardwebhooks"], ["python_2.py"]),
    MOVING: (
        [f"{ROOT}[async,cli]", "replicate==1.0.7", "django", "fastapi", "flask", "Pillow"],
        ["same_records.py", "readme_blocks.py"],
    ),
}
NPM_PACKAGE = "replicate@1.4.0"
# The operations that a client does not have; all others must be asked for while it is judged.
_LATE = {"files.download", "models.examples.list", "models.readme.get", "models.update", "search"}
LACKS = {
    PYTHON_1: _LATE,
    PYTHON_2: set(),
    MOVING: _LATE,
    JAVASCRIPT: {*_LATE, "models.delete", "models.versions.delete"},
}
OWN = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def main() -> int:
    """Run them all, and say how it went."""
    outcomes: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        server = environment(Path(folder) / "server", f"{ROOT}[cli]")
        if server is None:
            print("official clients: skipped, for the server cannot be installed", flush=True)
            return 1
        for name, (packages, scripts) in PYTHONS.items():
            python = environment(Path(folder) / name.replace(" ", "-"), *packages)
            commands = [[python, HERE / script] for script in scripts if python]
            outcomes[name] = judge(name, commands, server.parent / "replicate-home", Path(folder))
        commands = javascript(Path(folder) / "javascript")
        outcomes[JAVASCRIPT] = judge(JAVASCRIPT, commands, server.parent / "replicate-home", Path(folder))
    print("official clients: " + ", ".join(f"{name} {outcome}" for name, outcome in outcomes.items()), flush=True)
    return 1 if "failed" in outcomes.values() else 0


def environment(folder: Path, *packages: str) -> Path | None:
    """The interpreter of a new environment with these packages, None where they cannot be installed."""
    python = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
    return python if subprocess.run(install, env=OWN, check=False).returncode == 0 else None


def javascript(folder: Path) -> list[list[str | Path]]:
    """The command that runs the script with Node.js, if that and the client are to be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return []
    folder.mkdir()
    install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, NPM_PACKAGE]
    if subprocess.run(install, check=False).returncode != 0:
        return []
    shutil.copy(HERE / "javascript.cjs", folder)
    return [[node, folder / "javascript.cjs"]]


def judge(name: str, commands: list[list[str | Path]], serve: Path, folder: Path) -> str:
    """``passed``, ``failed``, or ``skipped`` where there is no command."""
    if not commands:
        print(f"{name}: skipped, for it cannot be installed here", flush=True)
        return "skipped"
    print(name, flush=True)
    with served(serve, folder) as url:
        failed = any(
            subprocess.run([*command, url], cwd=HERE, env={**OWN, "NO_PROXY": "*"}, timeout=120, check=False).returncode
            for command in commands
        )
    log = (folder / "log").read_text()
    if failed:
        print(log[-2000:], flush=True)
    elif missing := TABLE.keys() - LACKS[name] - asked(log):
        print(f"  not asked for: {', '.join(sorted(missing))}", flush=True)
    else:
        print(f"  {len(TABLE) - len(LACKS[name])} of the {len(TABLE)} operations: all that it has", flush=True)
        return "passed"
    return "failed"


def asked(log: str) -> set[str]:
    """The operations in the server's log that were done."""
    lines = re.findall(r"^([A-Z]+) /v1(/\S+) 20\d$", log, re.MULTILINE)
    patterns = {name: operation.path.replace("*", "[^/]+") for name, operation in TABLE.items()}
    return {
        name
        for method, path in lines
        for name, pattern in patterns.items()
        if method == TABLE[name].method and re.fullmatch(pattern, path)
    }


@contextmanager
def served(serve: Path, folder: Path) -> Iterator[str]:
    """The address of a new server with the models of ``served_models``."""
    command = [serve, "serve", "--port", "0", "--token", "r8_official", "--import", "served_models"]
    env = {**OWN, "PYTHONPATH": str(HERE)}
    with (
        open(folder / "log", "w") as log,
        subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
