from __future__ import annotations

import pytest


class Run:
    """What a model is given, as far as these models use it: it notes what was slept and logged."""

    def __init__(self) -> None:
        self.sleeps: list[float] = []
        self.logs: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)

    def log(self, text: str) -> None:
        self.logs.append(text)


@pytest.fixture
def run() -> Run:
    return Run()
