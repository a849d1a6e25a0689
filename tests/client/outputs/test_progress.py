"""Showing how far a prediction is, on stderr and only if asked."""

from __future__ import annotations

import asyncio
import base64
import sys
from pathlib import Path
from typing import Any

import pytest

from replicate_home import FileOutput, MissingExtra, Snapshot
from replicate_home.client.engine.calls import RunOptions
from replicate_home.client.outputs.progress import reporting
from replicate_home.client.outputs.streams import Format
from replicate_home.testing import FakeReplicate

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


class Bytes:
    """A tqdm class for bytes, which keeps what it was told."""

    told: list[Any]

    def __init__(self, total: int | None = None, **options: Any) -> None:
        self.told.append((total, options["desc"], options["unit"]))

    def __enter__(self) -> Bytes:
        return self

    def __exit__(self, *error: object) -> None:
        self.told.append("closed")

    def update(self, count: int) -> None:
        self.told.append(count)


def test_an_upload_shows_how_much_of_it_was_sent(capsys: pytest.CaptureFixture[str]) -> None:
    class Mine(Bytes):
        told: list[Any] = []  # noqa: RUF012 - a list of this test's own

    with FakeReplicate() as fake, fake.client() as client:
        stored = client.files.create(b"x" * 100, "x.bin", progress=Mine)
    (total, name, unit), *counts, closed = Mine.told
    assert (name, unit, closed) == ("x.bin", "B", "closed")
    assert sum(counts) == total > 100
    assert stored.size == 100


@pytest.mark.parametrize("get", [lambda file, path: file.save(path, progress=True), lambda file, path: asyncio.run(file.asave(path, progress=True))])  # fmt: skip  # noqa: E501
def test_a_file_that_is_saved_shows_how_much_of_it_has_come(
    get: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = FileOutput("data:image/png;base64," + base64.b64encode(bytes(3_000)).decode())
    get(file, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == bytes(3_000)
    shown = capsys.readouterr().err
    assert "output.png" in shown
    assert "2.93k" in shown
