"""What is logged: ids, attempts and times; never inputs, outputs or tokens; and nothing where nobody asks for it."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from replicate_home import ModelError
from replicate_home.testing import FakeReplicate

TOKEN = "r8_" + "t" * 37


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    with FakeReplicate() as fake:
        fake.on("owner/llm").refuses(429, retry_after=2).then.returns("a secret answer")
        fake.on("owner/broken").fails("a secret reason")
        yield fake


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Levels and messages, with ids and made-up hosts shortened."""
    found = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "replicate_home"]
    return [(level, re.sub(r"[a-z0-9]{26}", "ID", text).replace("https://fake.invalid", "")) for level, text in found]


def test_each_request_is_logged_with_its_attempt_and_time_and_each_call_with_its_end(fake, caplog):
    with caplog.at_level(logging.DEBUG, "replicate_home"):
        fake.client(api_token=TOKEN).run("owner/llm", prompt="a secret question")
    assert logged(caplog) == [
        ("DEBUG", "create: POST /v1/predictions: 429 in 0.000 s"),
        ("DEBUG", "create: POST /v1/predictions: 201 in 0.000 s, attempt 2"),
        ("DEBUG", "poll: GET /v1/predictions/ID: 200 in 0.000 s, prediction ID"),
        ("INFO", "prediction ID of owner/llm: succeeded"),
    ]
    assert "secret" not in caplog.text
    assert TOKEN not in caplog.text


def test_a_failure_is_logged_by_its_class_and_not_by_its_message(fake, caplog):
    with caplog.at_level(logging.INFO, "replicate_home"), pytest.raises(ModelError):
        fake.client().run("owner/broken", prompt="a secret question")
    assert logged(caplog) == [("INFO", "prediction ID of owner/broken: failed (ModelError)")]
    assert "secret" not in caplog.text


def test_event_loops_log_the_same(fake, caplog):
    import asyncio

    async def run() -> None:
        async with fake.async_client() as client:
            await client.run("owner/llm", prompt="a secret question")

    with caplog.at_level(logging.DEBUG, "replicate_home"):
        asyncio.run(run())
    assert [text.partition(":")[0] for _, text in logged(caplog)][:2] == ["create", "create"]
    assert logged(caplog)[-1] == ("INFO", "prediction ID of owner/llm: succeeded")


SCRIPT = """
from replicate_home import Client
Client.local({"local/upper": lambda text: text.upper()}).run("local/upper", {"text": "secret"})
"""


@pytest.mark.parametrize(("level", "lines"), [("", 0), ("info", 1), ("debug", 3), ("DEBUG", 3)])
def test_an_environment_variable_shows_it_on_stderr(level, lines):
    environment = {**os.environ, "REPLICATE_HOME_LOG": level}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, len(done.stderr.splitlines()), "secret" in done.stderr) == ("", lines, False)
    assert all(" replicate_home: " in line for line in done.stderr.splitlines())
