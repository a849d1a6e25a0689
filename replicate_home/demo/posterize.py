"""``local/posterize``: fewer colors for a picture, band by band, so that there is time to watch or cancel it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..emulator.registry import LocalRun
from .extra import as_png, borrow

STEPS = 10


def posterize(run: LocalRun, image: Path, levels: int = 4, seconds: float = 0) -> bytes:
    """Reduce a picture to ``levels`` shades of red, green and blue and return it as PNG; a toy, not a neural network.

    It works in ten steps that take ``seconds`` in total, and logs each as a progress line.
    """
    if not 2 <= levels <= 256:
        raise ValueError(f"levels must be between 2 and 256, got {levels}")
    if not 0 <= seconds < math.inf:
        raise ValueError(f"seconds must be 0 or more, got {seconds}")
    picture = _read(image)
    for step in range(1, STEPS + 1):
        run.sleep(seconds / STEPS)
        band = (0, picture.height * (step - 1) // STEPS, picture.width, picture.height * step // STEPS)
        picture.paste(picture.crop(band).point(_shades(levels, picture.getbands())), band)
        run.log(_progress(step, seconds))
    return as_png(picture)


def _read(path: Path) -> Any:
    """The picture, upright, as RGB or RGBA; the first frame of an animation."""
    image, operations = borrow("PIL.Image"), borrow("PIL.ImageOps")
    try:
        with image.open(path) as opened:
            upright = operations.exif_transpose(opened)
            return upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except (OSError, ValueError, SyntaxError, EOFError, image.DecompressionBombError) as error:
        raise ValueError("image must be a picture that Pillow can read, such as a PNG, JPEG, GIF or WebP") from error


def _shades(levels: int, bands: tuple[str, ...]) -> list[int]:
    """The new value for each value in each band; transparency is unchanged."""
    shades = [round(round(value * (levels - 1) / 255) * 255 / (levels - 1)) for value in range(256)]
    return [shade for band in bands for shade in (range(256) if band == "A" else shades)]


def _progress(step: int, seconds: float) -> str:
    """The line that tqdm would print, which servers and clients read for a percentage."""
    done, left = seconds * step / STEPS, seconds * (STEPS - step) / STEPS
    return f"{step * 100 // STEPS:3d}%|{'#' * step:<{STEPS}}| {step}/{STEPS} [{_minutes(done)}<{_minutes(left)}]"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
