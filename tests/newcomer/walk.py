"""Walks through README.md as a newcomer would: in a new environment, on a terminal, typing what the page says.

``python tests/newcomer/walk.py``, from anywhere. It ends with a streamed answer, a saved picture, a passing test, a
batch and a served model; with 1 where a command fails, or its screen has a traceback, a warning or a line of a kind
that the page does not show.
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LONGEST = 600.0  # seconds; installing from a slow mirror takes long
_BAD = re.compile(r"Traceback|[Ww]arning|WARNING|deprecat|Error\b")
_MOVES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Strange(Exception):
    """The page and what happened differ."""


def blocks(language: str) -> list[str]:
    """The page's blocks of one kind."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, list[str]]]:
    """The commands of the console block, each with the lines that the page shows for it."""
    (block,) = blocks("console")
    parts = ("\n" + block).split("\n$ ")[1:]
    return [(command, shown.splitlines()) for command, _, shown in (part.partition("\n") for part in parts)]


class Terminal:
    """A shell command on a terminal of its own; what it writes is kept."""

    def __init__(self, command: str, folder: Path, environment: dict[str, str]) -> None:
        print(f"$ {command}", flush=True)
        ours, theirs = pty.openpty()
        self._ours, self._written = ours, b""
        self.process = subprocess.Popen(
            ["bash", "-c", command], cwd=folder, env=environment,
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def read(self) -> bool:
        """Wait for more; False at the end."""
        try:
            piece = os.read(self._ours, 65_536)
        except OSError:  # how the end of a terminal is told on Linux
            piece = b""
        self._written += piece
        return bool(piece)

    def ended(self) -> list[str]:
        """The lines that stay on the screen once the command has ended well."""
        while self.read():
            pass
        os.close(self._ours)
        code = self.process.wait(LONGEST)
        print(*self.lines, sep="\n", flush=True)
        if code:
            raise Strange(f"it ended with {code}")
        return self.lines

    @property
    def lines(self) -> list[str]:
        """What stands on the screen, after carriage returns and erased lines."""
        text = self._written.decode("utf-8", "replace").replace("\r\n", "\n")
        return [_MOVES.sub("", line.rpartition("\r")[2]).rstrip() for line in text.split("\n") if line.strip()]


def check(lines: list[str], shown: list[str]) -> None:
    """What is on the screen is what the page shows, line by line; ``...`` stands for anything.

    The summary of a batch is shown beside its block, for it goes to stderr.
    """
    lines = [line for line in lines if not re.fullmatch(r"replicate-home: 2 done; \S+ s of prediction in \S+ s", line)]
    patterns = [".*".join(map(re.escape, line.split("..."))) for line in shown]
    if len(lines) != len(patterns) or not all(map(re.fullmatch, patterns, lines)):
        raise Strange(f"the page shows {shown}")


def without_pip(lines: list[str]) -> list[str]:
    """What comes after the report of an installation."""
    done = [place for place, line in enumerate(lines) if line.startswith(("Successfully installed", "[notice]"))]
    return lines[done[-1] + 1 :]


def walk(folder: Path) -> None:
    """From the first command of the page to the last."""
    home = folder / "copy"
    ignored = shutil.ignore_patterns(".git", "build", "*.egg-info", "__pycache__", ".*_cache", "dist")
    shutil.copytree(ROOT, home, ignore=ignored)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    left_out = ("PYTHONPATH", "VIRTUAL_ENV", "NO_COLOR")
    kept = {name: value for name, value in os.environ.items() if name not in left_out and "REPLICATE" not in name}
    environment = kept | {"PATH": f"{folder / 'venv' / 'bin'}:{os.environ['PATH']}", "TERM": "xterm", "COLUMNS": "200"}

    first, test, serve = (block.strip() for block in blocks("sh"))
    (answer,) = without_pip(Terminal(first, home, environment).ended())
    if not re.fullmatch(r"The interpreter \S.*[.!?]", answer):
        raise Strange("an answer begins with the prompt, and is whole sentences")

    for command, shown in commands():
        check(Terminal(command, home, environment).ended(), shown)
    if not (home / "sunset.png").read_bytes().startswith(b"\x89PNG"):
        raise Strange("the picture is no PNG")

    (example,) = (block for block in blocks("python") if "def test_" in block)
    (home / "test_answer.py").write_text(example, encoding="utf-8")
    Terminal(test.partition(" && ")[0], home, environment).ended()  # the whole suite is another's to run
    passed = Terminal("python -m pytest test_answer.py", home, environment).ended()
    if _BAD.search("\n".join(passed)) or not any("100%" in line for line in passed):
        raise Strange("the test of the page does not pass")
    ask_server(on_a_free_port(serve), home, environment)


def on_a_free_port(serve: str) -> str:
    """The command as it stands; with another port where something else has that of the page."""
    port = int(serve.rpartition(" ")[2])
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)):
            return serve
    print(f"port {port} is taken here, so that another is typed", flush=True)
    return serve.replace(str(port), "0")


def ask_server(serve: str, home: Path, environment: dict[str, str]) -> None:
    """Serve, have a client in another process run a model there, and stop the server with Ctrl-C."""
    server = Terminal(serve, home, environment)
    try:
        until = time.monotonic() + 30
        while not server.lines and time.monotonic() < until and server.read():
            pass
        (url, *_) = server.lines
        if not re.fullmatch(r"http://127\.0\.0\.1:\d+", url):
            raise Strange("the first line of the server is its address")
        call = f"Client(base_url={url!r}).run('local/eliza', prompt='I am sad')"
        (said,) = Terminal(f'python -c "from replicate_home import Client; print({call})"', home, environment).ended()
        if not said.endswith((".", "?")):
            raise Strange("the served model says nothing")
    finally:
        os.killpg(server.process.pid, signal.SIGINT)
        server.process.wait(30)
    while server.read():
        pass
    print(*server.lines, sep="\n", flush=True)
    if _BAD.search("\n".join(server.lines)):
        raise Strange("the server complains")


def main() -> int:
    """Walk, and say how it went."""
    # A shell lets what it runs in the background ignore Ctrl-C, and so would the server.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        try:
            walk(Path(folder))
        except Strange as error:
            print(f"newcomer: {error}")
            return 1
    print("newcomer: everything works as written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
