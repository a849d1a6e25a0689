"""``local/plasma``: a picture of colored clouds. The prompt chooses the colors, random numbers the shapes.

A height field is summed from a few coarse grids of noise, and a gradient of the prompt's colors is laid over it.
"""

from __future__ import annotations

import random
import re
from array import array
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from ..emulator.registry import LocalRun
from .extra import as_png, borrow

NAME = "local/plasma"
SMALLEST, LARGEST = 16, 2048  # pixels
_ROOM_FOR_STRIP = 64  # pixels of height; below, the caption would fill the picture
_CAPTION = 400  # characters of the prompt that are considered for the caption
_MIXED = 4  # color words that are mixed
_GRID = 256  # points of the height field along the longer side; the rest is interpolated
_SLOPE = 0.9  # how much of the height is "further down", against noise that adds up to about 1
_ROUGHNESS = 0.55  # how much fainter each finer octave is

# A color word is one or more stops of a gradient, dark to light, as RRGGBB.
PALETTES = {
    "sunset": "2b1055 7b2d6b d9455f ff8c42 ffd56b",
    "sunrise": "3a1c71 d76d77 ff9a76 ffd8a8 fff3d6",
    "dawn": "2e2a55 8e6c9a f2a6a0 ffe0c2",
    "dusk": "1b1b3a 45376e a0568c e58f8f",
    "night": "05060f 0d1440 27306b 8e9bd8",
    "space": "04030c 1c0f4a 5b1f8c c056c8 ffe9ff",
    "moon": "14161f 555b70 a9b0c4 f4f1e6",
    "sun": "b8430b f28a1b ffd23f fff6c9",
    "sky": "1f5fa8 5fa9e8 b7dcf7 f6fbff",
    "cloud": "7c8ea3 b9c6d3 e6ebf0 ffffff",
    "sea": "031a3a 06466e 0f87a6 5fd0cf e2fbf2",
    "ocean": "021024 05356b 1173b5 64bfe6",
    "water": "06304f 1479a8 6ac9dd e6fbfb",
    "lake": "0a2f3c 1d6d7a 6cb7b0 d8f0e2",
    "ice": "1b4a73 6fb4dc c8ecf8 ffffff",
    "snow": "8aa2bd c6d5e4 eef4f9 ffffff",
    "forest": "06190e 12442a 2d7a3e 86b049 dbe28c",
    "tree": "10240f 2f5d26 6f9e3e c9d98a",
    "grass": "123a12 2f8031 7fc244 d9f08a",
    "jungle": "04150c 0b4b2b 1f9150 b8e04a",
    "desert": "5a2e14 b5672b e6ab5e f9e2b0",
    "sand": "8a6236 cfa468 eed7a4 fdf4dc",
    "earth": "24130a 5d3a1c 96703f c9ac78",
    "mountain": "1d232e 4b5a6b 8d99a3 eef1f2",
    "fire": "1a0500 7d1200 e63b00 ff9d00 fff1a0",
    "lava": "120303 5e0b05 d92d07 ff8a1f ffe27a",
    "autumn": "3b140a 8f2f12 d9701e f2b632",
    "spring": "2f7a4d 8fcf7a f6b8d1 fff4f8",
    "aurora": "03101f 0b4a53 1fc493 9cf7a8 c17ae8",
    "rainbow": "c81e3a f28c1c f6e03a 2fa84f 2563c9 7b2fa8",
    "neon": "12022b ff1f8f 7a2bff 16e0ff",
    "gold": "4a2c04 a86f10 e8b92e fff0ad",
    "silver": "2d3138 7b838f c3c9d1 fafbfc",
    "copper": "34140a 8f4423 d3834f f6cfae",
    "red": "3a0208 9c0d1d e5263a ff9c94",
    "crimson": "2e0210 8c0a2c dc1f4d ff9bb0",
    "orange": "5a1e00 c65102 ff8a1e ffd09a",
    "yellow": "6b5200 d9ab00 ffdd33 fff7bf",
    "green": "032410 0d6a30 2fb457 b0eab0",
    "lime": "1f3d00 6aa800 b6ef1f effcb5",
    "teal": "01262a 046a6e 19aaa4 a6ece0",
    "turquoise": "023a3f 0b9a9a 40e0d0 d3fbf4",
    "cyan": "013240 028ba6 22d3ee cbf7ff",
    "blue": "020b33 0b2f8f 2b6be8 a9cdff",
    "navy": "01030f 071a45 173a80 7f9fd6",
    "indigo": "0d0533 33149a 6445e0 c6baff",
    "purple": "1b0433 5a1a94 9b4fe0 e2c0ff",
    "violet": "22043d 7023a8 b76bf0 ecd0ff",
    "magenta": "33022e a00a86 ee36c8 ffb5ee",
    "pink": "6b1440 d14a86 ff8fbd ffe0ee",
    "rose": "4a0a1f b53057 f07f9b ffdce3",
    "brown": "1f0f06 5a3216 96623a d9b48c",
    "black": "000000 17181c 34363d 6a6d76",
    "white": "b9bec6 dfe3e8 f6f8fa ffffff",
    "gray": "16181b 55595f 9a9ea4 e3e5e7",
}
_SAME = {"grey": "gray", "golden": "gold", "azure": "sky", "scarlet": "red", "emerald": "green", "amber": "orange"}

Color = tuple[int, int, int]


def plasma(run: LocalRun, prompt: str, width: int = 512, height: int = 512, seed: int | None = None) -> bytes:
    """Render a PNG of clouds in the colors that the prompt names; a toy, not a neural network.

    Words such as sunset, sea, forest, gold or blue choose the colors, from top to bottom; without any, prompt and seed
    choose. If the picture is at least 64 pixels high, its lowest part is a strip with the prompt and this model's name.
    The same prompt, seed and size give the same picture.
    """
    if not prompt.strip():
        raise ValueError("prompt must not be empty: name colors or a scene, such as 'sunset over the sea'")
    for name, size in (("width", width), ("height", height)):
        if not SMALLEST <= size <= LARGEST:
            raise ValueError(f"{name} must be between {SMALLEST} and {LARGEST} pixels, got {size}")
    # repr, because a lone surrogate in the prompt cannot be encoded.
    dice = random.Random(repr((seed, prompt)))  # noqa: S311  # nothing secret is drawn
    colors = gradient(stops(prompt, dice))
    strip = _strip(prompt, width, height)
    picture = borrow("PIL.Image").new("RGB", (width, height))
    picture.paste(_clouds(width, height - strip.height, colors, dice))
    picture.paste(strip, (0, height - strip.height))
    run.log(f"{NAME}: {width}x{height}")
    return as_png(picture)


def stops(prompt: str, dice: random.Random) -> list[Color]:
    """The colors of the prompt's color words in their order, or else those of a random palette."""
    words = (_color_word(word) for word in re.findall(r"[a-z]+", prompt.lower()))
    named = list(dict.fromkeys(word for word in words if word))[:_MIXED] or [dice.choice(list(PALETTES))]
    codes = " ".join(PALETTES[word] for word in named).split()
    return [(int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)) for code in codes]


def _color_word(word: str) -> str | None:
    singular = word.removesuffix("s")
    return next((w for w in (word, singular, _SAME.get(word), _SAME.get(singular)) if w in PALETTES), None)


def gradient(colors: list[Color]) -> list[int]:
    """256 colors from the first to the last stop, as the flat list that Pillow's palettes are."""
    flat = []
    for shade in range(256):
        place = shade / 255 * (len(colors) - 1)
        left = min(int(place), len(colors) - 2)
        flat += [round(a + (b - a) * (place - left)) for a, b in zip(colors[left], colors[left + 1], strict=True)]
    return flat


def _clouds(width: int, height: int, colors: list[int], dice: random.Random) -> Any:
    """The gradient laid over a height field from top to bottom, lit from above."""
    image, chops = borrow("PIL.Image"), borrow("PIL.ImageChops")
    scale = _GRID / max(width, height)
    columns, rows = max(2, round(width * scale)), max(2, round(height * scale))
    field = _height_field(columns, rows, dice)
    slopes = [0.0] * columns + [below - above for above, below in zip(field, field[columns:], strict=False)]
    picture = _gray(field, columns, rows).resize((width, height), image.Resampling.BICUBIC).convert("L")
    picture.putpalette(colors)
    steepest = max(map(abs, slopes)) or 1
    light = _gray([128 + slope * 70 / steepest for slope in slopes], columns, rows)
    lit = light.resize((width, height), image.Resampling.BICUBIC).convert("L").convert("RGB")
    return chops.soft_light(picture.convert("RGB"), lit)


def _height_field(columns: int, rows: int, dice: random.Random) -> list[float]:
    """0 to 255, row by row: octaves of noise, each finer and fainter, on a slope that falls from top to bottom."""
    bicubic = borrow("PIL.Image").Resampling.BICUBIC
    field = [_SLOPE * (place // columns) / rows for place in range(columns * rows)]
    for octave in range(1, 7):
        cells = 2**octave + 1
        noise = _gray([dice.random() for _ in range(cells * cells)], cells, cells).resize((columns, rows), bicubic)
        faint = _ROUGHNESS**octave
        field = [height + faint * more for height, more in zip(field, array("f", noise.tobytes()), strict=True)]
    low, high = min(field), max(field)
    return [(height - low) / (high - low) * 255 for height in field]


def _gray(values: list[float], columns: int, rows: int) -> Any:
    """An image of floating-point grays."""
    return borrow("PIL.Image").frombytes("F", (columns, rows), array("f", values).tobytes(), "raw", "F;32NF")


def _strip(prompt: str, width: int, height: int) -> Any:
    """The caption: the prompt in at most two lines and the model's name; empty if there is no room for it."""
    image, draw, fonts = borrow("PIL.Image"), borrow("PIL.ImageDraw"), borrow("PIL.ImageFont")
    if height < _ROOM_FOR_STRIP:
        return image.new("RGB", (width, 0))
    font = fonts.load_default(size=max(9, min(width // 30, height // 16, 28)))
    margin, line = round(font.size * 0.7), round(font.size * 1.35)
    rows = _wrapped(prompt, font.getlength, width - 2 * margin)
    strip = image.new("RGB", (width, 2 * margin + line * (len(rows) + 1)), (17, 18, 22))
    pen = draw.Draw(strip)
    for number, row in enumerate(rows):
        pen.text((margin, margin + number * line), row, font=font, fill=(240, 238, 232))
    pen.text((margin, margin + len(rows) * line), NAME, font=font, fill=(150, 152, 160))
    return strip


def _wrapped(prompt: str, length: Callable[[str], float], width: float) -> list[str]:
    """The prompt in at most two rows of ``width``, broken at a space if possible, cut with an ellipsis."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in prompt[:_CAPTION]).split())
    rows: list[str] = []
    while text and len(rows) < 2:
        fits = max(1, bisect_right(range(1, len(text) + 1), width, key=lambda end: length(text[:end])))
        space = text.rfind(" ", 0, fits + 1)
        cut = fits if fits == len(text) or space < 1 else space
        rows.append(text[:cut])
        text = text[cut:].lstrip()
    if text:
        rows[-1] = rows[-1][:-1] + "…"
    return rows
