"""The rows of the table and what this project wants of them; nothing here measures or draws."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from .measures import Results


class Row(NamedTuple):
    """One row of the table: one figure of one measure, in the unit its title names."""

    title: str
    measure: str
    figure: str
    digits: int = 0


ROWS = (
    Row("CPU µs per `run()` of a finished prediction, keep-alive", "run", "cpu_us"),
    Row("CPU µs per token, one a read, 5 ms apart", "paced", "cpu_us"),
    Row("CPU µs per token, 16 kB chunks", "tokens", "cpu_us", 2),
    Row("CPU µs per token, a chunk each, arriving together", "chunks", "cpu_us", 2),
    Row("call to first token, ms (p50)", "first_token", "ms", 2),
    Row("lag of a token after 20 ms of quiet, ms (p50)", "quiet_lag", "ms", 2),
    Row("done-lag while the server holds the request, ms (p50)", "held", "ms", 2),
    Row("done-lag past the hold, ms (p50)", "past_hold", "ms", 2),
    Row("requests of the same", "past_hold", "requests", 1),
    Row("import, ms over starting Python", "import", "ms", 1),
    Row("process start to first result, ms", "first_result", "ms"),
    Row("{crowd} one-second runs at once, s", "crowd", "s", 2),
    Row("added MiB of the same", "crowd", "mib", 1),
    Row("failed of the same", "crowd", "failed"),
    Row("download, CPU ms per MB", "download", "cpu_ms", 3),
    Row("download of 200 MiB, added MiB", "download_memory", "mib", 1),
    Row("upload of two files of 100 MB, added MiB", "upload", "mib", 1),
    Row("stream of {long} tokens, added MiB", "streaming_memory", "mib", 1),
    Row("left behind by {lasting} predictions, KiB", "leftovers", "kib", 1),
)


class Target(NamedTuple):
    """A promise about one figure of ours: alone, or as a ratio to a peer's.

    ``least`` turns the ratio round: the peer's figure is to be at least so many times ours. ``price`` is what would
    have to be given up to reach it, where that is known to be too much.
    """

    text: str
    measure: str
    figure: str
    bound: float
    against: str | None = None
    least: bool = False
    column: str = "ours"
    against_figure: str | None = None
    price: str = ""


TARGETS = (
    Target("`run()`, at most 1.7 x urllib3's CPU", "run", "cpu_us", 1.7, "urllib3"),
    Target("`run()`, at most 0.8 x the official's CPU", "run", "cpu_us", 0.8, "official"),
    Target("tokens one a read, at most 2.5 x urllib3's CPU", "paced", "cpu_us", 2.5, "urllib3"),
    Target("tokens one a read, at most 0.6 x the official's CPU", "paced", "cpu_us", 0.6, "official"),
    Target(
        "tokens one a read, async: at most 0.6 x the official's async CPU", "paced", "cpu_us", 0.6, "official_async",
        column="ours_async",
    ),
    Target("tokens in 16 kB chunks, at most 0.15 x the official's CPU", "tokens", "cpu_us", 0.15, "official"),
    Target("tokens a chunk each, at most 0.3 x the official's CPU", "chunks", "cpu_us", 0.3, "official"),
    Target("first token, at most the official's", "first_token", "ms", 1, "official"),
    Target("lag of a token after quiet, at most the official's", "quiet_lag", "ms", 1, "official"),
    Target("done-lag past the hold, at least 100 x quicker", "past_hold", "ms", 100, "official", least=True),
    Target("requests of the same, at most 4", "past_hold", "requests", 4),
    Target("import, at most 1.3 x `import attrs`", "import", "ms", 1.3, "ours", against_figure="attrs_ms"),
    Target("import, under half of the official's", "import", "ms", 0.5, "official"),
    Target("import loads nothing but attrs and the standard library", "import", "foreign", 0),
    Target(
        "start to first result, at most 1.35 x requests'", "first_result", "ms", 1.35, "requests",
        price=(
            "The client is built on requests, so that mocks, adapters and sessions of requests work with it, and loads "
            "all of it before its first request. On top come attrs, and making the classes that attrs generates."
        ),
    ),
    Target(
        "{crowd} at once, async: at most 1.15 x aiohttp's time", "crowd", "s", 1.15, "aiohttp", column="ours_async"
    ),
    Target(
        "{crowd} at once, async: at most 1.6 x aiohttp's memory", "crowd", "mib", 1.6, "aiohttp", column="ours_async"
    ),
    Target("{crowd} at once, async: none fails", "crowd", "failed", 0, column="ours_async"),
    Target("{crowd} at once, blocking threads: none fails", "crowd", "failed", 0),
    Target("download, within 1.2 x urllib3's CPU", "download", "cpu_ms", 1.2, "urllib3"),
    Target("download of 200 MiB, at most 16 MiB", "download_memory", "mib", 16),
    Target("download of 200 MiB, async: at most 16 MiB", "download_memory", "mib", 16, column="ours_async"),
    Target("upload of two files of 100 MB, at most 2 MiB", "upload", "mib", 2),
    Target("upload of two files of 100 MB, async: at most 16 MiB", "upload", "mib", 16, column="ours_async"),
    Target("{lasting} predictions leave less than 100 KiB", "leftovers", "kib", 100),
)  # fmt: skip


class Median(NamedTuple):
    """The median over the rounds, and half of the range in which the middle half of them lies."""

    value: float
    spread: float

    @classmethod
    def of(cls, values: list[float]) -> Median | None:
        """The median of some rounds; None where there were none."""
        if not values:
            return None
        if len(values) == 1:
            return cls(values[0], 0.0)
        lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
        return cls(statistics.median(values), (upper - lower) / 2)


def reached(target: Target, results: Results) -> tuple[float, bool] | None:
    """The figure or ratio that a target is about, and whether it is met; None where something was not measured."""
    ours = Median.of(results.values(target.measure, target.column, target.figure))
    if ours is None:
        return None
    if target.against is None:
        return ours.value, ours.value <= target.bound
    figure = target.against_figure or target.figure
    theirs = Median.of(results.values(target.measure, target.against, figure))
    if theirs is None or not theirs.value or not ours.value:
        return None
    if target.least:
        return theirs.value / ours.value, theirs.value / ours.value >= target.bound
    return ours.value / theirs.value, ours.value / theirs.value <= target.bound
