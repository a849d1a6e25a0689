"""The tests of the promises can fail: each small wrong of the table makes one of them fail.

By day a few of them are tried, at night all; by day, too, the table is held against the code.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import replicate_home

from ..hypothesis_profiles import is_nightly
from .cases import NIGHTLY, UNHURRIED
from .mutants import MUTANTS, Mutant

pytestmark = [pytest.mark.reliability, UNHURRIED]
PACKAGE = Path(replicate_home.__file__).parent
ROOT = Path(__file__).parents[2]
TRIED = MUTANTS if NIGHTLY else [mutant for mutant in MUTANTS if mutant.quick]


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The package and its tests, where they may be spoiled."""
    place = tmp_path_factory.mktemp("mutants")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, place / "replicate_home", ignore=ignored)
    shutil.copytree(ROOT / "tests", place / "tests", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", place)
    return place


def outcome(copy: Path, test: str) -> int:
    """The exit status of pytest for one test, run on the copy: 0 passed, 1 failed."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "", "-p", "no:cacheprovider", test]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=300, check=False).returncode


def test_the_profile_was_known_when_the_cases_were_counted():
    assert is_nightly() == NIGHTLY


def test_every_mutant_stands_for_one_place_of_the_code():
    for mutant in MUTANTS:
        assert (PACKAGE / mutant.file).read_text().count(mutant.old) == 1, mutant.why
        assert (ROOT / mutant.test.partition("::")[0]).exists()
    assert len(MUTANTS) >= 140


@pytest.mark.long
@pytest.mark.parametrize("mutant", TRIED, ids=lambda mutant: mutant.why.replace(" ", "_"))
def test_a_mutant_makes_its_test_fail(copy, mutant: Mutant):
    place = copy / "replicate_home" / mutant.file
    sound = place.read_text()
    place.write_text(sound.replace(mutant.old, mutant.new))
    try:
        assert outcome(copy, mutant.test) == 1
    finally:
        place.write_text(sound)


@pytest.mark.long
def test_without_a_mutant_the_test_passes(copy):
    """Else the failures above would say nothing."""
    assert outcome(copy, next(mutant for mutant in MUTANTS if mutant.quick).test) == 0
