"""G5: a batch with a journal loses nothing that is finished, and creates nothing twice, whenever its process dies.

It is stopped before and after each write to its journal, and killed at random; the server counts what it created.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.http_server import serve
from replicate_home.wire import Request

from .batch_process import MODEL, Run, Zygote
from .cases import NIGHTLY

pytestmark = [pytest.mark.reliability, pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")]
KILLS = 1_000 if NIGHTLY else 300


HELD = threading.Event()
"""While it is set all predictions go on, but for those of the first input."""


class CountingServer(Emulator):
    """Takes its time with creates, before and after they are done, so that a process can die in between."""

    def __init__(self) -> None:
        super().__init__({MODEL: upper})
        self.chance = random.Random(5)

    def handle(self, request: Request, *rest: Any) -> Any:
        """As any emulator, but slowly."""
        creates = request.method == "POST" and request.url.endswith("/predictions")
        if creates:
            time.sleep(self.chance.uniform(0, 0.04))
        answer = super().handle(request, *rest)
        if creates:
            time.sleep(self.chance.uniform(0, 0.04))
        return answer

    def created(self, prompts: list[str]) -> Counter[str]:
        """How many predictions of each prompt were created."""
        return Counter(call.input["prompt"] for call in self.calls if call.input["prompt"] in set(prompts))

    def statuses(self, prompt: str) -> list[str]:
        """How the predictions of a prompt ended."""
        ids = [call.prediction_id for call in self.calls if call.input["prompt"] == prompt]
        return [
            json.loads(self.handle(Request("GET", f"{self.base_url}/predictions/{id}"))[0].body)["status"] for id in ids
        ]


def upper(prompt: str) -> str:
    """What the model says, after a while."""
    time.sleep(0.03)
    while HELD.is_set() and not prompt.endswith("-0"):
        time.sleep(0.01)
    return prompt.upper()


@attrs.define
class World:
    """A server, a process to fork from, and a folder for the journals."""

    server: CountingServer
    url: str
    zygote: Zygote
    folder: Path
    runs: int = 0

    def batch(self, inputs: int, **options: Any) -> Run:
        """A batch of new inputs with a new journal."""
        self.runs += 1
        prompts = [f"{self.runs}-{number}" for number in range(inputs)]
        files = (str(self.folder / f"{self.runs}.{kind}") for kind in ("sqlite", "jsonl"))
        return Run(self.url, *files, prompts, **options)

    def run(self, run: Run) -> int:
        """Run it, to its end or its death; how it ended."""
        self.zygote.start(run)
        return self.zygote.wait()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests: each has batches of its own."""
    zygote = Zygote()
    try:
        with CountingServer() as server, serve(server) as http:
            yield World(server, http.url, zygote, tmp_path_factory.mktemp("batches"))
    finally:
        zygote.close()


@pytest.fixture
def nothing_stays_open() -> None:
    """What the processes leave open is closed when the server is; that is when the module ends."""


def rows(run: Run) -> dict[int, tuple[str, str | None, str | None]]:
    """State, id and outcome of what the journal has, by the index of the input."""
    if not Path(run.journal).exists():
        return {}
    database = sqlite3.connect(run.journal)
    try:
        found = database.execute("SELECT place, state, prediction_id, outcome FROM item").fetchall()
    except sqlite3.OperationalError:  # it died before there was a table
        return {}
    finally:
        database.close()
    return {place: (state, prediction_id, outcome) for place, state, prediction_id, outcome in found}


def said(run: Run) -> list[dict[str, Any]]:
    """All items that its processes have handed out; the last line may have been cut."""
    lines = Path(run.said).read_text().splitlines() if Path(run.said).exists() else []
    return [json.loads(line) for line in lines]


def check(run: Run, before: dict[int, Any], after: dict[int, Any]) -> None:
    """Between two looks at the journal nothing that was known is gone, or has become something else."""
    for index, (state, prediction_id, outcome) in before.items():
        assert index in after
        if prediction_id is not None:
            assert after[index][1] == prediction_id
        if state in ("done", "failed"):
            assert after[index] == (state, prediction_id, outcome)


def check_ended(world: World, run: Run) -> Counter[str]:
    """At its end every input has its result, or is reported; none was created twice, and no item has changed."""
    created = world.server.created(run.prompts)
    assert max(created.values(), default=0) <= 1
    handed_out: dict[int, dict[str, Any]] = {}
    for item in said(run):
        known = handed_out.setdefault(item["index"], item)
        if known["result"] is not None:
            assert (item["result"], item["id"]) == (known["result"], known["id"])
        handed_out[item["index"]] = item
    counts: Counter[str] = Counter()
    for index, prompt in enumerate(run.prompts):
        item = handed_out[index]
        if item["result"] is None:
            assert item["error"] == "CreateOutcomeUnknown"
            counts["reported"] += 1
        else:
            assert item["result"] == prompt.upper()
            assert created[prompt] == 1
            counts["finished"] += 1
    return counts


WRITES = [("state_fact", 1), *((name, number) for number in (1, 2) for name in ("meet", "intend", "created", "finish"))]
"""All that is written for two inputs, one after the other."""
LATE = [("leave", 1), ("leave", 2), ("leave", 3), ("created", 4), ("created", 5)]
"""What is written when a batch of three at a time is left after its first item."""


def points(writes: list[tuple[str, int]], *, quick: tuple[str, ...] = ()) -> list[Any]:
    """Each write with the moments before and after its commit; those that are not ``quick`` take their time."""
    return [
        pytest.param(name, number, after, marks=() if name in quick and number == 1 else pytest.mark.long,
                     id=f"{'after' if after else 'before'} {name} {number}")
        for name, number in writes for after in (False, True)
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "number", "after"), points(WRITES, quick=("intend", "created", "finish")))
def test_it_may_die_at_any_write(world, name, number, after):
    run = world.batch(2, concurrency=1, dies_at=name, number=number, after=after)
    assert world.run(run) == 9
    before = rows(run)
    assert world.run(attrs.evolve(run, dies_at="")) == 0
    check(run, before, rows(run))
    counts = check_ended(world, run)
    # A create that was not sent is no different from one whose response was lost: it is reported.
    assert counts["reported"] == ((name, after) == ("intend", True))


@pytest.mark.parametrize(("name", "number", "after"), points(LATE))
def test_it_may_die_while_it_is_left(world, name, number, after):
    """What it has canceled is created again, what had ended is kept."""
    run = world.batch(6, concurrency=3, leaves_after=1, dies_at=name, number=number, after=after)
    HELD.set()
    try:
        assert world.run(run) == 9
    finally:
        HELD.clear()
    assert world.run(attrs.evolve(run, dies_at="", leaves_after=0)) == 0
    handed_out = {item["index"]: item for item in said(run)}
    for index, prompt in enumerate(run.prompts):
        statuses = world.server.statuses(prompt)
        assert set(statuses) <= {"succeeded", "canceled"}
        if handed_out[index]["error"] == "CreateOutcomeUnknown":  # it died before the create was sent
            assert statuses == []
        else:
            assert statuses.count("succeeded") == 1
            assert handed_out[index]["result"] == prompt.upper()
    assert sum(item["error"] == "CreateOutcomeUnknown" for item in handed_out.values()) <= 1


@attrs.frozen
class Kill:
    """When a process was killed, and what its journal had then: how many inputs in each state.

    An intent of an earlier process does not count.
    """

    after: float
    states: Counter[str]


def killed_until_done(world: World, run: Run, chance: random.Random) -> tuple[list[Kill], int]:
    """Run a batch, killing its process again and again, until it is done; and how many lost creates were found."""
    kills: list[Kill] = []
    adopted = 0
    while True:
        before, patience = rows(run), chance.uniform(0, 0.2 + 0.02 * len(kills))  # a slow machine gets on too
        process = world.zygote.start(run)
        began = time.monotonic()
        time.sleep(patience)
        status = world.zygote.kill(process)
        after = rows(run)
        check(run, before, after)
        adopted += sum(row[1] is None and after[index][1] is not None for index, row in before.items())
        if status == 0:
            return kills, adopted
        assert status == -9
        states = (row[0] for index, row in after.items() if row[0] != "intent" or index not in before)
        kills.append(Kill(time.monotonic() - began, Counter(states)))


def many_kills(world: World, wanted: int, folder: Path, *, inputs: int = 24) -> list[Kill]:
    """So many kills of batches, each logged; every batch is checked when it is done."""
    chance, kills, adopted, counts = random.Random(7), [], 0, Counter()
    while len(kills) < wanted:
        run = world.batch(inputs)
        more, found = killed_until_done(world, run, chance)
        kills += more
        adopted += found
        counts += check_ended(world, run)
    log = folder / "kills.jsonl"
    log.write_text("".join(json.dumps({"after": kill.after, **kill.states}) + "\n" for kill in kills))
    where = {state: sum(kill.states[state] > 0 for kill in kills) for state in ("intent", "created", "done")}
    print(f"{len(kills)} kills, with items at {where}; {adopted} lost creates found, {dict(counts)}; {log}")
    return kills


def test_it_may_be_killed_at_any_time(world, tmp_path):
    assert len(many_kills(world, 5, tmp_path, inputs=10)) >= 5


@pytest.mark.long
@pytest.mark.timeout(600)
def test_it_may_be_killed_hundreds_of_times(world, tmp_path):
    kills = many_kills(world, KILLS, tmp_path)
    assert len(kills) >= KILLS
    assert sum(kill.states["intent"] > 0 for kill in kills) >= 30, "between the intent and the id"
    assert sum(kill.states["created"] > 0 for kill in kills) >= 30, "between the id and the result"
