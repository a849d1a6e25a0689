"""Where nest_asyncio has been applied, as g4f does, nothing is left open. It changes asyncio in its whole process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import asyncio, gc, os
import nest_asyncio2
from replicate_home import ReplicateHome
from tests.provider.test_provider import GEMMA, HI, KEY, paused
from tests.reliability.hosted_server import HostedServer

def open_sockets():
    found = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    return sum("socket:" in path or "eventpoll" in path for path in found)

def left_early(server, loop):
    waiting = server.next(paused())
    answering = ReplicateHome.create_async_generator(GEMMA, HI, api_key=KEY)
    assert loop.run_until_complete(anext(answering)) == "Hello"
    loop.run_until_complete(answering.aclose())
    return waiting.canceled

async def main(server):
    loop = asyncio.get_running_loop()
    nest_asyncio2.apply(loop)
    assert left_early(server, loop) == 1
    before = open_sockets()
    assert [left_early(server, loop) for _ in range(5)] == [1] * 5
    for _ in range(100):  # the server's threads take a moment
        gc.collect()
        if open_sockets() <= before:
            break
        await asyncio.sleep(0.02)
    print(open_sockets() - before)

with HostedServer() as server:
    ReplicateHome.base_url = ReplicateHome.api_base_url = server.url
    asyncio.run(main(server))
"""


def test_a_provider_that_is_left_early_leaves_no_connection_open():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        capture_output=True, text=True, timeout=50, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (done.stderr, done.returncode) == ("", 0)
    assert int(done.stdout) <= 0
