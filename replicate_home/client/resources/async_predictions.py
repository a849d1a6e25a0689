"""The handle on a prediction, and pages of them, for event loops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from ...records.prediction import Snapshot
from ..engine.settings import DEFAULT, TimeoutOption
from ..outputs.results import Result
from .predictions import PageFacts, PredictionFacts

if TYPE_CHECKING:
    from ..async_client import AsyncClient
    from ..engine.core import Errand
    from ..outputs.async_streams import AsyncStream


class AsyncPrediction(PredictionFacts):
    """A prediction that you hold; the same as :class:`Prediction`, awaited."""

    __slots__ = ()
    _client: AsyncClient | None

    async def reload(self) -> AsyncPrediction:
        """Ask the server how it is now."""
        return await self._ask(self._owner()._getting(self.id, self._dialect_name))

    async def wait(self, timeout: TimeoutOption = DEFAULT) -> AsyncPrediction:
        """Wait until it is terminal, whatever its status then.

        Raises :class:`PredictionTimeout` after ``timeout`` seconds (600 where not given); it is not canceled.
        """
        return await self._ask(self._owner()._waiting(self.snapshot, self._dialect_name, timeout))

    async def cancel(self) -> AsyncPrediction:
        """Have it canceled; harmless where it has ended."""
        return await self._ask(self._owner()._cancelling(self.id, self._dialect_name))

    async def result(self, timeout: TimeoutOption = DEFAULT) -> Result:
        """Its output as ``client.run()`` returns it, after waiting; raises :class:`ModelError` where it failed."""
        await self.wait(timeout)
        return self._owner()._result(self.snapshot, self._dialect_name)

    def stream(self, timeout: TimeoutOption = DEFAULT) -> AsyncStream:
        """Its output from the beginning, as it grows."""
        return self._owner()._follow(self.snapshot, self._dialect_name, timeout)

    def output_iterator(self, timeout: TimeoutOption = DEFAULT) -> AsyncStream:
        """The pieces of its output, those that are there already included."""
        return self.stream(timeout)

    def _owner(self) -> AsyncClient:
        if self._client is None:
            raise self._orphaned()
        return self._client

    async def _ask(self, errand: Errand[Snapshot]) -> AsyncPrediction:
        with self._updated_by_errors():
            return self._update(await self._owner()._do(errand))


class AsyncPredictions:
    """``client.predictions``: create, get, list and cancel, awaited."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def create(
        self,
        model: str | None = None,
        input: Mapping[str, Any] | None = None,
        *,
        version: str | None = None,
        prompt: str | None = None,
        messages: Any = None,
        wait: bool | int | None = None,
        webhook: str | None = None,
        webhook_events_filter: list[str] | None = None,
        timeout: TimeoutOption = DEFAULT,
        file_encoding_strategy: str | None = None,
    ) -> AsyncPrediction:
        """Create a prediction and return at once, or after the server has held the request ``wait`` seconds.

        ``model`` is any form of reference, or ``version`` alone. The prediction is yours: nothing cancels it
        but you.
        """
        if (model is None) == (version is None):
            raise TypeError("give model or version=, one of them")
        return await self._client._create(
            model or version,
            input,
            prompt=prompt,
            messages=messages,
            wait=wait,
            webhook=webhook,
            webhook_events_filter=webhook_events_filter,
            timeout=timeout,
            file_encoding_strategy=file_encoding_strategy,
        )

    async def get(self, id: str) -> AsyncPrediction:
        """The prediction with this id."""
        client = self._client
        name = client._backend_of(id)
        return AsyncPrediction(await client._do(client._getting(id, name)), client, name)

    async def cancel(self, id: str) -> AsyncPrediction:
        """Cancel the prediction with this id; harmless where it has ended."""
        client = self._client
        name = client._backend_of(id)
        return AsyncPrediction(await client._do(client._cancelling(id, name)), client, name)

    async def list(self, *, created_after: str | None = None, created_before: str | None = None) -> AsyncPage:
        """Your predictions, newest first; iterating goes on through all pages.

        ``created_after`` and ``created_before`` are ISO 8601 times.
        """
        client = self._client
        errand = client._paging("/predictions", created_after=created_after, created_before=created_before)
        return AsyncPage(client, await client._do(errand))


class AsyncPage(PageFacts):
    """One page of a list. ``async for`` yields its items and those of all pages after it."""

    results: list[AsyncPrediction]

    def __init__(self, client: AsyncClient, data: Mapping[str, Any]) -> None:
        super().__init__(client, data, AsyncPrediction)

    async def pages(self) -> AsyncIterator[AsyncPage]:
        """This page and those after it, each fetched when it is reached."""
        page, seen = self, set[str]()
        yield page
        while (following := page._following(seen)) is not None:
            page = AsyncPage(self._client, await self._client._do(self._client._paging(following)))
            yield page

    async def __aiter__(self) -> AsyncIterator[AsyncPrediction]:
        async for page in self.pages():
            for prediction in page.results:
                yield prediction
