"""``python -m benchmarks``: every peer beside every other, in one run.

    python -m benchmarks                 the whole run; writes docs/benchmarks.md and its plots
    python -m benchmarks --quick         smaller numbers, under two minutes; prints the tables
    python -m benchmarks --only run      some measures only (may be repeated); prints their tables
    python -m benchmarks --peer ours     some columns only (may be repeated)
    python -m benchmarks --profile run   what a measure spends its time on (may be repeated), best with one --peer
    python -m benchmarks --output DIR    writes benchmarks.md and its plots into DIR, whatever was run

Plots need matplotlib in the environment that runs this (``pip install matplotlib``); everything else each peer needs
is installed into environments of its own, which are kept in the user's cache folder.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile

from . import report
from .curve import curves
from .environments import COLUMNS, ROOT
from .measures import FULL, MEASURES, QUICK, Bench, profiles_of, take_all
from .processes import allow_many_sockets


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure this project beside its peers.")
    parser.add_argument("--quick", action="store_true", help="smaller numbers, under two minutes")
    parser.add_argument("--only", action="append", choices=[*MEASURES, "curve"], help="take this measure only")
    parser.add_argument("--profile", action="append", choices=MEASURES, help="profile this measure instead")
    parser.add_argument("--peer", action="append", choices=COLUMNS, help="measure this peer only")
    parser.add_argument("--output", type=pathlib.Path, help="where to write; a whole run writes into docs/")
    return parser.parse_args()


def main() -> None:
    """Measure, then print or write."""
    options = arguments()
    whole = not (options.quick or options.only or options.peer)
    output = options.output or (ROOT / "docs" if whole else None)
    names = options.only or [*MEASURES, "curve"]
    allow_many_sockets()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(
            QUICK if options.quick else FULL,
            options.peer or list(COLUMNS),
            pathlib.Path(folder),
            lambda line: print(line, file=sys.stderr, flush=True),
        )
        try:
            if options.profile:
                print(*profiles_of(bench, options.profile), sep="\n")
                return
            results = take_all(bench, [name for name in names if name != "curve"])
            polling = curves(bench) if "curve" in names else {}
        finally:
            bench.close()
    finished = report.Report(results, polling, bench.scale, bench.columns)
    if output is None:
        print(finished.tables())
    else:
        finished.write(output)


if __name__ == "__main__":
    main()
