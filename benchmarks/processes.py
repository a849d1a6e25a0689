"""The processes of one benchmark run: the server, and one worker for each peer; all of them end with the run.

Each talks over its standard input and output, ends when its input does, and is killed by its own id when it is late.
"""

from __future__ import annotations

import json
import pathlib
import select
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import Any, Self

from .environments import PEERS, clean_environ


class Process:
    """A child that is spoken to a line at a time."""

    def __init__(self, *command: str | pathlib.Path) -> None:
        pipe = subprocess.PIPE
        # a file never fills up and stops its writer, as a pipe would; it is closed with the child
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.child = subprocess.Popen(
            [str(word) for word in command], stdin=pipe, stdout=pipe, stderr=self.errors, env=clean_environ(), bufsize=0
        )
        self.unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child: gently by the end of its input, else by force."""
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe:
                pipe.close()
        try:
            self.child.wait(3)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.errors.close()

    def line(self, timeout: float) -> bytes:
        """The next line the child writes; ``TimeoutError`` where it takes too long, ``EOFError`` where it died."""
        assert self.child.stdout
        until = time.monotonic() + timeout
        while b"\n" not in self.unread:
            if not select.select([self.child.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError(f"nothing within {timeout:g} s")
            data = self.child.stdout.read(65536)
            if not data:
                raise EOFError(self.last_words())
            self.unread += data
        line, _, self.unread = self.unread.partition(b"\n")
        return line

    def greeting(self, timeout: float) -> bytes:
        """The first line; a child that does not give one is ended."""
        try:
            return self.line(timeout)
        except BaseException:
            self.close()
            raise

    def last_words(self) -> str:
        """The last line of the child's errors, once it has died."""
        self.errors.seek(0)
        return (self.errors.read().decode(errors="replace").strip().splitlines() or ["ended without a word"])[-1]

    def tell(self, document: Any) -> None:
        """Write one JSON line to the child."""
        assert self.child.stdin
        self.child.stdin.write(json.dumps(document).encode() + b"\n")


class Server(Process):
    """The benchmark server in a process of its own."""

    def __init__(self) -> None:
        super().__init__(sys.executable, pathlib.Path(__file__).with_name("server.py"))
        self.origin = self.greeting(10).decode()

    def requests(self) -> int:
        """How many requests it has had."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"{self.origin}/bench/requests") as reply:
            return int(json.load(reply)["requests"])


class Worker(Process):
    """One peer in its own environment."""

    def __init__(self, python: pathlib.Path, adapter: str, origin: str) -> None:
        super().__init__(python, PEERS / "worker.py", adapter, origin)
        self.greeting(30)

    def do(self, command: str, timeout: float = 300.0, **arguments: Any) -> dict[str, Any]:
        """Have one measurement made and return its figures."""
        self.tell({"do": command, **arguments})
        reply: dict[str, Any] = json.loads(self.line(timeout))
        return reply


def allow_many_sockets() -> None:
    """Let this process and its children open as many files as they are allowed to ask for."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 8192) if hard != resource.RLIM_INFINITY else 8192
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
