"""``python -m benchmarks.batches [memory | speed]``: what ``client.map`` takes, and how fast it is beside threads.

Memory is the most that a process had resident, beyond what it had after its first hundred items. Speed is counted over
loopback, of predictions that take 200 ms, beside a ThreadPoolExecutor over the official client.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys

from .environments import OFFICIAL, OURS, clean_environ, python_of

SIZES = (1_000, 10_000, 100_000)
ITEMS = {1: 25, 16: 400, 256: 2_560}
"""How many items are run at each concurrency."""
SERVER = pathlib.Path(__file__).with_name("server.py")

MEMORY = """
import itertools, json, os, resource, sys, tempfile, time
from replicate_home import Client, Response, SystemClock

class Finished:
    clock = SystemClock()

    def send(self, request, deadline):
        known = {"id": os.urandom(8).hex(), "status": "succeeded", "output": "x", "logs": "", "urls": {}}
        return Response(201, {}, json.dumps(known).encode()), None

    def close(self):
        pass

size, journal = int(sys.argv[1]), sys.argv[2] == "journal"
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "run.sqlite") if journal else None
    client = Client("t", transport=Finished(), base_url="https://unlimited.example")
    batch = client.map("owner/model:v1", map(str, range(size)), concurrency=16, journal=path)
    for item in itertools.islice(batch, 100):
        pass
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    for item in batch:
        pass
    seconds = time.perf_counter() - began
    assert batch.summary.done == size
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, (size - 100) / seconds)
"""
MAP = """
import sys, time
from replicate_home import Client

url, concurrency, items = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with Client("t", base_url=url) as client:
    client.run("bench/finished", {})
    began = time.perf_counter()
    batch = client.map("bench/lasts-200", map(str, range(items)), concurrency=concurrency)
    assert sum(item.ok for item in batch) == items
    print(items / (time.perf_counter() - began))
"""
ASYNC_MAP = """
import asyncio, sys, time
from replicate_home import AsyncClient

async def main(url, concurrency, items):
    async with AsyncClient("t", base_url=url) as client:
        await client.run("bench/finished", {})
        began = time.perf_counter()
        batch = client.map("bench/lasts-200", map(str, range(items)), concurrency=concurrency)
        assert sum([item.ok async for item in batch]) == items
        return items / (time.perf_counter() - began)

print(asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
"""
POOL = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from replicate.client import Client

url, concurrency, items = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
client = Client("t", base_url=url)
client.run("bench/finished", {})
began = time.perf_counter()
with ThreadPoolExecutor(concurrency) as pool:
    done = list(pool.map(lambda number: client.run("bench/lasts-200", {"prompt": str(number)}), range(items)))
assert len(done) == items
print(items / (time.perf_counter() - began))
"""


def measured(packages: tuple[str, ...], script: str, *arguments: object) -> list[float]:
    """The numbers that a script prints, in a process of its own; NaN where it fails."""
    command = [str(python_of(packages)), "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=clean_environ(), capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"failed: {done.stderr.strip().splitlines()[-1][:200]}", file=sys.stderr)
        return [float("nan")] * 2
    return [float(number) for number in done.stdout.split()]


def memory() -> None:
    """Print how much more memory more items take."""
    print("| items | more memory | with a journal | items a second | with a journal |\n|---:|---:|---:|---:|---:|")
    for size in SIZES:
        plain, written = (measured((OURS,), MEMORY, size, journal) for journal in ("none", "journal"))
        more = f"{plain[0] / 1024:.1f} MiB | {written[0] / 1024:.1f} MiB"
        print(f"| {size:,} | {more} | {plain[1]:,.0f} | {written[1]:,.0f} |", flush=True)


def speed() -> None:
    """Print how many items a second are run."""
    columns = {
        "Client.map": ((OURS,), MAP),
        "AsyncClient.map, aiohttp": ((OURS, "aiohttp"), ASYNC_MAP),
        "official client in threads": ((OFFICIAL,), POOL),
    }
    print(f"\nItems a second:\n\n| concurrency | at most | {' | '.join(columns)} |")
    print(f"|---:|---:|{'---:|' * len(columns)}")
    with subprocess.Popen([sys.executable, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        for concurrency, items in ITEMS.items():
            found = [measured(*column, url, concurrency, items)[0] for column in columns.values()]
            shown = " | ".join(f"{one:.1f}" for one in found)
            print(f"| {concurrency} | {concurrency / 0.2:.0f} | {shown} |", flush=True)
        assert server.stdin is not None
        server.stdin.close()


if __name__ == "__main__":
    for measure in (memory, speed):
        if measure.__name__ in (sys.argv[1:] or ("memory", "speed")):
            measure()
