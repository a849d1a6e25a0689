"""An AsyncClient as a blocking one, so that one suite proves the promises of both: an event loop in a thread serves it.

What it hands out is blocking too: a coroutine is waited for, an async iterator is an iterator.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from replicate_home import AiohttpTransport, AsyncClient, AsyncPrediction, AsyncStream
from replicate_home.client.async_client import AsyncFunction
from replicate_home.client.engine.async_connections import AsyncConnections
from replicate_home.client.engine.async_engine import AsyncEngine
from replicate_home.client.engine.connections import Connections
from replicate_home.client.outputs.async_streams import AsyncEvents
from replicate_home.client.resources.pages import AsyncPage
from replicate_home.client.resources.predictions import AsyncPredictions

_OF_LOOPS = (
    AiohttpTransport, AsyncGenerator, AsyncClient, AsyncConnections, AsyncEngine, AsyncEvents, AsyncFunction, AsyncPage,
    AsyncPrediction, AsyncPredictions, AsyncStream, Connections,
)  # fmt: skip
_END = object()


class Loop:
    """An event loop in a thread, ended as ``asyncio.run`` ends its own."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop")
        self._thread.start()

    def client(self, *arguments: Any, **options: Any) -> Any:
        """A client that works in this loop."""
        return self.call(AsyncClient, *arguments, **options)

    def call(self, function: Any, *arguments: Any, **options: Any) -> Any:
        """What a function of the loop's returns, blocking as well."""

        async def call() -> Any:
            result = function(*arguments, **options)
            return await result if inspect.isawaitable(result) else result

        return self.blocking(asyncio.run_coroutine_threadsafe(call(), self._loop).result())

    def blocking(self, value: Any) -> Any:
        """The same value, or what stands for it."""
        return Looped(value, self) if isinstance(value, _OF_LOOPS) else value

    def end(self) -> None:
        """Close the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._runner.close()


class Looped:
    """Stands for something that is used in an event loop."""

    def __init__(self, target: Any, loop: Loop) -> None:
        self._target = target
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if inspect.isroutine(value):
            return lambda *arguments, **options: self._loop.call(value, *arguments, **options)
        return self._loop.blocking(value)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._loop.call(self._target, *arguments, **options)

    def close(self) -> None:
        """Close it; the events of a stream are let go."""
        if isinstance(self._target, AsyncEvents):
            self._target = None
        else:
            self._loop.call(getattr(self._target, "aclose" if isinstance(self._target, AsyncStream) else "close"))

    def __getitem__(self, key: Any) -> Any:
        return self._target[key]

    def __iter__(self) -> Iterator[Any]:
        if not hasattr(self._target, "__aiter__"):
            return iter(self._target)
        iterator = self._target.__aiter__()
        return self if iterator is self._target else iter(self._each(iterator))

    def __next__(self) -> Any:
        return self._next(self._target)

    def __enter__(self) -> Any:
        return self._loop.call(self._target.__aenter__)

    def __exit__(self, *error: Any) -> Any:
        return self._loop.call(self._target.__aexit__, *error)

    def __repr__(self) -> str:
        return repr(self._target)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unchanged, (self._target,)  # what is pickled is what it stands for

    def _each(self, iterator: Any) -> Iterator[Any]:
        while True:
            try:
                yield self._next(iterator)
            except StopIteration:
                return

    def _next(self, iterator: Any) -> Any:
        item = self._loop.call(anext, iterator, _END)
        if item is _END:
            raise StopIteration
        return item


def _unchanged(target: Any) -> Any:
    return target
