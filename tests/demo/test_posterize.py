from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from replicate_home.demo.posterize import posterize


@pytest.fixture
def ramp(tmp_path):
    """A picture 256 pixels wide, from black to white, and 20 high."""
    path = tmp_path / "ramp.png"
    Image.linear_gradient("L").rotate(90).resize((256, 20)).save(path)
    return path


def opened(content: bytes) -> Image.Image:
    with Image.open(BytesIO(content)) as image:
        assert image.format == "PNG"
        image.load()
    return image


def test_each_channel_keeps_the_levels_asked_for(ramp, run) -> None:
    image = opened(posterize(run, ramp, levels=3))
    assert (image.mode, image.size) == ("RGB", (256, 20))
    assert sorted(color for _, color in image.getcolors()) == [(0, 0, 0), (128, 128, 128), (255, 255, 255)]


def test_256_levels_change_nothing(ramp, run) -> None:
    with Image.open(ramp) as before:
        assert opened(posterize(run, ramp, levels=256)).tobytes() == before.convert("RGB").tobytes()


def test_transparency_stays(tmp_path, run) -> None:
    Image.new("RGBA", (3, 3), (100, 100, 100, 77)).save(tmp_path / "glass.png")
    assert opened(posterize(run, tmp_path / "glass.png", levels=2)).getpixel((1, 1)) == (0, 0, 0, 77)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (3, 101)])
def test_any_size_will_do(size, tmp_path, run) -> None:
    Image.new("RGB", size, (200, 10, 200)).save(tmp_path / "plain.png")
    image = opened(posterize(run, tmp_path / "plain.png", levels=2))
    assert image.getcolors() == [(size[0] * size[1], (255, 0, 255))]


def test_it_works_in_ten_steps_that_take_the_seconds_asked_for_and_are_logged_as_tqdm_would(ramp, run) -> None:
    posterize(run, ramp, seconds=75)
    assert run.sleeps == [7.5] * 10
    assert len(run.logs) == 10
    assert run.logs[0] == " 10%|#         | 1/10 [00:07<01:07]"
    assert run.logs[2] == " 30%|###       | 3/10 [00:22<00:52]"
    assert run.logs[9] == "100%|##########| 10/10 [01:15<00:00]"


@pytest.mark.parametrize("content", [b"", b"just text", b"\x89PNG\r\n\x1a\n but not really", b"GIF89a"])
def test_what_is_no_picture_fails_before_any_step(content, tmp_path, run) -> None:
    (tmp_path / "picture.png").write_bytes(content)
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        posterize(run, tmp_path / "picture.png")
    assert str(caught.value) == "image must be a picture that Pillow can read, such as a PNG, JPEG, GIF or WebP"
    assert run.sleeps == []


def test_a_picture_that_was_cut_short_fails(ramp, run) -> None:
    ramp.write_bytes(ramp.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"^image must be a picture"):
        posterize(run, ramp)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": 1}, "levels must be between 2 and 256, got 1"),
        ({"levels": 257}, "levels must be between 2 and 256, got 257"),
        ({"seconds": -1}, "seconds must be 0 or more, got -1"),
        ({"seconds": float("inf")}, "seconds must be 0 or more, got inf"),
    ],
)
def test_what_makes_no_sense_is_an_error_that_says_so(options, message, ramp, run) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        posterize(run, ramp, **options)
    assert str(caught.value) == message
