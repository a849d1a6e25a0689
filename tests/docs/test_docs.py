"""The pages hold together: links lead somewhere, what is generated is current, and commands are the real ones.

That their examples work is seen elsewhere: every block of README.md and docs/ is run (see the conftest.py beside them).
"""

from __future__ import annotations

import ast
import configparser
import importlib.util
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import replicate_home
from replicate_home import testing

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
PROSE = {page: page.read_text(encoding="utf-8") for page in PAGES}
STREAM_COMMAND = 'python -m pip install ".[cli,local]" && replicate-home stream local/markov prompt="The interpreter"'
TEST_COMMAND = 'python -m pip install ".[test]" && python -m pytest'


def test_the_first_screen_of_the_readme_has_the_two_commands():
    first_screen = PROSE[ROOT / "README.md"].splitlines()[:24]
    assert [command in first_screen for command in (STREAM_COMMAND, TEST_COMMAND)] == [True, True]


def test_ci_runs_exactly_the_test_command_of_the_readme():
    assert f"{{ {TEST_COMMAND}; }}" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_extra_that_the_pages_name_is_there():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    named = [
        name
        for text in PROSE.values()
        for names in re.findall(r'(?:replicate_home|"\.)\[([a-z0-9,]+)\]', text)
        for name in names.split(",")
    ]
    assert named
    assert set(named) <= set(config["options.extras_require"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_the_pages_lead_somewhere(page: Path):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)(#[^)]*)?\)", PROSE[page])
    assert [target for target, _ in targets if not (page.parent / target).is_file()] == []
    for target, anchor in targets:
        if anchor:
            assert anchor[1:] in headings((page.parent / target).read_text(encoding="utf-8"))


def headings(text: str) -> set[str]:
    """The anchors of a page, as they are made from its headings."""
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in found}


def test_every_page_is_in_a_table_of_contents():
    listed = re.findall(r"^[a-z0-9-]+$", PROSE[DOCS / "index.md"], re.MULTILINE)
    assert sorted(["index", *listed]) == sorted(page.stem for page in DOCS.glob("*.md"))


def test_what_is_generated_is_current(monkeypatch: pytest.MonkeyPatch):
    """``python docs/generate.py`` would change nothing."""
    monkeypatch.syspath_prepend(DOCS)
    pages: dict[Path, str] = runpy.run_path(str(DOCS / "generate.py"))["pages"]()
    assert {page.name for page in pages} >= {"lifecycle.md", "reference.md", "command-line.md", "llms.txt"}
    stale = [path.name for path, content in pages.items() if path.read_text(encoding="utf-8") != content]
    assert stale == [], "run python docs/generate.py"


def test_the_reference_lists_and_documents_every_public_name_once():
    names = [f"replicate_home.{name}" for name in replicate_home.__all__ if name != "__version__"]
    names += [f"replicate_home.testing.{name}" for name in testing.__all__]
    listed = re.findall(r"^\| {py:obj}`\w+ <([\w.]+)>`", PROSE[DOCS / "reference.md"], re.MULTILINE)
    directives = r"^\.\. (?:auto(?:class|exception|function|data):: |py:data:: )([\w.]+)$"
    pages = [page for page in PAGES if page.name.startswith("reference-")]
    documented = [name for page in pages for name in re.findall(directives, PROSE[page], re.MULTILINE)]
    assert sorted(listed) == sorted(names)
    assert sorted(name if "." in name else f"replicate_home.{name}" for name in documented) == sorted(names)


def rows() -> list[list[str]]:
    """The table of promises: promise, test, cases, mutant."""
    lines = re.findall(r"^\| G\d+ .*$", PROSE[DOCS / "guarantees.md"], re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_promise_in_the_table_names_a_test_file_that_names_it():
    assert rows()
    for promise, test, _, mutant in rows():
        text = (ROOT / test.strip("`")).read_text(encoding="utf-8")
        assert "pytest.mark.reliability" in text
        assert mutant
        assert "transport_contract" in test or text.startswith(f'"""{promise.split()[0]}: ')


def test_no_promise_claims_more_cases_than_its_file_counts():
    counted = {test: int(cases) for _, test, cases, _ in rows() if cases.isdigit()}
    assert counted
    assert {test: cases for test, cases in counted.items() if cases > counted_in(ROOT / test.strip("`"))} == {}


def counted_in(path: Path) -> int:
    """The sum of what the ``counted(...)`` loops of a test file demand by day."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    loops = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "counted"]
    return sum(
        least(*[word.value for word in loop.keywords if word.arg == "at_least"], *loop.args[1:]) for loop in loops
    )


def least(demanded: ast.expr) -> Any:
    return ast.literal_eval(demanded.orelse if isinstance(demanded, ast.IfExp) else demanded)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.skipif(importlib.util.find_spec("sphinx") is None, reason="Sphinx comes with the extra docs")
def test_the_pages_build_without_a_warning(tmp_path: Path):
    command = [sys.executable, "-m", "sphinx", "-W", "-q", str(DOCS), str(tmp_path / "html"), "-d", str(tmp_path / "d")]
    built = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert (built.returncode, built.stderr) == (0, "")


def test_the_imports_that_the_guide_for_moving_writes_are_there():
    text = PROSE[DOCS / "migration.md"]
    imports = re.findall(r"^\+((?:import|from) .*)$", text, re.MULTILINE)
    assert len(imports) == 4
    exec("\n".join(imports), {})
    for name in re.findall(r"`replicate_home\.([A-Z]\w+)`", text):
        assert name in replicate_home.__all__
