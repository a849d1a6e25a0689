"""G11: a saved file is whole or not there: what has the name that was asked for is never a part of it."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from replicate_home import Client, ReplicateHomeError
from replicate_home.testing.scripted_server import Cut, Reset, Send, Stall, Step, answer

from .cases import TOKEN, UNHURRIED, counted
from .hosted_server import HostedServer

pytestmark = [pytest.mark.reliability, pytest.mark.long, UNHURRIED]
CONTENT = bytes(range(256)) * 512
BEFORE = b"what was there before"
HEADS = [
    answer(200, CONTENT, content_type="image/png").removesuffix(CONTENT),
    answer(200, CONTENT, {"ETag": '"v1"'}, content_type="image/png").removesuffix(CONTENT),  # the rest is asked for
    answer(200, headers={"Transfer-Encoding": "chunked"}, content_type="image/png", framed=False)
    + b"%x\r\n" % len(CONTENT),
]
CUTS = [len(CONTENT) * part // 64 for part in range(64)]
SAVES = """
import sys
from replicate_home import Client
Client("t", base_url=sys.argv[1]).run("owner/model", {}).file.save(sys.argv[2])
"""
FILLS = """
import resource, signal, sys
from pathlib import Path
from replicate_home import Client
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = Client("t", base_url=sys.argv[1]).run("owner/model", {}).file
for limit in map(int, sys.argv[3:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        print("saved", file.save(sys.argv[2]))
    except OSError as error:
        print(error.errno, len(list(Path(sys.argv[2]).parent.iterdir())))
"""


@contextmanager
def serving(*steps: Step) -> Iterator[HostedServer]:
    """Predictions with a file for their output, and what is sent when the file is asked for."""
    with HostedServer() as server:
        shown = {"id": "job0", "status": "succeeded", "output": f"{server.url}/v1/file.png"}
        done = [Send(answer(201, json.dumps(shown).encode()))]
        server.instead = lambda received: steps if received.target.endswith("/file.png") else done
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file that is there already, alone in its folder."""
    path = tmp_path / "saved" / "out.png"
    path.parent.mkdir()
    path.write_bytes(BEFORE)
    return path


def save(server: HostedServer, target: Path) -> None:
    """Run the model and save its file."""
    with Client(TOKEN, base_url=server.url) as client:
        client.run("owner/model", {}).file.save(target)


def beside(target: Path) -> list[bytes]:
    """The contents of all files in its folder."""
    return sorted(path.read_bytes() for path in target.parent.iterdir())


@pytest.mark.parametrize("how", [Cut(), Reset()], ids=["fin", "rst"])
def test_a_download_that_never_comes_whole_leaves_what_was_there(target, how):
    for head, count in counted(itertools.product(HEADS, CUTS), at_least=192):
        with serving(Send(head + CONTENT[:count]), how) as server, pytest.raises(ReplicateHomeError):
            save(server, target)
        assert beside(target) == [BEFORE]


def test_a_disk_that_is_full_leaves_what_was_there(target):
    with serving(Send(answer(200, CONTENT, content_type="image/png"))) as server:
        limits = list(counted(CUTS, at_least=64))
        command = [sys.executable, "-c", FILLS, server.url, target, *map(str, limits)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert done.stdout.splitlines() == ["27 1"] * len(limits)  # EFBIG, and one file in the folder
    assert beside(target) == [BEFORE]


def test_a_process_that_is_killed_leaves_what_was_there(target):
    for count in counted((1024, 65536, len(CONTENT) - 1), at_least=3):
        with serving(Send(HEADS[0] + CONTENT[:count]), Stall()) as server:
            process = subprocess.Popen([sys.executable, "-c", SAVES, server.url, target], stdin=subprocess.DEVNULL)
            while len(beside(target)) == 1 and process.poll() is None:
                time.sleep(0.01)
            process.kill()
            assert process.wait() == -9
        assert target.read_bytes() == BEFORE
        (part,) = [path for path in target.parent.iterdir() if path != target]
        assert part.name.endswith(".part")
        part.unlink()


def test_a_file_that_comes_whole_takes_the_place_of_what_was_there(target):
    with serving(Send(answer(200, CONTENT, content_type="image/png"))) as server:
        save(server, target)
    assert beside(target) == [CONTENT]
