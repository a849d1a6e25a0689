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
    Row("import, ms over starting Python", "import", "ms", 1),
    Row("`import attrs` alone, ms", "import", "attrs_ms", 1),
    Row("modules that importing loads", "import", "modules"),
    Row("process start to first result, ms", "first_result", "ms"),
    Row("of that, loading modules of Python itself, ms", "loading", "python_ms"),
    Row("loading modules of requests and what it needs, ms", "loading", "requests_ms"),
    Row("loading attrs, ms", "loading", "attrs_ms"),
    Row("loading modules of this project, ms", "loading", "ours_ms"),
    Row("CPU µs per `run()` of a finished prediction, keep-alive", "run", "cpu_us"),
    Row("wall µs of the same", "run", "wall_us"),
    Row("CPU µs per streamed token, 16 kB chunks", "tokens", "cpu_us", 2),
    Row("CPU µs per streamed token, one HTTP chunk each", "chunks", "cpu_us", 2),
    Row("SSE decoder alone, CPU µs per small event", "decoder", "cpu_us", 2),
    Row("its slowest spelling of an event, times the usual one", "spelling", "slowest", 2),
    Row("call to first token, ms (p50)", "first_token", "ms", 2),
    Row("done-lag while the server holds the request, ms (p50)", "held", "ms", 2),
    Row("done-lag past the hold, ms (p50)", "past_hold", "ms", 2),
    Row("requests of the same", "past_hold", "requests", 1),
    Row("{crowd} one-second predictions at once, s", "crowd", "s", 2),
    Row("failed of the same", "crowd", "failed"),
    Row("threads of the same", "crowd", "threads"),
    Row("added MiB of the same", "crowd", "mib", 1),
    Row("download, CPU ms per MB", "download", "cpu_ms", 3),
    Row("upload of 100 MB, added MiB", "upload", "mib", 1),
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
    Target("import, at most 1.3 x `import attrs`", "import", "ms", 1.3, "ours", against_figure="attrs_ms"),
    Target("import, under half of the official's", "import", "ms", 0.5, "official"),
    Target("import loads nothing but attrs and the standard library", "import", "foreign", 0),
    Target(
        "start to first result, at most 1.15 x requests'",
        "first_result",
        "ms",
        1.15,
        "requests",
        price=(
            "The client is built on requests, so that mocks, adapters and sessions of requests work with it, and loads "
            "all of it before its first request. On top come attrs, and the making of the classes that attrs "
            "generates, half a millisecond each, which the figures above count as loading this project. Without attrs "
            "the ratio would be about 1.2; below that, requests itself would have to go from the way of every call, "
            "and with it the mocks and adapters."
        ),
    ),
    Target("`run()`, at most 1.3 x urllib3's CPU", "run", "cpu_us", 1.3, "urllib3"),
    Target("`run()`, at least 1.6 x cheaper than the official", "run", "cpu_us", 1.6, "official", least=True),
    Target("tokens in 16 kB chunks, at least 5 x cheaper", "tokens", "cpu_us", 5, "official", least=True),
    Target("tokens one chunk each, at least 4 x cheaper", "chunks", "cpu_us", 4, "official", least=True),
    Target("decoder, at least 9 x cheaper", "decoder", "cpu_us", 9, "official", least=True),
    Target("any spelling of an event, at most 2 x the usual one", "spelling", "slowest", 2),
    Target("first token, at most 1.3 x urllib3's", "first_token", "ms", 1.3, "urllib3"),
    Target("done-lag within the hold, at most 1.3 x urllib3's", "held", "ms", 1.3, "urllib3"),
    Target("done-lag past the hold, at least 100 x quicker", "past_hold", "ms", 100, "official", least=True),
    Target("requests of the same, at most 4", "past_hold", "requests", 4),
    Target("{crowd} at once, async: none fails", "crowd", "failed", 0, column="ours_async"),
    Target("{crowd} at once, async: under 1.7 s", "crowd", "s", 1.7, column="ours_async"),
    Target("{crowd} at once, async: at most 8 threads", "crowd", "threads", 8, column="ours_async"),
    Target("{crowd} at once, async: under 12 MiB", "crowd", "mib", 12, column="ours_async"),
    Target("{crowd} at once, blocking threads: none fails", "crowd", "failed", 0),
    Target("download, within 1.2 x urllib3's CPU", "download", "cpu_ms", 1.2, "urllib3"),
    Target("upload of 100 MB, at most 2 MiB", "upload", "mib", 2),
    Target("{lasting} predictions leave less than 100 KiB", "leftovers", "kib", 100),
)


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
