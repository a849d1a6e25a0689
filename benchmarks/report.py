"""Turns results into a page: the tables as Markdown, and the files in ``docs/``."""

from __future__ import annotations

import os
import pathlib
import platform
import re
from typing import NamedTuple

from . import plots
from .curve import Curve
from .environments import COLUMNS
from .measures import Results, Scale
from .targets import ROWS, TARGETS, Median, Row, Target, reached

PAGE = """# Benchmarks

What you feel when you use a client: how much CPU a call and a token cost, how soon results reach your code, how long a
script takes to start, and how much memory is used. `python -m benchmarks` writes this whole page from one run; nothing
is edited by hand.

Each client runs in its own process and virtual environment, against one server on the loopback interface that answers
with prepared bytes. Rounds are interleaved: in each one, every client takes its turn. A figure is the median over the
rounds, ± half of the interquartile range. CPU is the user and system time of the client's process, all threads
included. Compare figures within this page only: on another machine the figures differ, while the ratios stay nearly
the same.

This run: {machine}; {versions}.

{tables}
## In pictures

![CPU time of one finished prediction and of streamed tokens](_static/benchmarks/cpu.svg)

![Import, and process start to first result](_static/benchmarks/start.svg)

![Lag behind the server](_static/benchmarks/lag.svg)

A prediction that has no stream to wait on is polled, at intervals of 5 % of its age, from 0.1 s to 5 s. This is how
that compares with fixed intervals, in virtual time:

![Lag and requests of polling](_static/benchmarks/polling.svg)

## What is measured

* *CPU per `run()`*: one client, one warm connection, and a prediction that the server answers as finished at once.
* *CPU per token*: the create request, the stream to its end, and whatever the client does to confirm that nothing is
  missing, divided by the number of tokens. The three rows differ in how the tokens arrive:
  * *One a read, 5 ms apart*: the server writes one token, waits 5 ms, and writes the next. Each token wakes the client
    up and is read alone, which is how language models deliver. Waking up is a large part of the cost.
  * *16 kB chunks*: the whole stream is there at once, several hundred tokens to an HTTP chunk, as from a proxy that
    buffers.
  * *A chunk each, arriving together*: the whole stream is there at once, each token in an HTTP chunk of its own, as for
    a reader that has fallen behind.
* *Call to first token*: from your call to the first token, on a warm connection, create request included.
* *Lag of a token after 20 ms of quiet*: each token is the time at which the server wrote it. The client subtracts that
  from the time at which the token reaches your loop. Server and client read the same clock. The pause of 20 ms between
  tokens means that every one of them finds an idle client, as in real use.
* *Done-lag*: the output of the prediction is the time at which it finished. The client subtracts that from the time at
  which it has the output. *Past the hold*, the server answers the create request after 0.2 s with a prediction that
  keeps running for two more seconds, and has a stream.
* *Process start to first result*: a new Python process imports the client, runs one prediction, prints it and exits.
* *At once*: every prediction takes one second, and the server holds its create request. Blocking clients use a thread
  for each; the bare socket and async clients use one thread for all.
* *Added MiB*: the peak of resident memory while it is measured, less what the process held before.
* *Left behind*: Python's own allocations after a garbage collection, less those after a warm-up.
"""


class Report(NamedTuple):
    """Everything that one run found."""

    results: Results
    polling: dict[str, Curve]
    scale: Scale
    columns: list[str]

    def tables(self) -> str:
        """The figures, the targets, and why there are blanks."""
        return "\n".join(
            part for part in (self.figures(), self.targets(), self.missed(), self.curve(), self.blanks()) if part
        )

    def figures(self) -> str:
        """The table of medians."""
        lines = [
            self.line("", [COLUMNS[column].title for column in self.columns]),
            self.line("---", ["---:"] * len(self.columns)),
        ]
        for row in ROWS:
            cells = [self.cell(row, column) for column in self.columns]
            if any(cells):
                lines.append(self.line(self.titled(row.title), cells))
        return "\n".join(lines) + "\n" if len(lines) > 2 else ""

    def targets(self) -> str:
        """The table of what was wanted and what was reached."""
        lines = ["| target | reached | |", "| --- | ---: | --- |"]
        for target in TARGETS:
            found = reached(target, self.results)
            if found:
                lines.append(
                    self.line(
                        self.titled(target.text), [measured(target, found[0]), "met" if found[1] else "**missed**"]
                    )
                )
        return "\n".join(lines) + "\n" if len(lines) > 2 else ""

    def missed(self) -> str:
        """What it would take to reach the targets that were missed, or how to see it."""
        found = {target: reached(target, self.results) for target in TARGETS}
        missed = [target for target, outcome in found.items() if outcome is not None and not outcome[1]]
        return "\n".join(f"Missed: *{self.titled(one.text)}*. {one.price or profile_of(one)}\n" for one in missed)

    def curve(self) -> str:
        """A few points of the polling curves."""
        if not self.polling:
            return ""
        names = list(self.polling)
        lines = [self.line("polling: lag, s / requests", names), self.line("---:", ["---:"] * len(names))]
        lasting = self.polling[names[0]].durations
        for index in range(0, len(lasting), 6):
            points = [f"{curve.lags[index]:.2f} / {curve.requests[index]:.0f}" for curve in self.polling.values()]
            lines.append(self.line(f"{lasting[index]:.3g} s", points))
        return "\n".join(lines) + "\n"

    def blanks(self) -> str:
        """Why something was not measured that should have been, and how predictions at once failed."""
        reasons: dict[str, list[str]] = {}
        for (measure, column), reason in self.results.blanks.items():
            text = re.sub(r" \([^)]*/[^)]*\)", "", reason)  # no file paths of the machine that ran it
            reasons.setdefault(f"{COLUMNS[column].title}: {text}", []).append(measure)
        notes = [f"* {reason}: {', '.join(measures)}" for reason, measures in reasons.items()]
        for column in self.columns:
            rounds = self.results.figures.get(("crowd", column), ())
            kinds = sorted({kind for one in rounds for kind in one["kinds"]})
            if kinds:
                notes.append(f"* the failures at once, {COLUMNS[column].title}: {', '.join(kinds)}")
        return "\n".join(notes) + "\n" if notes else ""

    def cell(self, row: Row, column: str) -> str:
        """One figure with its spread."""
        median = Median.of(self.results.values(row.measure, column, row.figure))
        if median is None:
            return ""
        spread = f"{median.spread:,.{row.digits}f}"
        return f"{median.value:,.{row.digits}f}" + (f" ± {spread}" if float(spread.replace(",", "")) else "")

    def titled(self, title: str) -> str:
        """A title with the numbers of this run."""
        scale = self.scale
        return title.format(crowd=f"{scale.crowd:,}", lasting=f"{scale.lasting:,}", long=f"{10 * scale.tokens:,}")

    def line(self, first: str, cells: list[str]) -> str:
        """One line of a table."""
        return f"| {first} | {' | '.join(cells)} |"

    def write(self, folder: pathlib.Path) -> None:
        """Write the page and its plots into ``folder``."""
        pictures = folder / "_static" / "benchmarks"
        pictures.mkdir(parents=True, exist_ok=True)
        machine = f"Python {platform.python_version()} on {platform.system()}, {os.cpu_count()} processors"
        versions = ", ".join(dict.fromkeys(one for one in self.results.versions.values() if one != "Python"))
        page = PAGE.format(machine=machine, versions=versions, tables=self.tables())
        (folder / "benchmarks.md").write_text(page, encoding="utf-8")
        plots.draw(pictures, self.results, self.polling, self.columns)


def profile_of(target: Target) -> str:
    """How to see what a figure is made of."""
    command = f"python -m benchmarks --profile {target.measure} --peer {target.column}"
    return f"`{command}` shows where the time goes."


def measured(target: Target, value: float) -> str:
    """What was reached, as a figure or a ratio."""
    return f"{value:.2f} x" if target.against else f"{value:,.3g}"
