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


@pytest.mark.parametrize("read_before", [0, 1, 100_000])
def test_of_a_file_opened_as_text_all_bytes_are_sent_and_its_text_goes_on_where_it_was(
    tmp_path: Path, read_before: int
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(bytes(range(256)) * 256)
    with path.open(encoding="latin-1", newline="") as file:
        file.read(read_before)
        assert (source(file).name, source(file).content_type) == ("picture.png", "image/png")
        assert source(file).read() == path.read_bytes()
        assert file.read() == path.read_bytes().decode("latin-1")[read_before:]


def test_what_was_just_written_as_text_is_sent(tmp_path: Path) -> None:
    with (tmp_path / "notes.txt").open("w+", encoding="utf-8") as file:
        file.write("héllo")
        assert source(file).read() == "héllo".encode()


def test_text_in_memory_is_no_file() -> None:
    with pytest.raises(TypeError, match="StringIO holds text, not bytes"):
        source_of(io.StringIO("text"))


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
