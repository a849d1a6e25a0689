"""This project's asynchronous client, with its defaults and the extra ``async``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from async_peer import AsyncPeer
from peer import INPUT, TOKEN

from replicate_home import AsyncClient


class Peer(AsyncPeer):
    """This project, asynchronous."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.client = self.runner.run(connect(origin))

    async def aclose(self) -> None:
        """Close the client."""
        await self.client.aclose()

    async def arun(self, model: str) -> str:
        """``client.run``."""
        return str(await self.client.run(model, INPUT))

    def atokens(self, model: str) -> AsyncIterator[Any]:
        """``client.stream``."""
        return aiter(self.client.stream(model, INPUT))

    async def afile(self, model: str) -> AsyncIterator[bytes]:
        """Iterate over a file output."""
        return aiter((await self.client.run(model, INPUT)).file)

    async def aupload(self, path: str) -> None:
        """``client.run`` with a file input, which is uploaded first."""
        await self.client.run("bench/finished", {"file": Path(path)}, file_encoding_strategy="url")


async def connect(origin: str) -> AsyncClient:
    """A client made inside the loop that will use it."""
    return AsyncClient(api_token=TOKEN, base_url=origin)
