"""A batch on a real Dask cluster of this machine, a worker of which is killed: nothing is lost, nothing doubled.

Needs the ``tools`` extra. Prints what it saw; exits with 1 where a promise is broken.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import dask
import distributed

from replicate_home import Client
from replicate_home.testing import FakeReplicate

ITEMS = 200
KILLED_AFTER = 50
WORDS = [f"word {number}" for number in range(ITEMS)]


def seen_by(result: Any) -> tuple[int, str]:
    """In which process a result was seen, a moment later."""
    time.sleep(0.01)
    return os.getpid(), result.text


def where(number: int) -> str:
    """A model that says in which process it runs."""
    time.sleep(0.01)
    return f"{number} in {os.getpid()}"


def hosted(fake: FakeReplicate, cluster: distributed.Client, journal: Path) -> None:
    """Workers follow what this process creates, until one of them is killed."""
    executor = cluster.get_executor(pure=False)
    pids = set(cluster.run(os.getpid).values())
    with Client().map("owner/llm", WORDS, executor=executor, then=seen_by, journal=journal, concurrency=16) as batch:
        items = [next(batch) for _ in range(KILLED_AFTER)]
        os.kill(min(pids), signal.SIGKILL)
        items += list(batch)
    items.sort(key=lambda item: item.index)
    assert [item.result.text for item in items] == [word.upper() for word in WORDS], "a result was lost"
    assert [item.value[1] for item in items] == [word.upper() for word in WORDS]
    assert len(fake.calls) == ITEMS, f"{len(fake.calls)} predictions for {ITEMS} inputs"
    assert len({item.prediction_id for item in items}) == ITEMS
    by_worker = [item.value[0] for item in items if item.value[0] != os.getpid()]
    assert len(by_worker) >= KILLED_AFTER, f"only {len(by_worker)} were followed by workers"
    print(f"hosted: {ITEMS} items, {len(by_worker)} by workers, one of them killed, {len(fake.calls)} predictions")
    again = list(Client().map("owner/llm", WORDS, journal=journal))
    assert all(item.reused for item in again)
    assert len(fake.calls) == ITEMS


def local(cluster: distributed.Client) -> None:
    """Models in this process run in the workers, as a whole."""
    client = Client.local({"local/where": where})
    inputs = [{"number": number} for number in range(40)]
    items = list(client.map("local/where", inputs, executor=cluster.get_executor(pure=False), ordered=True))
    pids = {item.result.text.partition(" in ")[2] for item in items}
    assert [item.result.text.partition(" in ")[0] for item in items] == [str(number) for number in range(40)]
    assert str(os.getpid()) not in pids, "it ran here"
    assert len(pids) == 2
    print(f"local: {len(items)} items, in {len(pids)} workers")


def main() -> None:
    """Run both."""
    dask.config.set({"distributed.scheduler.allowed-failures": 1, "distributed.worker.daemon": False})
    with FakeReplicate() as fake, tempfile.TemporaryDirectory() as folder, fake.serve():
        fake.on("owner/llm").calls(lambda prompt: prompt.upper())
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, local_directory=folder
            ) as processes,
            distributed.Client(processes) as cluster,
        ):
            hosted(fake, cluster, Path(folder, "run.sqlite"))
            local(cluster)


if __name__ == "__main__":
    sys.exit(main())
