"""Text in tokens, forevery version of Cog from 0.9 on."""

import time

from cog import BasePredictor, ConcatenateIterator, Input

try:
    from cog import streaming  # 0.21 and newer: asks for server-sent events
except ImportError:

    def streaming(function):
        return function


class Predictor(BasePredictor):
    def setup(self):
        print("setting up")

    @streaming
    def predict(
        self,
        prompt: str = Input(description="What to say"),
        n: int = Input(description="How many tokens", default=5, ge=0, le=10000),
        delay: float = Input(description="Seconds between tokens", default=0.2, ge=0, le=5),
        fail_at: int = Input(description="Raise before this token", default=-1),
        mode: str = Input(description="Style", default="plain", choices=["plain", "loud"]),
    ) -> ConcatenateIterator[str]:
        print("prompt:", prompt, flush=True)
        for number in range(n):
            if number == fail_at:
                raise ValueError("boom at token %d" % number)
            time.sleep(delay)
            print("token", number, flush=True)
            token = "tok%d " % number
            yield token.upper() if mode == "loud" else token
        if hasattr(self, "record_metric"):
            self.record_metric("output_token_count", n)
