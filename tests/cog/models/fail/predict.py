"""A model that fails, or takes its process with it."""

import os

from cog import BasePredictor, Input


class Predictor(BasePredictor):
    def predict(self, kind: str = Input(default="value", choices=["value", "exit"])) -> str:
        print("about to fail", flush=True)
        if kind == "exit":
            os._exit(3)
        raise ValueError("this model always fails")
