"""aiohttp as one would write it by hand for this server: a session without a limit of connections."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
from async_peer import AsyncPeer
from peer import INPUT, TOKEN


class Peer(AsyncPeer):
    """aiohttp."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.session = self.runner.run(connect())

    async def aclose(self) -> None:
        """Close the session."""
        await self.session.close()

    async def create(self, model: str, **headers: str) -> dict:
        """Create a prediction."""
        url = f"{self.origin}/v1/models/{model}/predictions"
        async with self.session.post(url, json={"input": INPUT}, headers=headers) as response:
            return await response.json()

    async def arun(self, model: str) -> str:
        """Let the server hold the create."""
        return (await self.create(model, Prefer="wait"))["output"]

    async def atokens(self, model: str) -> AsyncIterator[str]:
        """Read what has arrived, cut at empty lines."""
        url = (await self.create(model))["urls"]["stream"]
        rest = b""
        async with self.session.get(url) as response:
            async for piece in response.content.iter_any():
                *events, rest = (rest + piece).split(b"\n\n")
                for event in events:
                    if event.startswith(b"event: output"):
                        yield event[event.index(b"\ndata: ") + 7 :].decode()


async def connect() -> aiohttp.ClientSession:
    """A session made inside the loop that will use it."""
    return aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}, connector=aiohttp.TCPConnector(limit=0))
