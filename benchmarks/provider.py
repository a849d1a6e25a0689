"""``python -m benchmarks.provider``: the provider beside a loop that polls every five seconds, for the same jobs.

The jobs are text of twenty pieces that appear evenly until the job is done, on a homepage on the loopback interface.
The fixed loop is what homepage providers used to do: create, poll at once, sleep five seconds, poll again, thirty
times at most, and yield nothing before the end. The wait after completion counts from the moment at which the job was
done, taken from when it was asked for and how long it runs; that the create takes a few milliseconds is part of it.
Prints a Markdown table; takes about a minute.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from replicate_home import ReplicateHome
from tests.servers.home_server import HomeServer, Job, Step, job

SECONDS = (0.2, 2.0, 12.0)
PIECES = [f"piece{number} " for number in range(20)]
MODEL = ReplicateHome.default_model
MESSAGES = [{"role": "user", "content": "Hi"}]
FIXED_SLEEP = 5.0
FIXED_POLLS = 30


class Seen(NamedTuple):
    """One call from its caller's side, in seconds since it began, and what it cost the server."""

    first: float
    after_completion: float
    requests: int


def appears(seconds: float) -> Job:
    """Text that is complete after ``seconds``."""
    pieces = [PIECES[:count] for count in range(1, len(PIECES) + 1)]
    steps = [Step("processing", text, after=seconds * len(text) / len(PIECES)) for text in pieces]
    return job(*steps, Step("succeeded", PIECES, after=seconds))


def fixed_loop(url: str) -> Iterator[str]:
    """Poll at once, then every five seconds; yield the output when it is whole."""
    body = {"model": MODEL, "version": ReplicateHome.model_versions[MODEL], "input": {"prompt": "Hi"}}
    created = _asked(f"{url}/api/prediction", json.dumps(body).encode())
    for _ in range(FIXED_POLLS):
        prediction = _asked(f"{url}/api/poll?id={created['id']}")
        if prediction["status"] == "succeeded":
            yield from prediction["output"]
            return
        time.sleep(FIXED_SLEEP)
    raise TimeoutError("thirty polls and no result")


def _asked(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def in_a_thread(url: str) -> Iterator[str]:
    """The provider in plain code."""
    yield from ReplicateHome.create_completion(MODEL, MESSAGES, base_url=url)


def in_a_loop(url: str) -> Iterator[str]:
    """The provider in an event loop, one piece at a time."""
    answering = ReplicateHome.create_async_generator(MODEL, MESSAGES, base_url=url)
    with asyncio.Runner() as runner:
        while (piece := runner.run(anext(answering, None))) is not None:
            yield piece


WAYS: dict[str, Callable[[str], Iterator[str]]] = {
    "fixed five-second loop": fixed_loop,
    "`create_completion`": in_a_thread,
    "`create_async_generator`": in_a_loop,
}


def seen(way: Callable[[str], Iterator[str]], seconds: float) -> Seen:
    """One call of a job that takes so long."""
    with HomeServer() as server:
        server.add(MODEL, appears(seconds))
        began = time.monotonic()
        arrived = [(time.monotonic() - began, piece) for piece in way(server.url)]
        assert "".join(piece for _, piece in arrived) == "".join(PIECES)
        total = time.monotonic() - began
        return Seen(arrived[0][0], total - seconds, len(server.requests))


def row(name: str, seconds: float, one: Seen) -> str:
    """A line of the table."""
    return f"| {seconds:g} s | {name} | {one.first:.2f} s | {one.after_completion:.2f} s | {one.requests} |"


def main() -> None:
    """Measure each way for each job, after one call that is not counted: imports are not what is compared."""
    for way in (in_a_thread, in_a_loop):
        seen(way, 0.1)
    print("| job | asked by | first chunk | wait after completion | requests |")
    print("|---|---|---|---|---|")
    for seconds in SECONDS:
        for name, way in WAYS.items():
            print(row(name, seconds, seen(way, seconds)), flush=True)


if __name__ == "__main__":
    main()
