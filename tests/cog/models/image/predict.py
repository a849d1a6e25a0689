"""A PNG, with another image blended into it where one is given."""

import tempfile
from typing import Optional

import numpy as np
from cog import BasePredictor, Input, Path
from PIL import Image


class Predictor(BasePredictor):
    def predict(
        self,
        seed: int = Input(default=0),
        size: int = Input(default=64, ge=8, le=1024),
        image: Optional[Path] = Input(description="An image to blend in", default=None),
    ) -> Path:
        pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype="uint8")
        if image is not None:
            other = np.asarray(Image.open(str(image)).convert("RGB").resize((size, size)))
            pixels = ((pixels.astype(int) + other) // 2).astype("uint8")
        target = Path(tempfile.mkdtemp()) / "noise.png"
        Image.fromarray(pixels).save(str(target))
        return Path(target)
