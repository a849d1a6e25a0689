"""An async model with four slots, which streams."""

import asyncio

from cog import AsyncConcatenateIterator, BasePredictor, Input

try:
    from cog import streaming
except ImportError:

    def streaming(function):
        return function


class Predictor(BasePredictor):
    async def setup(self) -> None:
        await asyncio.sleep(0.1)

    @streaming
    async def predict(
        self,
        name: str = Input(default="x"),
        n: int = Input(default=5, ge=1, le=5000),
        delay: float = Input(default=0.2),
    ) -> AsyncConcatenateIterator[str]:
        for number in range(n):
            await asyncio.sleep(delay)
            print("%s tick %d" % (name, number), flush=True)
            yield "%s%d " % (name, number)
