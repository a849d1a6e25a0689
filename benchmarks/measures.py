"""What is measured, one function for each row or few rows of the table, and the loop that interleaves the peers.

Every round asks every peer in turn, beginning with another one each time, so that whatever else the machine does
falls on all of them alike. A peer that cannot do a thing, fails at it or takes too long leaves a blank with its
reason; it never stops the run.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from .environments import COLUMNS, PEERS, clean_environ, python_of
from .processes import Server, Worker

Figures = dict[str, Any]
MIB = 1 << 20


class Scale(NamedTuple):
    """How much of everything: rounds, and things within a round."""

    rounds: int
    starts: int
    waits: int
    heavy: int
    runs: int
    tokens: int
    paced: int
    quiet: int
    calls: int
    crowd: int
    file_mib: int
    lasting: int


FULL = Scale(
    rounds=9, starts=21, waits=8, heavy=3, runs=1000, tokens=20_000, paced=400, quiet=100, calls=100, crowd=1000,
    file_mib=512, lasting=10_000,
)  # fmt: skip
QUICK = Scale(
    rounds=3, starts=3, waits=2, heavy=1, runs=200, tokens=5_000, paced=100, quiet=25, calls=20, crowd=200,
    file_mib=16, lasting=200,
)  # fmt: skip


class Bench:
    """The things one benchmark run needs: the server, the peers' environments and workers, files to send."""

    def __init__(self, scale: Scale, columns: list[str], folder: pathlib.Path, say: Callable[[str], None]) -> None:
        self.scale, self.columns, self.folder, self.say = scale, columns, folder, say
        self.pythons = {name: self.environment(name) for name in columns}
        self.server = Server()
        self.workers: dict[str, Worker] = {}
        self.profiles = False
        """Whether measures are to tell what they spend their time on, instead of how much it is."""

    def environment(self, name: str) -> pathlib.Path:
        """The interpreter of a column."""
        self.say(f"environment: {COLUMNS[name].title}")
        return python_of(COLUMNS[name].packages)

    def close(self) -> None:
        """End every process."""
        for worker in self.workers.values():
            worker.close()
        self.server.close()

    def worker(self, column: str) -> Worker:
        """The lasting worker of a column."""
        if column not in self.workers:
            self.workers[column] = self.new_worker(column)
        return self.workers[column]

    def new_worker(self, column: str) -> Worker:
        """A worker of its own, for measures of memory."""
        return Worker(self.pythons[column], COLUMNS[column].adapter, self.server.origin)

    def ask(self, column: str, command: str, **arguments: Any) -> Figures:
        """Have the lasting worker measure something."""
        return self.worker(column).do(command, profile=self.profiles, **arguments)

    def ask_fresh(self, column: str, command: str, **arguments: Any) -> Figures:
        """Have a new worker measure something."""
        with self.new_worker(column) as worker:
            return worker.do(command, profile=self.profiles, **arguments)

    def file(self, name: str, content: bytes | int) -> str:
        """The path of a file with ``content``, or of so many zero bytes."""
        path = self.folder / name
        if not path.exists():
            with path.open("wb") as file:
                if isinstance(content, int):
                    file.truncate(content)
                else:
                    file.write(content)
        return str(path)

    def start(self, column: str, code: str) -> tuple[float, subprocess.CompletedProcess[str]]:
        """Milliseconds of a whole new interpreter that runs ``code``, and the process with what it printed."""
        begun = time.perf_counter()
        done = subprocess.run(
            [str(self.pythons[column]), *(["-X", "importtime"] if self.profiles else []), "-c", code],
            capture_output=True, text=True, timeout=60, env=clean_environ(), check=False, cwd=self.folder,
        )  # fmt: skip
        milliseconds = 1e3 * (time.perf_counter() - begun)
        if done.returncode:
            raise EOFError((done.stderr.strip().splitlines() or ["failed without a word"])[-1])
        return milliseconds, done


def imports(bench: Bench, column: str, _: int) -> Figures:
    """What importing costs over starting Python, and what it loads."""
    name = COLUMNS[column].imports
    loaded = f"import sys; old = set(sys.modules); import {name}; print(*(set(sys.modules) - old))"
    modules = bench.start(column, loaded)[1].stdout.split()
    foreign = {one.partition(".")[0] for one in modules} - sys.stdlib_module_names - {name}
    nothing = bench.start(column, "pass")[0]
    figures: Figures = {
        "ms": bench.start(column, f"import {name}")[0] - nothing,
        "foreign": len(foreign - {"attr", "attrs"}),
    }
    if COLUMNS[column].is_ours:
        figures["attrs_ms"] = bench.start(column, "import attrs")[0] - nothing
    return figures


def first_result(bench: Bench, column: str, _: int) -> Figures:
    """A script of three lines, from the start of its process to its end."""
    origin, adapter = bench.server.origin, COLUMNS[column].adapter
    code = f"import sys; sys.path.insert(0, {str(PEERS)!r}); import {adapter} as peer\n"
    code += f"print(peer.Peer({origin!r}).run('bench/finished'))"
    milliseconds, done = bench.start(column, code)
    return {"profile": slowest_imports(done.stderr)} if bench.profiles else {"ms": milliseconds}


def slowest_imports(times: str) -> str:
    """The lines of ``python -X importtime`` for the modules that took longest themselves."""
    lines = [line for line in times.splitlines() if line.startswith("import time:") and "self [us]" not in line]
    return "\n".join(sorted(lines, key=lambda line: -int(line.split(":")[1].split("|")[0]))[:40])


def run(bench: Bench, column: str, _: int) -> Figures:
    """One finished prediction on a warm connection."""
    return bench.ask(column, "runs", model="bench/finished", count=bench.scale.runs)


def tokens(bench: Bench, column: str, _: int) -> Figures:
    """One token of a stream that arrives in chunks of 16 kB."""
    return bench.ask(column, "tokens", model=f"bench/tokens-{bench.scale.tokens}")


def chunks(bench: Bench, column: str, _: int) -> Figures:
    """One token of a stream in which each is an HTTP chunk of its own."""
    return bench.ask(column, "tokens", model=f"bench/chunks-{bench.scale.tokens}")


def paced(bench: Bench, column: str, _: int) -> Figures:
    """One token of a stream in which each is read alone, 5 ms after the one before."""
    return bench.ask(column, "tokens", model=f"bench/paced-{bench.scale.paced}-5")


def quiet_lag(bench: Bench, column: str, _: int) -> Figures:
    """From the server's write to the caller, for tokens that come after 20 ms of quiet."""
    return bench.ask(column, "quiet_lag", model=f"bench/paced-{bench.scale.quiet}-20")


def first_token(bench: Bench, column: str, _: int) -> Figures:
    """From the call to the first token."""
    return bench.ask(column, "first_token", model="bench/tokens-10", count=bench.scale.calls)


def held(bench: Bench, column: str, _: int) -> Figures:
    """From completion to the caller, while the server holds the create."""
    return bench.ask(column, "lag", models=["bench/lasts-40"] * (bench.scale.calls // 4))


def past_hold(bench: Bench, column: str, turn: int) -> Figures:
    """From completion to the caller, once the server has stopped holding; the moments are spread over half a second."""
    lasts = 2000 + 500 * turn // bench.scale.waits
    before = bench.server.requests()
    figures = bench.ask(column, "lag", models=[f"bench/lasts-{lasts}-hold-200"])
    return figures | {"requests": bench.server.requests() - before}


def crowd(bench: Bench, column: str, _: int) -> Figures:
    """Many predictions of one second at once."""
    return bench.ask_fresh(column, "at_once", model="bench/lasts-1000", count=bench.scale.crowd)


def download(bench: Bench, column: str, _: int) -> Figures:
    """One MB of a large download, read in pieces and dropped."""
    return bench.ask(column, "download", model=f"bench/file-{bench.scale.file_mib}")


def download_memory(bench: Bench, column: str, _: int) -> Figures:
    """A download of 200 MiB, read in pieces and dropped."""
    return bench.ask_fresh(column, "download_memory", warm="bench/file-1", model="bench/file-200")


def upload(bench: Bench, column: str, _: int) -> Figures:
    """Two files of 100 MB on their way out, one after the other; the hosted API takes none that is larger."""
    paths = [bench.file(name, 100_000_000) for name in ("large", "larger")]
    return bench.ask_fresh(column, "upload", warm=bench.file("small", 1000), paths=paths)


def streaming_memory(bench: Bench, column: str, _: int) -> Figures:
    """A stream of ten times the tokens, which are dropped as they come."""
    model = f"bench/tokens-{10 * bench.scale.tokens}"
    return bench.ask_fresh(column, "streaming_memory", warm="bench/tokens-1000", model=model)


def leftovers(bench: Bench, column: str, _: int) -> Figures:
    """What thousands of predictions leave behind."""
    return bench.ask_fresh(column, "leftovers", model="bench/finished", count=bench.scale.lasting)


class Measure(NamedTuple):
    """One measurement: how it is taken, how often, and by whom it is not."""

    take: Callable[[Bench, str, int], Figures]
    rounds: Callable[[Scale], int]
    not_for: tuple[str, ...] = ()


ASYNC = ("official_async", "ours_async")  # what loops do not change is measured with the blocking client

MEASURES: Mapping[str, Measure] = {
    "import": Measure(imports, lambda scale: scale.starts, not_for=ASYNC),
    "first_result": Measure(first_result, lambda scale: scale.starts),
    "run": Measure(run, lambda scale: scale.rounds),
    "paced": Measure(paced, lambda scale: scale.rounds),
    "tokens": Measure(tokens, lambda scale: scale.rounds),
    "chunks": Measure(chunks, lambda scale: scale.rounds),
    "first_token": Measure(first_token, lambda scale: scale.rounds),
    "quiet_lag": Measure(quiet_lag, lambda scale: scale.rounds),
    "held": Measure(held, lambda scale: scale.rounds),
    "past_hold": Measure(past_hold, lambda scale: scale.waits, not_for=("urllib3", "requests", "aiohttp")),
    "crowd": Measure(crowd, lambda scale: scale.heavy),
    "download": Measure(download, lambda scale: scale.rounds, not_for=("aiohttp", *ASYNC)),
    "download_memory": Measure(download_memory, lambda scale: scale.heavy, not_for=("aiohttp",)),
    "upload": Measure(upload, lambda scale: scale.heavy, not_for=("aiohttp",)),
    "streaming_memory": Measure(streaming_memory, lambda scale: scale.heavy),
    "leftovers": Measure(leftovers, lambda _: 1),
}


class Results:
    """What was measured: a list of figures for each measure and column, and why some are missing."""

    def __init__(self) -> None:
        self.figures: dict[tuple[str, str], list[Figures]] = {}
        self.blanks: dict[tuple[str, str], str] = {}
        self.versions: dict[str, str] = {}

    def values(self, measure: str, column: str, figure: str) -> list[float]:
        """One figure over all rounds; empty where it was not measured."""
        return [one[figure] for one in self.figures.get((measure, column), ()) if figure in one]

    def add(self, measure: str, column: str, figures: Figures) -> None:
        """Keep the figures of one round, or the reason there are none."""
        reason = figures.get("missing") or figures.get("error")
        if reason:
            self.blanks[measure, column] = reason
        else:
            self.figures.setdefault((measure, column), []).append(figures)


def turns(columns: list[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Every column in every round, each round beginning with the next one."""
    for turn in range(rounds):
        shift = turn % len(columns)
        yield from ((turn, column) for column in columns[shift:] + columns[:shift])


def take_all(bench: Bench, names: list[str]) -> Results:
    """Take the named measures, interleaved, and return what came of them."""
    results = Results()
    results.versions = {column: version(bench, column) for column in bench.columns}
    for name in names:
        measure = MEASURES[name]
        begun = time.monotonic()
        columns = [column for column in bench.columns if column not in measure.not_for]
        for turn, column in turns(columns, measure.rounds(bench.scale)):
            if (name, column) not in results.blanks:
                results.add(name, column, take(bench, measure, column, turn))
        bench.say(f"{name}: {time.monotonic() - begun:.0f} s")
    return results


def profiles_of(bench: Bench, names: list[str]) -> Iterator[str]:
    """What every column spends its time on in the named measures."""
    bench.profiles = True
    for name in names:
        for column in bench.columns:
            found = take(bench, MEASURES[name], column, 0)
            yield f"{name}, {COLUMNS[column].title}:\n{found.get('profile') or found}\n"


def version(bench: Bench, column: str) -> str:
    """What a column's environment holds."""
    name = COLUMNS[column].imports
    if name == "socket":
        return "Python"
    return bench.start(column, f"from importlib.metadata import version; print('{name}', version('{name}'))")[
        1
    ].stdout.strip()


def take(bench: Bench, measure: Measure, column: str, turn: int) -> Figures:
    """Take one measure once; a worker that died or is late is ended and told of."""
    try:
        return measure.take(bench, column, turn)
    except (OSError, EOFError, subprocess.TimeoutExpired) as error:
        late = bench.workers.pop(column, None)
        if late:
            late.close()
        return {"error": str(error)}
