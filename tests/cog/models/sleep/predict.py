"""A slow model that does not stream; SETUP_SLEEP and SETUP_FAIL decide how its setup goes."""

import os
import time

from cog import BasePredictor, Input


class Predictor(BasePredictor):
    def setup(self):
        print("loading weights", flush=True)
        time.sleep(float(os.environ.get("SETUP_SLEEP", "0")))
        if os.environ.get("SETUP_FAIL"):
            raise RuntimeError("setup went wrong")

    def predict(self, seconds: float = Input(default=5.0, ge=0, le=600)) -> str:
        end = time.time() + seconds
        while time.time() < end:
            time.sleep(min(0.05, max(0, end - time.time())))
        return "slept %g" % seconds
