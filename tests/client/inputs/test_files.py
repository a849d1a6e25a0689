"""Files on their way out: what of them is sent, and how they are left."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from replicate_home.client.inputs.files import MultipartUpload, Source, source_of


def source(value: object) -> Source:
    found = source_of(value)
    assert found is not None
    return found


def test_an_open_file_can_be_sent_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"picture")
    with path.open("rb") as file:
        assert [source(file).read() for _ in range(3)] == [b"picture"] * 3
        assert file.read() == b"picture"


def test_of_a_file_that_was_just_written_all_is_sent() -> None:
    file = io.BytesIO()
    file.write(b"picture")
    assert source(file).data_uri() == "data:application/octet-stream;base64,cGljdHVyZQ=="
    assert file.tell() == 7


def test_a_file_that_was_read_in_part_is_sent_from_there_each_time() -> None:
    file = io.BytesIO(b"head and tail")
    file.read(9)
    assert [source(file).read(), source(file).read()] == [b"tail", b"tail"]


def test_an_upload_that_is_given_up_leaves_a_closed_file_alone() -> None:
    file = io.BytesIO(b"x" * 200_000)
    pieces = MultipartUpload(source(file)).open()
    next(pieces)
    next(pieces)
    file.close()
    pieces.close()  # type: ignore[attr-defined]  # it is a generator


def test_an_empty_file_is_empty() -> None:
    assert source(io.BytesIO()).read() == b""


def test_an_image_that_no_png_can_hold_is_refused_with_the_way_out() -> None:
    with pytest.raises(TypeError, match=r"CMYK.*convert"):
        source_of(Image.new("CMYK", (1, 1)))


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a file"):
        source_of(tmp_path)
