"""The plots, in colours and on no background of their own, so that they can be read on light and on dark pages."""

from __future__ import annotations

import pathlib
from typing import Any, NamedTuple

from .curve import Curve
from .environments import COLUMNS
from .measures import Results
from .targets import Median

GREY = "#808080"
OURS = "#2f81f7"
OFFICIAL = "#d9822b"

STYLE: Any = {
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.transparent": True, "svg.fonttype": "none",
    "svg.hashsalt": "benchmarks", "text.color": GREY, "axes.labelcolor": GREY, "axes.edgecolor": GREY,
    "xtick.color": GREY, "ytick.color": GREY, "axes.spines.top": False, "axes.spines.right": False, "font.size": 9,
    "legend.frameon": False, "axes.titlesize": 9,
}  # fmt: skip


class Panel(NamedTuple):
    """One bar chart: a figure of a measure for every column that has it."""

    title: str
    measure: str
    figure: str
    log: bool = False


PICTURES = {
    "cpu": (
        Panel("µs per run()", "run", "cpu_us"),
        Panel("µs per token, one a read, 5 ms apart", "paced", "cpu_us"),
        Panel("µs per token, 16 kB chunks", "tokens", "cpu_us"),
        Panel("µs per token, one chunk each", "chunks", "cpu_us"),
    ),
    "start": (
        Panel("import, ms over starting Python", "import", "ms"),
        Panel("process start to first result, ms", "first_result", "ms"),
    ),
    "lag": (
        Panel("call to first token, ms", "first_token", "ms"),
        Panel("lag of a token after 20 ms of quiet, ms", "quiet_lag", "ms"),
        Panel("done-lag within the hold, ms", "held", "ms"),
        Panel("done-lag past the hold, ms (logarithmic)", "past_hold", "ms", log=True),
    ),
}


def draw(folder: pathlib.Path, results: Results, polling: dict[str, Curve], columns: list[str]) -> None:
    """Draw every picture into ``folder``; needs matplotlib."""
    try:
        import matplotlib
    except ImportError as error:
        raise SystemExit("The tables are written; the plots need matplotlib: pip install matplotlib") from error
    matplotlib.use("svg")
    with matplotlib.rc_context(STYLE):
        for name, panels in PICTURES.items():
            bars(folder / f"{name}.svg", panels, results, columns)
        if polling:
            lines(folder / "polling.svg", polling)


def colour(column: str) -> str:
    """Ours, the official client's, or a library's."""
    return OURS if column.startswith("ours") else OFFICIAL if column.startswith("official") else GREY


def bars(path: pathlib.Path, panels: tuple[Panel, ...], results: Results, columns: list[str]) -> None:
    """Horizontal bars, two panels in a row, with the spread as a line at their ends."""
    from matplotlib import pyplot

    rows = (len(panels) + 1) // 2
    figure, axes = pyplot.subplots(rows, 2, figsize=(10, 2.6 * rows), squeeze=False)
    for unused in axes.flat[len(panels) :]:
        unused.set_visible(False)
    for panel, axis in zip(panels, axes.flat, strict=False):
        medians = {one: Median.of(results.values(panel.measure, one, panel.figure)) for one in reversed(columns)}
        found = {column: median for column, median in medians.items() if median}
        axis.barh(
            [COLUMNS[column].title for column in found],
            [median.value for median in found.values()],
            xerr=[median.spread for median in found.values()],
            color=[colour(column) for column in found], ecolor=GREY, height=0.6,
        )  # fmt: skip
        for place, median in enumerate(found.values()):
            axis.text(median.value, place, f"  {median.value:,.3g}", va="center", fontsize=8)
        axis.margins(x=0.25)
        axis.set_title(panel.title)
        if panel.log and found:
            axis.set_xscale("log")
    save(figure, path)


def lines(path: pathlib.Path, polling: dict[str, Curve]) -> None:
    """Lag and requests over the duration of a prediction."""
    from matplotlib import pyplot

    figure, (lag, requests) = pyplot.subplots(1, 2, figsize=(10, 3.4))
    styles: dict[str, Any] = {
        name: {"color": GREY, "linestyle": one} for name, one in zip(polling, ("--", ":"), strict=False)
    }
    styles["replicate_home"] = {"color": OURS, "linewidth": 2}
    for name, curve in polling.items():
        lag.plot(curve.durations, curve.lags, label=name, **styles[name])
        requests.plot(curve.durations, curve.requests, label=name, **styles[name])
    for axis, title in ((lag, "mean lag, s"), (requests, "requests")):
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("duration of the prediction, s")
        axis.set_title(title)
        axis.legend()
    save(figure, path)


def save(figure: Any, path: pathlib.Path) -> None:
    """Write one picture, without a date, so that equal results make equal files."""
    from matplotlib import pyplot

    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
