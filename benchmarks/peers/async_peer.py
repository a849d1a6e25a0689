"""The loops of an asynchronous library, inside one event loop, so that starting it is not counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from peer import Peer


class AsyncPeer(Peer):
    """An asynchronous library over the server at ``origin``."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.runner = asyncio.Runner()

    async def arun(self, model: str) -> str:
        """Run one prediction to its end and return its output."""
        raise NotImplementedError

    def atokens(self, model: str) -> AsyncIterator[Any]:
        """Stream one prediction's tokens."""
        raise NotImplementedError

    async def afile(self, model: str) -> AsyncIterator[bytes]:
        """Run a model that returns a file: its pieces, none of which was asked for yet."""
        raise NotImplementedError

    async def aupload(self, path: str) -> None:
        """Upload the file at ``path``."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close every connection."""

    def close(self) -> None:
        """Close every connection and the loop."""
        self.runner.run(self.aclose())
        self.runner.close()

    def run(self, model: str) -> str:
        """Run one prediction to its end and return its output."""
        return self.runner.run(self.arun(model))

    def runs(self, model: str, count: int) -> None:
        """Run ``count`` predictions one after the other."""

        async def all_of_them() -> None:
            for _ in range(count):
                await self.arun(model)

        self.runner.run(all_of_them())

    def download(self, model: str) -> Callable[[], int]:
        """Run a model that returns a file; calling what comes back downloads it, piece by piece, and counts bytes."""
        file = self.runner.run(self.afile(model))

        async def receive() -> int:
            return sum([len(piece) async for piece in file])

        return lambda: self.runner.run(receive())

    def upload(self, path: str) -> None:
        """Upload the file at ``path``."""
        self.runner.run(self.aupload(path))

    def lag(self, model: str) -> float:
        """Seconds from the server's moment of completion to our having it."""

        async def once() -> float:
            return -float(await self.arun(model)) + time.monotonic()

        return self.runner.run(once())

    def drain(self, model: str) -> tuple[int, float]:
        """Stream to the end: the number of tokens, and the seconds from the call to the first of them."""

        async def once() -> tuple[int, float]:
            begun, first, count = time.perf_counter(), 0.0, 0
            async for _ in self.atokens(model):
                if not count:
                    first = time.perf_counter() - begun
                count += 1
            return count, first

        return self.runner.run(once())

    def token_lags(self, model: str) -> list[float]:
        """For each token of a paced stream, which is the moment of its writing: the seconds until we had it."""

        async def once() -> list[float]:
            return [time.monotonic() - float(str(token)) async for token in self.atokens(model)]

        return self.runner.run(once())

    def at_once(self, model: str, count: int) -> list[str]:
        """Run ``count`` predictions as tasks of one loop; the names of the errors of those that failed."""

        async def all_of_them() -> list[Any]:
            return await asyncio.gather(*(self.arun(model) for _ in range(count)), return_exceptions=True)

        return [type(one).__name__ for one in self.runner.run(all_of_them()) if isinstance(one, BaseException)]
