"""Everything in a process faked at once: in process, and over sockets by the environment."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import replicate_home
from replicate_home import AsyncClient, Client
from replicate_home.client.engine.connections import stand_in
from replicate_home.exceptions import AuthenticationError, UnexpectedRequest
from replicate_home.provider.provider import ReplicateHome
from replicate_home.testing.fake import FakeReplicate

ENVIRONMENT = ("REPLICATE_BASE_URL", "REPLICATE_API_TOKEN", "REPLICATE_HOME_BACKEND")
MESSAGES = [{"role": "user", "content": "Hi"}]


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    with FakeReplicate() as fake:
        fake.on("owner/llm").streams("Hel", "lo").takes(600)
        yield fake


def answer() -> str:
    """Code under test, which makes a client of its own."""
    with Client() as client:
        return client.run("owner/llm", prompt="Hi", timeout=700).text


async def async_answer() -> str:
    async with AsyncClient(timeout=700) as client:
        return "".join([chunk async for chunk in client.stream("owner/llm", prompt="Hi")])


def test_a_client_that_the_code_makes_talks_to_the_fake(fake: FakeReplicate) -> None:
    with fake.installed():
        assert answer() == "Hello"
    assert fake.clock.now() == 600
    with pytest.raises(AuthenticationError):
        answer()


def test_so_does_an_async_client(fake: FakeReplicate) -> None:
    with fake.installed():
        assert asyncio.run(async_answer()) == "Hello"

        async def many() -> list[str]:
            return await asyncio.gather(*(async_answer() for _ in range(50)))

        assert asyncio.run(many()) == ["Hello"] * 50
    assert fake.clock.now() == 1200


def test_so_do_the_functions_of_the_module_also_where_they_were_used_before(fake: FakeReplicate) -> None:
    before = replicate_home.default_client
    with fake.installed():
        assert replicate_home.run("owner/llm", prompt="Hi", timeout=700).text == "Hello"
        assert list(replicate_home.predictions.list()) != []
        assert replicate_home.default_client is not before
    assert replicate_home.default_client is before


def test_so_does_the_provider_in_threads_and_in_event_loops(fake: FakeReplicate) -> None:
    async def ask() -> str:
        return "".join(
            [piece async for piece in ReplicateHome.create_async_generator("owner/llm", MESSAGES, **options)]
        )

    options: dict[str, Any] = {"api_key": "r8_x", "timeout": 700}
    with fake.installed(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReplicateHome, "models", [*ReplicateHome.models, "owner/llm"])
        assert "".join(ReplicateHome.create_completion("owner/llm", MESSAGES, **options)) == "Hello"
        assert asyncio.run(ask()) == "Hello"
    assert len(fake.calls) == 2


def test_threads_see_it(fake: FakeReplicate) -> None:
    answers: list[str] = []
    with fake.installed():
        threads = [threading.Thread(target=lambda: answers.append(answer())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == ["Hello"] * 8


def test_the_inner_of_two_counts_and_then_the_outer_again(fake: FakeReplicate) -> None:
    with FakeReplicate() as inner, fake.installed():
        inner.on("owner/llm").returns("inner")
        with inner.installed():
            assert answer() == replicate_home.run("owner/llm", prompt="Hi").text == "inner"
        assert answer() == "Hello"
        with fake.installed():
            assert answer() == "Hello"
        assert answer() == "Hello"
    assert stand_in() is None


def test_an_exception_undoes_it_too(fake: FakeReplicate) -> None:
    before = replicate_home.default_client
    with pytest.raises(ZeroDivisionError), fake.installed():
        raise ZeroDivisionError
    assert (stand_in(), replicate_home.default_client) == (None, before)


def test_what_the_fake_was_not_told_is_loud_in_code_that_makes_its_own_client(fake: FakeReplicate) -> None:
    with fake.installed(), Client() as client, pytest.raises(UnexpectedRequest, match="owner/none"):
        client.run("owner/none", prompt="Hi")
    fake.unexpected.clear()


def test_a_transport_of_ones_own_is_kept(fake: FakeReplicate) -> None:
    with FakeReplicate() as other, fake.installed():
        other.on("owner/llm").returns("other")
        assert other.client().run("owner/llm", prompt="Hi") == "other"
    assert fake.calls == []


def test_a_client_that_is_used_after_the_block_still_talks_to_the_fake(fake: FakeReplicate) -> None:
    with fake.installed():
        client = Client(timeout=700)
    assert client.run("owner/llm", prompt="Hi").text == "Hello"


# -- over sockets


def test_while_it_is_served_the_environment_leads_to_it(fake: FakeReplicate) -> None:
    os.environ["REPLICATE_API_TOKEN"], os.environ["REPLICATE_HOME_BACKEND"] = "r8_mine", "home"
    with fake.serve() as url:
        assert os.environ["REPLICATE_BASE_URL"] == url
        assert os.environ["REPLICATE_API_TOKEN"].startswith("r8_000")
        assert answer() == "Hello"
    found = {name: os.environ.get(name) for name in ENVIRONMENT}
    assert found == dict(zip(ENVIRONMENT, (None, "r8_mine", "home"), strict=True))


def test_other_processes_are_led_to_it_too(fake: FakeReplicate) -> None:
    script = "import replicate_home; print(replicate_home.run('owner/llm', prompt='Hi'))"
    with fake.serve():
        told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert told.stdout == "Hello\n"


def test_an_exception_gives_the_environment_back(fake: FakeReplicate) -> None:
    with pytest.raises(ZeroDivisionError), fake.serve():
        raise ZeroDivisionError
    assert [os.environ.get(name) for name in ENVIRONMENT] == [None, None, None]
