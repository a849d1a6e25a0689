"""What holds for every test of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def workplace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty current folder, no models but the toys, and threads that end with their last job."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("replicate_home.emulator.registry._shared", {})
    monkeypatch.setattr("replicate_home.threads.IDLE_SECONDS", 0.01)


@pytest.fixture(autouse=True)
def ordinary_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stdout is buffered, as it is unless Python is told otherwise."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
