"""Both clients behind one face, for tests that say the same of either."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from replicate_home import AsyncClient, Client


class Blocking:
    """A :class:`Client`; each method does one whole thing."""

    def __init__(self, url: str, **options: Any) -> None:
        self.url, self.options = url, options

    def run(self, *args: Any, **options: Any) -> Any:
        with self._client() as client:
            return client.run(*args, **options)

    def chunks(self, *args: Any, **options: Any) -> list[Any]:
        with self._client() as client, client.stream(*args, **options) as stream:
            return list(stream)

    def create(self, *args: Any, **options: Any) -> Any:
        with self._client() as client:
            return client.predictions.create(*args, **options).snapshot

    def _client(self) -> Client:
        return Client(backend="cog", base_url=self.url, **self.options)


class Awaited(Blocking):
    """An :class:`AsyncClient`, an event loop for each call."""

    def run(self, *args: Any, **options: Any) -> Any:
        async def run() -> Any:
            async with self._client() as client:
                return await client.run(*args, **options)

        return asyncio.run(run())

    def chunks(self, *args: Any, **options: Any) -> list[Any]:
        async def stream() -> Any:
            async with self._client() as client, client.stream(*args, **options) as stream:
                return [chunk async for chunk in stream]

        return asyncio.run(stream())

    def create(self, *args: Any, **options: Any) -> Any:
        async def create() -> Any:
            async with self._client() as client:
                return (await client.predictions.create(*args, **options)).snapshot

        return asyncio.run(create())

    def _client(self) -> Any:
        return AsyncClient(backend="cog", base_url=self.url, **self.options)


@pytest.fixture(params=[Blocking, Awaited], ids=["Client", "AsyncClient"])
def client_of(request: pytest.FixtureRequest) -> Any:
    """Makes a client for the server at an address, of either kind."""
    return request.param
