"""Runs the examples of README.md and docs/: what a page shows is what happens.

Every page has a Replicate of its own on a loopback socket, in virtual time, which plays the models that the pages
name; whatever else is asked fails. ``python`` blocks are executed, and functions named ``test_...`` in them called.
A ``python script`` block is run in a process of its own, since it changes libraries for good. An ``output`` block is
what the block before it printed. In a ``console`` block the ``replicate-home`` commands are run, and what follows each
is its output. ``...`` stands for anything there. What needs a package that not everybody has is between comments that
skip it. The blocks of a page belong together: ``pytest -n`` gives them to one process, in their order.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import os
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, SkipParser

_STACK, _PRINTED = "_page_is_done", "_printed"
_TOOLS = frozenset({"django", "fastapi", "flask"})
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_LONG_PAGES = frozenset({"your-own-transport.md"})  # it tries a whole contract, twice


def _python(example: Example) -> None:
    """Execute a block, with ``await`` allowed as in a notebook, then the tests that it defines."""
    names = example.namespace
    known = set(names)
    padding = "\n" * (example.line + example.parsed.line_offset)  # so that tracebacks show the page's own lines
    code = compile(padding + example.parsed, example.path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with contextlib.redirect_stdout(io.StringIO()) as printed, _skipped_without(_TOOLS):
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, names))  # noqa: S307 - our own pages
        else:
            exec(code, names)  # noqa: S102 - our own pages
        for name in [name for name in names if name.startswith("test_") and name not in known]:
            _test(names[name])
    names[_PRINTED] = printed.getvalue()


@contextlib.contextmanager
def _skipped_without(modules: frozenset[str]) -> Iterator[None]:
    """Skip a block that imports one of these where it is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in modules:
            raise
        raise unittest.SkipTest(f"{name} comes with the extra tools") from None


def _test(function: Callable[..., None]) -> None:
    """Call a test with the fixtures of ours that it names, as pytest would."""
    from replicate_home.testing.fake import FakeReplicate

    wanted = inspect.signature(function).parameters
    with FakeReplicate() as fake, contextlib.ExitStack() as stack:
        if "fake_replicate" in wanted:
            stack.enter_context(fake.installed())
        if "replicate_server" in wanted:
            stack.enter_context(fake.serve())
        function(*[fake for _ in wanted])


def _script(example: Example) -> str | None:
    """Run a block as a program."""
    done = subprocess.run(  # noqa: S603 - our own pages
        [sys.executable, "-c", example.parsed], capture_output=True, text=True, timeout=50, check=False
    )
    example.namespace[_PRINTED] = done.stdout
    return done.stderr if done.returncode else None


def _output(example: Example) -> str | None:
    """Compare with what the last ``python`` block printed."""
    return _difference(example.parsed, example.namespace.pop(_PRINTED), example.line)


def _console(example: Example) -> str | None:
    """Run the block's ``replicate-home`` commands, one after the other, as a shell would."""
    for command, expected in _commands(example.parsed):
        if command.split()[0] != "replicate-home" and "| replicate-home" not in command:
            continue
        done = subprocess.run(  # noqa: S602 - a shell, for pipes; our own pages
            command, shell=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
        )
        if done.returncode:
            return f"{command} exited with {done.returncode}: {done.stderr}"
        different = _difference(expected, done.stdout, example.line) if expected else None
        if different:
            return f"{command}\n{different}"
    return None


def _commands(block: str) -> Iterator[tuple[str, str]]:
    """The commands of a block, each with the output that is shown for it."""
    for part in ("\n" + block).split("\n$ ")[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def _difference(expected: str, got: str, line: int) -> str | None:
    checker = doctest.OutputChecker()
    expected, got = expected.strip() + "\n", got.strip() + "\n"
    if checker.check_output(expected, got, _FLAGS):
        return None
    return checker.output_difference(doctest.Example("", expected, lineno=line), got, doctest.REPORT_NDIFF)


def _open_page(names: dict[str, Any]) -> None:
    """A folder, an environment and a Replicate for one page."""
    names["__name__"] = "__main__"
    stack = names[_STACK] = contextlib.ExitStack()
    names["missing"] = lambda *packages: any(find_spec(package) is None for package in packages)
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    patch.chdir(stack.enter_context(tempfile.TemporaryDirectory()))
    for name in [name for name in os.environ if "REPLICATE" in name or name.upper().endswith("_PROXY")]:
        patch.delenv(name)
    patch.setenv("REPLICATE_BASE_URL", stack.enter_context(_small_replicate()))
    patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def _close_page(names: dict[str, Any]) -> None:
    """Close what the page left open, as the end of a script would."""
    stack: contextlib.ExitStack = names.pop(_STACK)
    with stack:
        for value in list(names.values()):
            if type(value).__module__.startswith("replicate_home.client") and hasattr(value, "close"):
                closing = value.close()
                if inspect.isawaitable(closing):
                    asyncio.run(_awaited(closing))
        names.clear()


async def _awaited(closing: Any) -> None:
    await closing


@contextlib.contextmanager
def _small_replicate() -> Iterator[str]:
    """The models that the pages name, on a socket; gives its URL."""
    from replicate_home.demo import MODELS
    from replicate_home.testing.fake import FakeReplicate

    with FakeReplicate() as fake, fake.serve() as url:
        for name, function in MODELS.items():
            fake.on(name).calls(function)
        fake.on("google-deepmind/gemma-2b-it").streams("Hello", ", ", "world", "!")
        fake.on("stability-ai/stable-diffusion-3").calls(MODELS["local/plasma"])
        yield url


pytest_collect_file = Sybil(
    parsers=[
        CodeBlockParser(language="python", evaluator=_python),
        CodeBlockParser(language="python script", evaluator=_script),
        CodeBlockParser(language="output", evaluator=_output),
        CodeBlockParser(language="console", evaluator=_console),
        SkipParser(),
    ],
    patterns=["README.md", "docs/*.md"],
    setup=_open_page,
    teardown=_close_page,
).pytest()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the blocks of pages: they stay in their order, and those of some pages take long."""
    for item in items:
        if item.path.suffix == ".md":
            item.add_marker(pytest.mark.random_order(disabled=True))
            if item.path.name in _LONG_PAGES:
                item.add_marker(pytest.mark.long)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have ``pytest -n`` give all blocks of a page to one process, and every other test to the next that is free."""
    from xdist.scheduler import LoadScopeScheduling

    class PagesTogether(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:  # what xdist has one override
            page, _, _ = nodeid.partition("::")
            return page if page.endswith(".md") else nodeid

    return PagesTogether(config, log)
