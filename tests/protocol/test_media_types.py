"""What a file is, from how it begins."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from replicate_home.protocol.media_types import LONGEST_HEAD, Kind, kind_of


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "PDF", "TIFF"])
def test_what_pillow_writes_is_recognized(format: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (2, 2)).save(file, format)
    kind = kind_of(file.getvalue()[:LONGEST_HEAD])
    assert kind is not None
    assert kind.media_type == Image.MIME[format]


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", Kind("audio/wav", ".wav")),
        (b"RIFF\x24\x00\x00\x00AVI LIST", Kind("video/x-msvideo", ".avi")),
        (b"ID3\x04\x00", Kind("audio/mpeg", ".mp3")),
        (b"fLaC\x80", Kind("audio/flac", ".flac")),
        (b"\x00\x00\x00\x1cftypavif", Kind("image/avif", ".avif")),
        (b"\x00\x00\x00\x20ftypisom", Kind("video/mp4", ".mp4", certain=False)),
        (b"OggS\x00\x02", Kind("audio/ogg", ".ogg", certain=False)),
        (b"PK\x03\x04\x14", Kind("application/zip", ".zip", certain=False)),
    ],
)
def test_sound_films_and_containers_are_recognized(head: bytes, kind: Kind) -> None:
    assert kind_of(head) == kind


@pytest.mark.parametrize(
    "head", [b"", b"plain text", b"<svg xmlns=", b"RIFF\x24\x00\x00\x00ACON", b"12345678WAVE", b"GIF8", b"II", b"BMW"]
)
def test_what_could_be_anything_is_not_guessed_at(head: bytes) -> None:
    assert kind_of(head) is None


@given(st.binary(max_size=64))
def test_no_more_than_the_head_is_needed(content: bytes) -> None:
    assert kind_of(content) == kind_of(content[:LONGEST_HEAD])
