"""One peer at work: reads commands from standard input and writes what they cost, one JSON document a line.

Run as ``python worker.py NAME ORIGIN`` inside the peer's own environment; ends when its standard input does. Costs
are of this process alone: CPU is user and system time of all its threads.
"""

from __future__ import annotations

import contextlib
import cProfile
import gc
import importlib
import io
import json
import pathlib
import pstats
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from peer import Peer

Figures = dict[str, Any]


def cpu() -> float:
    """Seconds of CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cost(act: Callable[[], int]) -> tuple[float, float]:
    """CPU and wall time, in seconds, for each of the things that ``act`` says it did."""
    begun, used = time.perf_counter(), cpu()
    done = act()
    return (cpu() - used) / done, (time.perf_counter() - begun) / done


def memory(field: str) -> float:
    """MiB this process holds (``VmRSS``) or has held at most (``VmHWM``); elsewhere than on Linux always the latter."""
    try:
        status = pathlib.Path("/proc/self/status").read_text()
        return int(status.partition(field + ":")[2].split()[0]) / 1024
    except OSError:
        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def added(act: Callable[[], Any]) -> tuple[float, Any]:
    """The MiB by which ``act`` raised this process above what it held before, at its highest, and what it returned."""
    gc.collect()
    with contextlib.suppress(OSError):  # elsewhere than on Linux the highest so far stays the start
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    result = act()
    return max(0.0, memory("VmHWM") - before), result


def runs(peer: Peer, model: str, count: int) -> Figures:
    """What one finished prediction costs on a warm connection."""
    peer.runs(model, max(5, count // 10))
    used, wall = cost(lambda: peer.runs(model, count) or count)
    return {"cpu_us": used * 1e6, "wall_us": wall * 1e6}


def tokens(peer: Peer, model: str) -> Figures:
    """What one token of a long stream costs."""
    peer.drain("bench/tokens-10")
    used, wall = cost(lambda: peer.drain(model)[0])
    return {"cpu_us": used * 1e6, "wall_us": wall * 1e6}


def first_token(peer: Peer, model: str, count: int) -> Figures:
    """The median time from the call to the first token."""
    peer.drain(model)
    return {"ms": 1e3 * statistics.median(peer.drain(model)[1] for _ in range(count))}


def quiet_lag(peer: Peer, model: str) -> Figures:
    """The median time from the server's writing a token to our having it."""
    peer.drain("bench/tokens-10")
    return {"ms": 1e3 * statistics.median(peer.token_lags(model))}


def lag(peer: Peer, models: list[str]) -> Figures:
    """The median time from completion at the server to our having it."""
    return {"ms": 1e3 * statistics.median(peer.lag(model) for model in models)}


def at_once(peer: Peer, model: str, count: int) -> Figures:
    """Many predictions waiting at the same time."""
    peer.run("bench/finished")

    def act() -> tuple[list[str], float]:
        begun = time.perf_counter()
        return peer.at_once(model, count), time.perf_counter() - begun

    mib, (failures, seconds) = added(act)
    return {"s": seconds, "failed": len(failures), "mib": mib, "kinds": sorted(set(failures))}


def download(peer: Peer, model: str) -> Figures:
    """What one MB of a download costs."""
    used, wall = cost(peer.download(model))
    return {"cpu_ms": used * 1e9, "wall_ms": wall * 1e9}


def download_memory(peer: Peer, warm: str, model: str) -> Figures:
    """How far a large download raises the memory, its pieces not being kept."""
    peer.download(warm)()
    return {"mib": added(peer.download(model))[0]}


def upload(peer: Peer, warm: str, paths: list[str]) -> Figures:
    """How far large uploads raise the memory, and what they cost."""
    peer.upload(warm)
    used = cpu()
    mib, _ = added(lambda: [peer.upload(path) for path in paths])
    return {"mib": mib, "cpu_s": cpu() - used}


def streaming_memory(peer: Peer, warm: str, model: str) -> Figures:
    """How far a long stream raises the memory, its tokens not being kept."""
    peer.drain(warm)
    return {"mib": added(lambda: peer.drain(model))[0]}


def leftovers(peer: Peer, model: str, count: int) -> Figures:
    """What many predictions leave behind in Python's own memory."""
    import tracemalloc

    warm = max(100, count // 20)
    peer.runs(model, warm)
    tracemalloc.start()
    peer.runs(model, warm)
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    peer.runs(model, count)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"kib": (after - before) / 1024}


def polling(peer: Peer, durations: list[float]) -> Figures:
    """Lag and requests of the peer's polling schedule, in virtual time."""
    return {"points": peer.polling(durations)}


def profiled(measure: Callable[..., Figures], peer: Peer, **arguments: Any) -> Figures:
    """What a measure spends its time on, in this thread and in those that it starts."""
    profilers: list[cProfile.Profile] = []

    def begin(*_: object) -> None:
        profilers.append(cProfile.Profile())
        profilers[-1].enable()

    measure(peer, **arguments)  # what only the first time takes is not what is looked for
    time.sleep(1.5)  # by then idle threads have ended: those that follow are profiled
    threading.setprofile(begin)
    begin()
    try:
        measure(peer, **arguments)
    finally:
        profilers[0].disable()
        threading.setprofile(None)  # type: ignore[arg-type]  # which ends it
    said = io.StringIO()
    pstats.Stats(*profilers, stream=said).strip_dirs().sort_stats("tottime").print_stats(40)
    return {"profile": said.getvalue()}


def work(peer: Peer) -> None:
    """Obey until standard input ends."""
    known = [
        runs, tokens, first_token, quiet_lag, lag, at_once, download, download_memory, upload, streaming_memory,
        leftovers, polling,
    ]  # fmt: skip
    commands = {one.__name__: one for one in known}
    for line in sys.stdin:
        command = json.loads(line)
        try:
            measure = commands[command.pop("do")]
            reply = profiled(measure, peer, **command) if command.pop("profile", False) else measure(peer, **command)
        except NotImplementedError:
            reply = {"missing": "this peer has no such thing"}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    peer = importlib.import_module(sys.argv[1]).Peer(sys.argv[2])
    print("{}", flush=True)
    work(peer)
    peer.close()
