"""What becomes of files, arrays and dates in an input, for both clients."""

from __future__ import annotations

import asyncio
import codecs
import datetime
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from replicate_home import FileOutput, InvalidInput
from replicate_home.client.inputs import files
from replicate_home.testing import FakeReplicate

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 16
LARGE = b"x" * 300_000


def run(fake: FakeReplicate, inputs: dict[str, Any], **options: Any) -> None:
    fake.client().run("owner/model", inputs, **options)


def async_run(fake: FakeReplicate, inputs: dict[str, Any], **options: Any) -> None:
    async def main() -> None:
        async with fake.async_client() as client:
            await client.run("owner/model", inputs, **options)

    asyncio.run(main())


Run = Callable[..., None]
CLIENTS = pytest.mark.parametrize("run", [run, async_run])


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    with FakeReplicate() as fake:
        fake.on("owner/model").returns("done")
        yield fake


def uploads(fake: FakeReplicate) -> list[tuple[str, str]]:
    """Name and media type of each upload, the oldest first."""
    listed = fake.client().files.list()
    return [(file.name or "", file.content_type or "") for file in reversed(list(listed))]


# ---- media types and names ----


@CLIENTS
@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("photo.jpg", PNG, "image/png"),
        ("photo", PNG, "image/png"),
        ("notes.txt", b"hello", "text/plain"),
        ("report.docx", b"PK\x03\x04", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("archive", b"PK\x03\x04", "application/zip"),
        ("films.tar.gz", b"\x1f\x8b\x08\x00", "application/gzip"),
        ("mystery", b"hello", "application/octet-stream"),
    ],
)
def test_the_content_says_what_a_file_is_and_its_name_where_the_content_cannot(
    run: Run, fake: FakeReplicate, tmp_path: Path, name: str, content: bytes, media_type: str
) -> None:
    (tmp_path / name).write_bytes(content)
    run(fake, {"file": tmp_path / name})
    assert fake.calls[0].input["file"].startswith(f"data:{media_type};base64,")
    run(fake, {"file": tmp_path / name}, file_encoding_strategy="url")
    assert uploads(fake) == [(name, media_type)]


class Nameless(io.BytesIO):
    name = 3


class Piped(io.RawIOBase):
    """A file that can be read once, and not moved in."""

    name = "/dev/pipes/photo.png"

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int = -1) -> bytes:
        content, self._content = self._content, b""
        return content


@CLIENTS
@pytest.mark.parametrize(
    ("file", "name"),
    [
        (PNG, "file.png"),
        (bytearray(PNG), "file.png"),
        (memoryview(PNG), "file.png"),
        (io.BytesIO(PNG), "file.png"),
        (Nameless(PNG), "file.png"),
        (b"hello", "file"),
        (Image.new("RGB", (1, 1)), "image.png"),
    ],
    ids=["bytes", "bytearray", "memoryview", "BytesIO", "a number for a name", "unknown bytes", "image"],
)
def test_what_has_no_name_is_called_by_its_kind(run: Run, fake: FakeReplicate, file: Any, name: str) -> None:
    run(fake, {"file": file}, file_encoding_strategy="url")
    assert [sent for sent, _ in uploads(fake)] == [name]


def test_an_open_file_and_an_image_keep_their_names(fake: FakeReplicate, tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "cat.jpg")
    with (tmp_path / "cat.jpg").open("rb") as file, Image.open(tmp_path / "cat.jpg") as image:
        run(fake, {"file": [file, image, Piped(PNG)]}, file_encoding_strategy="url")
    assert uploads(fake) == [("cat.jpg", "image/jpeg"), ("cat.png", "image/png"), ("photo.png", "image/png")]


# ---- one upload ----


@CLIENTS
def test_a_file_that_is_used_twice_in_a_call_is_uploaded_once(run: Run, fake: FakeReplicate, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(LARGE)
    stream = io.BytesIO(LARGE)
    run(fake, {"a": path, "b": [Path(str(path)), {"c": path}], "d": stream, "e": stream, "f": LARGE, "g": LARGE[:]})
    sent = fake.calls[0].input
    assert [asked.path for asked in fake.requests if asked.method == "POST"] == ["/files"] * 3 + ["/predictions"]
    assert sent == {"a": sent["a"], "b": [sent["a"], {"c": sent["a"]}], **{key: sent[key] for key in "defg"}}
    assert (sent["d"], sent["f"]) == (sent["e"], sent["g"])
    assert len({sent["a"], sent["d"], sent["f"]}) == 3


def test_what_can_be_read_once_may_be_used_twice(fake: FakeReplicate) -> None:
    pipe = Piped(PNG)
    run(fake, {"a": pipe, "b": pipe})
    sent = fake.calls[0].input
    assert sent["a"] == sent["b"] != "data:application/octet-stream;base64,"


def test_another_call_uploads_it_again_for_it_may_have_changed(fake: FakeReplicate, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(LARGE)
    run(fake, {"a": path})
    run(fake, {"a": path})
    assert len(uploads(fake)) == 2


def test_files_that_an_iterator_makes_are_told_apart(fake: FakeReplicate) -> None:
    made = (io.BytesIO(b"%d" % number * 300_000) for number in range(4))
    run(fake, {"a": made, "b": (io.BytesIO(b"x") for _ in range(2))})
    assert len(set(fake.calls[0].input["a"])) == len(uploads(fake)) == 4


# ---- files of earlier outputs ----


@CLIENTS
def test_an_output_goes_back_by_its_url_and_elsewhere_with_its_name(
    run: Run, fake: FakeReplicate, tmp_path: Path
) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    fake.on("owner/img").returns(tmp_path / "cat.png")
    file = fake.client().run("owner/img", {}).file
    run(fake, {"image": file})
    assert fake.calls[-1].input["image"] == file.url
    with FakeReplicate() as other:
        other.on("owner/model").returns("done")
        elsewhere = FileOutput(file.url, file.source, "https://other.example/v1")
        run(other, {"image": elsewhere}, file_encoding_strategy="url")
        assert uploads(other) == [("cat.png", "image/png")]


def test_an_output_that_came_inline_goes_inline_if_it_is_small_and_is_uploaded_otherwise(fake: FakeReplicate) -> None:
    small, large = FileOutput("data:image/png;base64,iVBORw=="), FileOutput("data:text/plain," + "x" * 400_000)
    run(fake, {"small": small, "large": large})
    assert fake.calls[0].input["small"] == small.url
    assert uploads(fake) == [("output.txt", "text/plain")]


# ---- too large, or closed ----


class Unread(io.BytesIO):
    """A large file that must not be read."""

    name = "/home/me/film.mp4"

    def __init__(self) -> None:
        super().__init__()
        self._place = 0

    def seek(self, place: int, whence: int = 0) -> int:
        self._place = place + 200 * 2**20 * (whence == 2)
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        raise AssertionError("it was read")


@CLIENTS
@pytest.mark.parametrize("strategy", [None, "base64", "url"])
def test_a_file_over_100_mb_is_refused_by_its_name_before_it_is_read(
    run: Run, fake: FakeReplicate, tmp_path: Path, strategy: str | None
) -> None:
    path = tmp_path / "film.mp4"
    with path.open("wb") as file:
        file.truncate(200 * 2**20)
    said = "'film.mp4' has 209715200 bytes, and the API accepts at most 104857600 (100 MB): pass a URL"
    for film in (path, Unread()):
        with pytest.raises(InvalidInput, match=re.escape(said)):
            run(fake, {"film": film}, file_encoding_strategy=strategy)
        with pytest.raises(InvalidInput, match=re.escape(said)):
            fake.client().files.create(film)
    assert fake.requests == []


def test_bytes_over_the_limit_are_refused_and_those_at_it_are_sent(
    fake: FakeReplicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGEST", 1_000)
    for value in (b"x" * 1_001, bytearray(1_001), memoryview(bytes(1_001)), io.BytesIO(b"x" * 1_001), Piped(LARGE)):
        with pytest.raises(InvalidInput, match="bytes, and the API accepts at most 1000"):
            run(fake, {"file": value})
    run(fake, {"file": b"x" * 1_000})
    assert len(fake.calls) == 1


def test_no_more_is_read_from_a_pipe_than_may_be_sent(fake: FakeReplicate, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            buffer[:1] = b"x"
            return 1

    monkeypatch.setattr(files, "LARGEST", 1_000)
    with pytest.raises(InvalidInput, match=r"'file' has 1001 bytes or more, and the API accepts at most 1000"):
        run(fake, {"file": io.BufferedReader(Endless())})


@CLIENTS
def test_a_closed_file_is_named(run: Run, fake: FakeReplicate, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    with path.open("rb") as file:
        pass
    with pytest.raises(InvalidInput, match=r"'cat.png' is closed: open it again, and close it after the call"):
        run(fake, {"image": file})
    nameless = io.BytesIO()
    nameless.close()
    with pytest.raises(InvalidInput, match="'file' is closed"):
        run(fake, {"image": nameless})
    assert fake.requests == []


def test_a_file_that_gives_text_is_named(fake: FakeReplicate, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    said = r"'a.txt' returned str when read, expected bytes"
    with (tmp_path / "a.txt").open("rb") as file, pytest.raises(TypeError, match=said):
        run(fake, {"image": codecs.getreader("utf-8")(file)})


# ---- arrays and dates ----


def test_dates_are_sent_as_iso_8601(fake: FakeReplicate) -> None:
    day = datetime.datetime(2026, 11, 25, 12, 30, tzinfo=datetime.UTC)
    run(fake, {"at": day, "on": day.date(), "times": [day.time()]})
    sent = {"at": "2026-11-25T12:30:00+00:00", "on": "2026-11-25", "times": ["12:30:00"]}
    assert fake.calls[0].input == sent


@CLIENTS
def test_arrays_and_scalars_of_numpy_are_lists_and_numbers(run: Run, fake: FakeReplicate) -> None:
    numpy = pytest.importorskip("numpy", reason="numpy comes with the extra tools")
    run(
        fake,
        {
            "grid": numpy.arange(6).reshape(2, 3),
            "nothing": numpy.zeros((0, 2)),
            "scalars": [numpy.int64(3), numpy.float32(0.5), numpy.bool_(True), numpy.str_("a"), numpy.array(7)],
            "dates": numpy.array(["2026-11-25T12:30", "NaT"], dtype="datetime64[ns]"),
        },
    )
    assert fake.calls[0].input == {
        "grid": [[0, 1, 2], [3, 4, 5]],
        "nothing": [],
        "scalars": [3, 0.5, True, "a", 7],
        "dates": ["2026-11-25T12:30:00", None],
    }


@CLIENTS
def test_what_is_neither_json_nor_a_file_is_named_with_its_place(run: Run, fake: FakeReplicate) -> None:
    with pytest.raises(TypeError, match=re.escape("input['a'][1]['b'] is of type object, which is neither JSON nor a")):
        run(fake, {"a": [1, {"b": object()}]})
