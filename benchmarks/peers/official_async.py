"""The official Python client's asynchronous methods."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from async_peer import AsyncPeer
from peer import INPUT, TOKEN
from replicate.client import Client


class Peer(AsyncPeer):
    """The official client, asynchronous."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.client = Client(api_token=TOKEN, base_url=origin)

    async def arun(self, model: str) -> str:
        """``replicate.async_run``."""
        return await self.client.async_run(model, input=INPUT)

    async def atokens(self, model: str) -> AsyncIterator[Any]:
        """``replicate.async_stream``; each event is made text, as when it is printed."""
        async for event in await self.client.async_stream(model, input=INPUT):
            if event.event.value == "output":
                yield str(event)

    async def afile(self, model: str) -> AsyncIterator[bytes]:
        """Iterate over a file output (made by hand: the client makes one of ``https:`` URLs only)."""
        from replicate.helpers import FileOutput

        return aiter(FileOutput(await self.arun(model), self.client))

    async def aupload(self, path: str) -> None:
        """``replicate.files.async_create``."""
        await self.client.files.async_create(path)
