"""``client.models``: what models take and give, for both clients."""

from __future__ import annotations

from ...records.schema import Schema
from ..engine.async_engine import AsyncEngine
from ..engine.engine import Engine


class Models:
    """``client.models``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def schema(self, model: str) -> Schema:
        """The JSON schemas of the model's input and output; asked once for each client."""
        return self._engine.schema(model)


class AsyncModels:
    """``client.models``, awaited."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def schema(self, model: str) -> Schema:
        """The JSON schemas of the model's input and output; asked once for each client."""
        return await self._engine.schema(model)
