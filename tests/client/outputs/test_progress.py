"""Showing how far a prediction is, on stderr and only if asked."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from replicate_home import MissingExtra, Snapshot
from replicate_home.client.engine.calls import RunOptions
from replicate_home.client.outputs.progress import reporting
from replicate_home.client.outputs.streams import Format

STEP = " 30%|###       | 3/10 [00:01<00:02,  3.00it/s]\n"


def snapshot(status: str, **more: Any) -> Snapshot:
    return Snapshot({"id": "p1", "status": status, **more})


class Bar:
    """What is asked of a tqdm class."""

    made: list[Bar]

    def __init__(self, total: int | None, bar_format: str | None) -> None:
        self.total, self.bar_format, self.n = total, bar_format, 0
        self.shown: list[tuple[str, int, int | None]] = []
        self.is_closed = False
        self.made.append(self)

    def set_description(self, text: str, refresh: bool) -> None:
        assert refresh
        self.shown.append((text, self.n, self.total))

    def close(self) -> None:
        self.is_closed = True


def test_what_asks_for_no_bar_gets_none():
    assert Format.of(RunOptions("owner/llm"), "https://api.replicate.com/v1", None).report is None


def test_a_bar_of_the_callers_own_class_shows_the_steps_and_is_closed_at_the_end() -> None:
    class Mine(Bar):
        made: list[Bar] = []  # noqa: RUF012 - a list of this test's own

    seen: list[Snapshot] = []
    report = reporting(seen.append, Mine)
    assert report is not None
    snapshots = [
        snapshot("starting"),
        snapshot("processing", logs=STEP, model="owner/name"),
        snapshot("succeeded", logs=STEP),
    ]
    for each in snapshots:
        report(each)
    assert seen == snapshots
    assert [(bar.shown, bar.is_closed) for bar in Mine.made] == [
        ([("prediction starting", 0, None), ("owner/name processing", 3, 10), ("prediction succeeded", 3, 10)], True)
    ]


def test_the_bar_is_on_stderr_and_leaves_no_thread(capsys: pytest.CaptureFixture[str]) -> None:
    report = reporting(None, True)
    assert report is not None
    report(snapshot("processing", logs=STEP))
    report(snapshot("succeeded", logs=STEP))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "prediction processing:  30%" in printed.err
    assert "prediction succeeded" in printed.err


def test_without_tqdm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(MissingExtra, match="python -m pip install tqdm"):
        reporting(None, True)
