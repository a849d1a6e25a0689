"""Batches in processes that can be killed: each is forked from one that has everything imported, and really dies.

Run as a script it reads one :class:`Run` a line as JSON, answers with the id of the process that runs it, and with its
exit status when it has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs

from replicate_home import ConnectFailed

ROOT = Path(__file__).parents[2]
MODEL = "owner/upper"


@attrs.frozen
class Run:
    """A batch in a process. What it hands out is appended to ``said``.

    It dies before its ``number``-th write of the kind ``dies_at`` is committed, or right ``after`` that. After
    ``leaves_after`` items it is closed.
    """

    url: str
    journal: str
    said: str
    prompts: list[str]
    concurrency: int = 6
    dies_at: str = ""
    number: int = 1
    after: bool = False
    leaves_after: int = 0


class Zygote:
    """The process that the others are forked from."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.batch_process"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def start(self, run: Run) -> int:
        """The id of the process that runs it."""
        self._say(json.dumps(attrs.asdict(run)))
        return int(self._line())

    def wait(self) -> int:
        """How it ended: 0, what it died of as a negative number, or 9 where it stopped itself."""
        self._say("wait")
        return int(self._line())

    def kill(self, process: int) -> int:
        """Kill it, unless it has ended; how it ended."""
        os.kill(process, signal.SIGKILL)
        return self.wait()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def _main() -> None:
    import replicate_home.client.batch.batch  # noqa: F401 - so that a fork has it
    from replicate_home import Client

    with contextlib.suppress(ConnectFailed):  # for what is imported on the way
        Client(base_url="http://127.0.0.1:9", max_retries=0).run(MODEL, {})
    while line := sys.stdin.readline():
        process = os.fork()
        if process == 0:
            _run(Run(**json.loads(line)))
        print(process, flush=True)
        sys.stdin.readline()  # until somebody waits for it the id stays its own, and a kill hits nobody else
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(run: Run) -> None:
    status = 1
    try:
        _batch(run)
        status = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def _batch(run: Run) -> None:
    from replicate_home import Client
    from replicate_home.client.batch import common, look_up
    from replicate_home.lifecycle.policy import Pace

    # The server's list is never late here, and its runs are short.
    look_up.PATIENCE, look_up.PAUSE, common.PACE = 0.4, 0.1, Pace(0.2, 0.05, 1.0)
    if run.dies_at:
        _die_at(run.dies_at, run.number, after=run.after)
    said = os.open(run.said, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    batch = Client(base_url=run.url).map(
        MODEL, run.prompts, journal=run.journal, concurrency=run.concurrency, on_error="collect"
    )
    for taken, item in enumerate(batch, 1):
        told = {"index": item.index, "result": item.result, "id": item.prediction_id, "reused": item.reused}
        os.write(said, (json.dumps({**told, "error": type(item.error).__name__}) + "\n").encode())
        if taken == run.leaves_after:
            break
    batch.close()


def _die_at(name: str, number: int, *, after: bool) -> None:
    """Have the process end at one operation of its journal, without a word, as if its power failed."""
    from replicate_home.client.batch.journal import Journal

    write, commit, count = getattr(Journal, name), Journal.commit, iter(range(1, 10**6))
    is_done: list[bool] = []

    def dying(self: Journal, *args: Any) -> Any:
        if next(count) == number:
            if not after:
                os._exit(9)
            is_done.append(True)
        return write(self, *args)

    def committing(self: Journal, operations: list[Any]) -> None:
        commit(self, operations)
        if is_done:
            os._exit(9)

    setattr(Journal, name, dying)
    Journal.commit = committing  # type: ignore[method-assign]


if __name__ == "__main__":
    _main()
