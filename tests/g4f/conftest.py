"""g4f with its folders in a temporary place and its look for newer versions off, and servers for the provider."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.reliability.hosted_server import HostedServer
from tests.servers.home_server import HomeServer

if find_spec("g4f") is not None:
    with pytest.MonkeyPatch.context() as patch:  # it decides on its folders when it is imported
        patch.setenv("G4F_CONFIG_DIR", os.path.join(tempfile.gettempdir(), "g4f-of-replicate-home"))
        import g4f
    import g4f.cookies
    from g4f.client import AsyncClient, Client
    from g4f.providers.retry_provider import ProviderCircuitBreaker

    from replicate_home.g4f import ReplicateHome

GEMMA = "google-deepmind/gemma-2b-it"
SD3 = "stability-ai/stable-diffusion-3"
URLS = [f"https://replicate.delivery/x/{number}.png" for number in range(4)]
KEY = "r8_0123456789abcdefghijklmnop"


def hi() -> list[dict[str, Any]]:
    """A conversation; a new one each time, for g4f works on the caller's own list."""
    return [{"role": "user", "content": "Hi"}]


@pytest.fixture(autouse=True)
def g4f_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(g4f.cookies.CookiesConfig, "cookies_dir", str(tmp_path / "cookies"))
    monkeypatch.setattr(g4f.debug, "version_check", False)
    monkeypatch.setattr(ReplicateHome, "live", 0)
    ProviderCircuitBreaker.reset()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HomeServer]:
    with HomeServer() as running:
        monkeypatch.setattr(ReplicateHome, "base_url", running.url)
        yield running


@pytest.fixture
def hosted(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostedServer]:
    with HostedServer() as running:
        monkeypatch.setattr(ReplicateHome, "api_base_url", running.url)
        yield running


@attrs.frozen
class Reply:
    """What a chat came to: the pieces in which it came, and what g4f says of it at its end."""

    pieces: list[Any]
    last: Any

    @property
    def text(self) -> str:
        return "".join(map(str, self.pieces))

    @property
    def finish_reason(self) -> str:
        return str(self.last.choices[0].finish_reason)


Chat = Callable[..., Reply]


def _whole(completion: Any) -> Reply:
    return Reply([completion.choices[0].message.content], completion)


def _streamed(chunks: list[Any]) -> Reply:
    contents = [chunk.choices[0].delta.content for chunk in chunks]
    return Reply([content for content in contents if content is not None], chunks[-1])


def _options(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Those of a g4f client, and those of a call."""
    own = {name: options.pop(name) for name in ("provider", "api_key", "base_url", "proxies") if name in options}
    return {"provider": ReplicateHome, **own}, {"messages": hi(), **options}


def client_whole(**options: Any) -> Reply:
    own, call = _options(options)
    return _whole(Client(**own).chat.completions.create(**call))


def client_streamed(**options: Any) -> Reply:
    own, call = _options(options)
    return _streamed(list(Client(**own).chat.completions.create(stream=True, **call)))


def async_client_whole(**options: Any) -> Reply:
    async def main() -> Any:
        own, call = _options(options)
        return await AsyncClient(**own).chat.completions.create(**call)

    return _whole(asyncio.run(main()))


def async_client_streamed(**options: Any) -> Reply:
    async def main() -> list[Any]:
        own, call = _options(options)
        return [chunk async for chunk in AsyncClient(**own).chat.completions.create(stream=True, **call)]

    return _streamed(asyncio.run(main()))


WAYS = [client_whole, client_streamed, async_client_whole, async_client_streamed]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def chat(request: pytest.FixtureRequest) -> Chat:
    """A chat in each of g4f's four ways."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=["Client", "AsyncClient"])
def draw(request: pytest.FixtureRequest) -> Callable[..., list[str]]:
    """``images.generate`` of either client: the URLs that it gives."""

    def with_client(prompt: str, **options: Any) -> list[str]:
        own, call = _options(options)
        del call["messages"]
        made = Client(**own).images.generate(prompt, **{"response_format": "url", **call})
        return [image.url for image in made.data]

    def with_async_client(prompt: str, **options: Any) -> list[str]:
        async def main() -> Any:
            own, call = _options(options)
            del call["messages"]
            return await AsyncClient(**own).images.generate(prompt, **{"response_format": "url", **call})

        return [image.url for image in asyncio.run(main()).data]

    return with_client if request.param == "Client" else with_async_client
