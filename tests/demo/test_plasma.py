from __future__ import annotations

import random
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageStat

from replicate_home.demo.plasma import PALETTES, gradient, plasma, stops

from .conftest import Run


def picture(prompt: str, **options) -> Image.Image:
    with Image.open(BytesIO(plasma(Run(), prompt, **options))) as opened:
        assert opened.format == "PNG"
        opened.load()
    return opened


def mean_color(prompt: str) -> list[float]:
    return ImageStat.Stat(picture(prompt, width=64, height=63)).mean


def dice() -> random.Random:
    return random.Random(1)


def colors(*names: str) -> list[tuple[int, ...]]:
    return [tuple(bytes.fromhex(code)) for name in names for code in PALETTES[name].split()]


def test_it_is_a_png_of_the_size_asked_for_with_a_caption_at_the_bottom() -> None:
    image = picture("sunset over the sea", width=320, height=240)
    assert image.size == (320, 240)
    assert image.getpixel((0, 239)) == image.getpixel((319, 239)) == (17, 18, 22)
    assert image.getpixel((0, 0)) != (17, 18, 22)


def test_the_default_size_is_512_by_512() -> None:
    assert picture("gold").size == (512, 512)


def test_color_words_choose_the_palette_in_their_order_from_the_top() -> None:
    assert stops("A Sunset over the seas", dice()) == colors("sunset", "sea")
    assert stops("the sea, a sunset, the sea", dice()) == colors("sea", "sunset")
    assert stops("golden trees in grey", dice()) == colors("gold", "tree", "gray")


def test_without_a_color_word_the_dice_choose_a_palette() -> None:
    assert stops("Tell me a joke", random.Random(1)) == stops("日本語", random.Random(1))
    assert len({tuple(stops("x", random.Random(seed))) for seed in range(20)}) > 5


def test_red_is_red_and_blue_is_blue() -> None:
    red, blue = mean_color("red"), mean_color("blue")
    assert red[0] > max(red[1:])
    assert blue[2] > max(blue[:2])


def test_a_gradient_goes_through_its_stops() -> None:
    ramp = gradient([(0, 0, 0), (100, 0, 200), (255, 255, 255)])
    assert len(ramp) == 768
    assert ramp[:3] == [0, 0, 0]
    assert ramp[-3:] == [255, 255, 255]
    assert ramp[127 * 3 : 128 * 3] == [100, 0, 199]


def test_the_same_prompt_seed_and_size_give_the_same_bytes_and_another_prompt_or_seed_others() -> None:
    def draw(prompt: str, seed: int | None) -> bytes:
        return plasma(Run(), prompt, width=64, height=64, seed=seed)

    assert draw("sea", 1) == draw("sea", 1)
    assert draw("sea", None) == draw("sea", None)
    assert len({draw("sea", 1), draw("sea", 2), draw("sea", None), draw("the sea", 1)}) == 4


@pytest.mark.parametrize("prompt", ["日本語の海 🙂 שלום", "\ud800", "\x00\n\t", "W" * 100_000, "word " * 20_000, "́"])
@pytest.mark.parametrize(("width", "height"), [(16, 16), (16, 200), (200, 16), (64, 64), (300, 100)])
def test_any_prompt_fits_any_size(prompt, width, height) -> None:
    assert picture(prompt if prompt.strip() else "x" + prompt, width=width, height=height).size == (width, height)


@settings(max_examples=15, deadline=None)
@given(st.text(min_size=1).filter(str.strip), st.integers(16, 90), st.integers(16, 90), st.integers())
def test_any_text_at_all_is_a_prompt(prompt, width, height, seed) -> None:
    assert picture(prompt, width=width, height=height, seed=seed).size == (width, height)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt": " "}, "prompt must not be empty: name colors or a scene, such as 'sunset over the sea'"),
        ({"prompt": "sea", "width": 15}, "width must be between 16 and 2048 pixels, got 15"),
        ({"prompt": "sea", "height": 2049}, "height must be between 16 and 2048 pixels, got 2049"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_that_says_why(arguments, message) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        plasma(Run(), **arguments)
    assert str(caught.value) == message
