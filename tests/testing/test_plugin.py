"""The pytest plugin, in test suites of other people."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SUITE = """
import os
import pytest
import replicate_home


def answer():
    return replicate_home.run("owner/llm", prompt="Hi").text


@pytest.mark.parametrize("number", range(20))
def test_everything_is_faked(fake_replicate, number):
    fake_replicate.on("owner/llm").streams("Hel", "lo").takes(300)
    assert answer() == "Hello"


@pytest.mark.parametrize("number", range(3))
def test_everything_is_led_to_a_server(replicate_server, number):
    replicate_server.on("owner/llm").streams("Hel", "lo").takes(300)
    assert os.environ["REPLICATE_BASE_URL"] == replicate_server.url
    assert answer() == "Hello"


@pytest.mark.replicate(strict=False)
def test_what_is_meant_is_forgiven(fake_replicate):
    with pytest.raises(replicate_home.UnexpectedRequest):
        answer()


def test_nothing_is_left_of_it():
    with pytest.raises(replicate_home.AuthenticationError):
        answer()
"""
SWALLOWING = """
import contextlib
import replicate_home


def test_code_that_swallows_its_exceptions(fake_replicate):
    with contextlib.suppress(Exception):
        replicate_home.run("owner/none", prompt="Hi")
"""


def pytest_of(folder: Path, suite: str, *options: str) -> str:
    """What pytest says of a suite in a process of its own."""
    folder.joinpath("test_suite.py").write_text(suite)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", *options]
    environment = {"PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=50, check=False)
    return done.stdout + done.stderr


def test_its_fixtures_are_found_and_clean_up(tmp_path: Path) -> None:
    assert "25 passed" in pytest_of(tmp_path, SUITE)


@pytest.mark.parametrize(("plugin", "options"), [("xdist", ("-n", "2")), ("random_order", ("--random-order",))])
@pytest.mark.long
def test_it_works_side_by_side_and_in_any_order(tmp_path: Path, plugin: str, options: tuple[str, ...]) -> None:
    assert find_spec(plugin) is not None, f"the extra 'test' installs {plugin}"
    assert "25 passed" in pytest_of(tmp_path, SUITE, *options)


def test_what_was_not_told_fails_at_the_end_of_the_test(tmp_path: Path) -> None:
    said = pytest_of(tmp_path, SWALLOWING)
    assert "1 passed, 1 error" in said
    assert "UnexpectedRequest: the fake was asked for the model 'owner/none'" in said


def test_nothing_of_ours_is_imported_before_a_fixture_is_used(tmp_path: Path) -> None:
    suite = """
import sys

def test_only_the_plugin_is_there():
    ours = sorted(name for name in sys.modules if name.startswith("replicate_home"))
    assert ours == ["replicate_home", "replicate_home.testing", "replicate_home.testing.plugin"]
"""
    assert "1 passed" in pytest_of(tmp_path, suite)
