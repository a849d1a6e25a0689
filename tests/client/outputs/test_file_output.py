"""A file that a model made: opened when read, saved whole or not at all, under a name that stays in its folder."""

from __future__ import annotations

import asyncio
import base64
import copy
import io
import os
import pickle
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from replicate_home import (
    Disconnected,
    FileExpired,
    FileOutput,
    ProtocolError,
    ReplicateHomeError,
    Request,
    RequestsTransport,
    RequestTimeout,
    Response,
)
from replicate_home.client.outputs.download import PIECE, AsyncDownload, Download, DownloadInThread, in_thread
from replicate_home.client.outputs.file_output import files_in, is_file, safe_name, with_files
from replicate_home.client.outputs.ranges import Rest
from replicate_home.emulator.transport import WholeBody

API = "https://api.replicate.com/v1"
URL = "https://replicate.delivery/abc/out.png"


class Server:
    """Answers each request with the next of its answers, the last forever; knows what was asked and closed."""

    def __init__(self, *answers: list[bytes | Exception], content_type: str = "image/png") -> None:
        self.answers = list(answers)
        self.content_type = content_type
        self.opened = 0
        self.closed = 0

    def open(self, url: str, rest: Rest | None = None) -> Download:
        answer = self.answers[min(self.opened, len(self.answers) - 1)]
        self.opened += 1
        pieces = iter(answer)

        def read() -> bytes:
            piece = next(pieces, b"")
            if isinstance(piece, Exception):
                raise piece
            return piece

        def close() -> None:
            self.closed += 1

        return Download(self.content_type, read, close)


    async def aopen(self, url: str, rest: Rest | None = None) -> AsyncDownload:
        return DownloadInThread(await in_thread(self.open, url, rest))


class Over(Server):
    """Answers with what a function makes."""

    def __init__(self, opened: Callable[[str], Download]) -> None:
        self.open = lambda url, rest=None: opened(url)


def file_of(*answers: list[bytes | Exception], **options: Any) -> tuple[FileOutput, Server]:
    server = Server(*answers, **options)
    return FileOutput(URL, server, API), server


def cut() -> Disconnected:
    return Disconnected("cut", phase="body")


# ---- reading ----


def test_it_is_opened_each_time_it_is_read() -> None:
    file, server = file_of([b"Hel", b"lo"])
    assert server.opened == 0
    assert file.read() == b"Hello"
    assert file.read() == b"Hello"
    assert (server.opened, server.closed) == (2, 2)


@pytest.mark.parametrize(
    ("size", "content"), [(-1, b"Hello"), (None, b"Hello"), (0, b""), (2, b"He"), (4, b"Hell"), (99, b"Hello")]
)
def test_a_part_can_be_read(size: Any, content: bytes) -> None:
    file, server = file_of([b"Hel", b"lo"])
    assert file.read(size) == content
    assert (server.opened, server.closed) == (1, 1)


def test_a_part_needs_no_more_than_it() -> None:
    file, server = file_of([b"Hel", AssertionError("this piece was not asked for")])
    assert file.read(3) == b"Hel"
    assert server.closed == 1


def test_iterating_gives_the_pieces_as_they_come_and_closes_at_the_end_or_when_left() -> None:
    file, server = file_of([b"Hel", b"lo"])
    assert list(file) == [b"Hel", b"lo"]
    pieces = iter(file)
    assert next(pieces) == b"Hel"
    pieces.close()
    assert (server.opened, server.closed) == (2, 2)


def test_open_gives_a_binary_file() -> None:
    content = bytes(range(256)) * 8192  # more than is kept in memory
    file, _ = file_of([content[start : start + PIECE] for start in range(0, len(content), PIECE)])
    with file.open() as opened:
        assert opened.read(4) == b"\x00\x01\x02\x03"
        assert opened.seek(-1, os.SEEK_END) == len(content) - 1
        assert opened.read() == b"\xff"
        opened.seek(0)
        assert opened.read() == content


def whole(file: FileOutput, _: Path) -> bytes:
    return file.read()


def opened(file: FileOutput, _: Path) -> bytes:
    with file.open() as binary:
        return binary.read()


def saved(file: FileOutput, folder: Path) -> bytes:
    return file.save(folder / "it").read_bytes()


WAYS = pytest.mark.parametrize("get", [whole, opened, saved])


@WAYS
def test_a_connection_that_breaks_is_tried_again_from_the_beginning(
    get: Callable[[FileOutput, Path], bytes], tmp_path: Path
) -> None:
    file, server = file_of([b"Hel", b"lo, wor", cut()], [cut()], [b"He", b"llo"])
    assert get(file, tmp_path) == b"Hello"
    assert (server.opened, server.closed) == (3, 3)


@WAYS
@pytest.mark.parametrize(
    ("answer", "error", "times"),
    [
        ([b"Hel", cut()], Disconnected, 3),
        ([b"Hel", RequestTimeout("no time left", phase="body")], RequestTimeout, 1),
        ([ProtocolError("no HTTP")], ProtocolError, 1),
    ],
)
def test_what_breaks_for_good_is_raised_and_leaves_nothing_behind(
    get: Callable[[FileOutput, Path], bytes],
    tmp_path: Path,
    answer: list[bytes | Exception],
    error: type[Exception],
    times: int,
) -> None:
    file, server = file_of(answer)
    with pytest.raises(error):
        get(file, tmp_path)
    assert (server.opened, server.closed, list(tmp_path.iterdir())) == (times, times, [])


def test_a_file_that_belongs_to_no_client_says_so_without_its_signature() -> None:
    own = f"{API}/files/1"
    file = pickle.loads(pickle.dumps(FileOutput(f"{own}?signature=secret", Server([b"x"]), API)))
    assert file.url == f"{own}?signature=secret"
    with pytest.raises(ReplicateHomeError) as raised:
        file.read()
    assert str(raised.value) == f"{own!r} has no client (lost by pickling?): read it with the one that ran it"


def test_a_public_file_that_belongs_to_no_client_is_fetched_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []
    closed: list[Any] = []

    def send(_: Any, request: Request, deadline: float | None) -> tuple[Response, WholeBody]:
        asked.append(request)
        return Response(200, {"content-type": "image/png"}), WholeBody(b"a picture")

    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_0123456789abcdefghijklmnopqrstuvwxyz")
    monkeypatch.setattr(RequestsTransport, "send", send)
    monkeypatch.setattr(RequestsTransport, "close", lambda transport: closed.append(transport))
    file = pickle.loads(pickle.dumps(FileOutput(URL, Server([b"x"]), API)))
    assert file.read() == b"a picture"
    assert [(request.method, request.url, request.token) for request in asked] == [("GET", URL, None)]
    assert len(closed) == 1
    for url in ("http://replicate.delivery/a.png", "https://replicate.delivery.example.com/a.png"):
        with pytest.raises(ReplicateHomeError, match="has no client"):
            FileOutput(url).read()
    assert len(asked) == 1


def test_saving_where_there_is_no_folder_names_the_target(tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "x.png"
    with pytest.raises(FileNotFoundError) as raised:
        FileOutput("data:,x").save(target)
    assert raised.value.filename == str(target)


# ---- data: URIs ----


@pytest.mark.parametrize(
    ("url", "content", "content_type", "name"),
    [
        ("data:text/plain;base64,SGVsbG8=", b"Hello", "text/plain", "output.txt"),
        ("data:image/png;base64,", b"", "image/png", "output.png"),
        ("data:text/plain;BASE64,SGVsbG8=", b"Hello", "text/plain", "output.txt"),
        ("data:text/plain;charset=utf-8,Gr%C3%BC%C3%9Fe", "Grüße".encode(), "text/plain", "output.txt"),
        ("data:,a%20b", b"a b", "text/plain", "output.txt"),
        ("data:application/x-odd;base64,%41%41%3D%3D", b"\x00", "application/x-odd", "output.bin"),
    ],
)
def test_a_data_uri_is_its_own_content(url: str, content: bytes, content_type: str, name: str, tmp_path: Path) -> None:
    file = FileOutput(url)
    assert (file.read(), file.content_type, file.name) == (content, content_type, name)
    assert b"".join(file) == content
    assert file.save(tmp_path) == tmp_path / name
    assert (tmp_path / name).read_bytes() == content
    assert pickle.loads(pickle.dumps(file)).read() == content


def test_a_large_data_uri_comes_in_pieces() -> None:
    content = bytes(PIECE) + b"end"
    file = FileOutput("data:application/octet-stream;base64," + base64.b64encode(content).decode())
    assert [len(piece) for piece in file] == [PIECE, 3]


@pytest.mark.parametrize("text", ["SGVsbG8", "SGVs bG8=", "€", "SGVsbG8=="])
def test_a_data_uri_that_is_not_base64_is_a_protocol_error(text: str) -> None:
    with pytest.raises(ProtocolError, match="is not valid base64"):
        FileOutput(f"data:image/png;base64,{text}").read()


# ---- saving ----


def test_save_writes_to_a_path_or_into_a_folder_and_says_where(tmp_path: Path) -> None:
    file, _ = file_of([b"Hel", b"lo"])
    assert file.save(tmp_path / "mine.png") == tmp_path / "mine.png"
    assert file.save(str(tmp_path)) == tmp_path / "out.png"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "mine.png": b"Hello",
        "out.png": b"Hello",
    }


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        file, _ = file_of([b"Hel", b"lo"])
        assert file.save(pipe) == pipe
        assert os.read(reading, 100) == b"Hello"
        failing = FileOutput(URL, Over(interrupted))
        with pytest.raises(KeyboardInterrupt):
            failing.save(pipe)
    finally:
        os.close(reading)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_link_goes_on_to_lead_to_the_file(tmp_path: Path) -> None:
    target, link = tmp_path / "target.png", tmp_path / "link.png"
    link.symlink_to(target)
    file, _ = file_of([b"Hello"])
    assert file.save(link) == link
    assert (link.is_symlink(), target.read_bytes()) == (True, b"Hello")


def test_a_file_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"before")
    seen = []

    def watching(url: str) -> Download:
        pieces = iter([b"Hel", b"lo", b""])

        def read() -> bytes:
            seen.append(target.read_bytes())
            return next(pieces)

        return Download("image/png", read, lambda: None)

    FileOutput(URL, Over(watching)).save(target)
    assert (seen, target.read_bytes()) == ([b"before"] * 3, b"Hello")


def test_a_failed_save_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        FileOutput(URL, Over(interrupted)).save(target)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"out.png": b"before"}


def interrupted(url: str) -> Download:
    pieces = iter([b"Hel"])

    def read() -> bytes:
        for piece in pieces:
            return piece
        raise KeyboardInterrupt

    return Download("image/png", read, lambda: None)


def test_saving_where_there_is_no_folder_says_so(tmp_path: Path) -> None:
    file, server = file_of([b"Hello"])
    with pytest.raises(FileNotFoundError):
        file.save(tmp_path / "none" / "out.png")
    assert (server.opened, list(tmp_path.iterdir())) == (0, [])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_saved_files_have_the_permissions_of_any_new_file_and_saving_changes_no_other(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files = [file_of([b"Hello"])[0] for _ in range(8)]
        threads = [
            threading.Thread(target=file.save, args=(tmp_path / f"{number}.png",)) for number, file in enumerate(files)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o640}
    finally:
        assert os.umask(before) == 0o027


# ---- names ----


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("out.png", "out.png"),
        ("out-0_v1.5.tar.gz", "out-0_v1.5.tar.gz"),
        ("my picture (1).png", "my_picture_1.png"),
        ("Grüße.png", "Gr_e.png"),
        ("图片.png", "output.png"),
        (".png", "output.png"),
        ("", "output"),
        (".", "output"),
        ("..", "output"),
        ("...", "output"),
        ("../../etc/passwd", "etc_passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/etc/passwd", "etc_passwd"),
        ("C:\\x.png", "C_x.png"),
        (".bashrc", "output.bashrc"),
        (".ssh/id", "ssh_id"),
        ("-rf.png", "rf.png"),
        ("--output=x", "output_x"),
        ("a\x00b.png", "a_b.png"),
        ("a\r\nb.png", "a_b.png"),
        ("\u202egnp.exe", "gnp.exe"),
        ("con", "_con"),
        ("CON.png", "_CON.png"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("LPT1", "_LPT1"),
        ("console.png", "console.png"),
        ("trailing. . .", "trailing"),
        ("a.p/g", "a.p_g"),
        ("$(rm -rf ~).png", "rm_-rf.png"),
        ("x" * 300 + ".png", "x" * 100 + ".png"),
        ("a." + "x" * 300, "x" * 100),
        ("~", "output"),
        ('*?<>|".png', "output.png"),
    ],
)
def test_a_name_stays_in_its_folder_on_any_system(name: str, safe: str, tmp_path: Path) -> None:
    assert safe_name(name) == safe
    file, _ = file_of([b"x"])
    file.url = f"https://replicate.delivery/abc/{''.join(f'%{byte:02x}' for byte in name.encode())}"
    assert (file.name, file.save(tmp_path)) == (safe, tmp_path / safe)


@given(st.text())
@example("0:.0:")
def test_any_name_becomes_an_ordinary_one(name: str) -> None:
    safe = safe_name(name)
    assert safe_name(safe) == safe
    assert Path(safe).name == safe
    assert 0 < len(safe) <= 120
    assert safe.isascii()
    assert not safe.startswith((".", "-"))
    assert not safe.endswith(".")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (f"{URL}?name=evil.exe#x.sh", "out.png"),
        ("https://replicate.delivery/abc/", "output"),
        ("https://replicate.delivery", "output"),
        ("https://replicate.delivery/a/b%2Fc.png", "b_c.png"),
        ("data:image/../../x;base64,AA==", "output.bin"),
    ],
)
def test_the_name_comes_from_the_path_of_the_url(url: str, name: str) -> None:
    assert FileOutput(url).name == name


def test_the_media_type_is_the_servers_word_once_it_was_read() -> None:
    file, _ = file_of([b"x"], content_type="image/webp")
    assert file.content_type == "image/png"
    file.read()
    assert file.content_type == "image/webp"
    assert FileOutput("https://replicate.delivery/abc/out").content_type is None


# ---- which strings are files ----


@pytest.mark.parametrize(
    "text",
    [
        URL,
        "https://pbxt.replicate.delivery/x",
        "http://replicate.delivery/x",
        "https://api.replicate.com/v1/files/x",
        "https://api.replicate.com:443/v1/files/x",
        "data:image/png;base64,AAAA",
        "data:text/plain;charset=utf-8,Hello",
        "data:image/svg+xml,%3Csvg/%3E",
    ],
)
def test_delivered_urls_and_data_uris_are_files(text: str) -> None:
    assert is_file(text, API)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https:",
        "https://",
        "https://example.com/out.png",
        "https://replicate.delivery.example.com/x",
        "https://evilreplicate.delivery/x",
        "https://user@replicate.delivery/x",
        "https://api.replicate.com:444/x",
        "http://api.replicate.com/x",
        f"see {URL}",
        f"{URL} and more",
        f"{URL}\n",
        "data:",
        "data: it shows, as expected",
        "data:, I mean",
        "data:image/png;base64,AA AA",
        "ftp://replicate.delivery/x",
        5,
        None,
        ["x"],
    ],
)
def test_other_strings_stay_text(text: Any) -> None:
    assert not is_file(text, API)


def test_files_are_found_at_any_depth_and_nothing_else_is_touched() -> None:
    output = {"a": [URL, "text", {"b": URL}], "c": None, "d": 1.5, "e": True}
    dressed = with_files(output, API, Server([b"x"]))
    assert dressed == {"a": [FileOutput(URL), "text", {"b": FileOutput(URL)}], "c": None, "d": 1.5, "e": True}
    assert files_in(dressed) == [FileOutput(URL), FileOutput(URL)]
    assert [file.base_url for file in files_in(dressed)] == [API, API]
    assert output["c"] is None


# ---- as a value ----


def test_it_is_equal_by_its_url_and_shown_without_its_signature() -> None:
    file, _ = file_of([b"x"])
    assert file == FileOutput(URL)
    assert file != FileOutput(URL + "2")
    assert file != URL
    assert {file, FileOutput(URL)} == {file}
    assert str(FileOutput(f"{URL}?signature=secret")) == f"{URL}?signature=secret"
    assert repr(FileOutput(f"{URL}?signature=secret")) == f"FileOutput({URL!r})"
    assert len(repr(FileOutput("data:image/png;base64," + "A" * 10_000))) < 120


def test_copies_can_still_be_read() -> None:
    file, _ = file_of([b"Hello"])
    assert [copy.copy(file).read(), copy.deepcopy([file])[0].read()] == [b"Hello", b"Hello"]


def test_it_is_no_path_so_that_libraries_read_it() -> None:
    picture = io.BytesIO()
    Image.new("RGB", (4, 3)).save(picture, "PNG")
    file, _ = file_of([picture.getvalue()])
    assert Image.open(file).size == (4, 3)
    with pytest.raises(TypeError, match="not FileOutput"):
        open(file)  # type: ignore[call-overload]  # noqa: SIM115


# ---- in a notebook ----


@pytest.mark.parametrize(
    ("url", "content_type", "shown"),
    [
        (URL, "image/png", {"image/png": "SGVsbG8="}),
        ("data:image/gif;base64,SGVsbG8=", "", {"image/gif": "SGVsbG8="}),
        (
            "https://replicate.delivery/a.mp3?a=1&b=2",
            "",
            {"text/html": '<audio controls src="https://replicate.delivery/a.mp3?a=1&amp;b=2"></audio>'},
        ),
        (
            "https://replicate.delivery/a.mp4",
            "",
            {"text/html": '<video controls src="https://replicate.delivery/a.mp4"></video>'},
        ),
        (
            'https://replicate.delivery/a.zip?"><script>',
            "",
            {"text/html": '<a href="https://replicate.delivery/a.zip?&quot;&gt;&lt;script&gt;">a.zip</a>'},
        ),
        # A picture that may hold scripts is a link.
        (
            "https://replicate.delivery/a.svg",
            "",
            {"text/html": '<a href="https://replicate.delivery/a.svg">a.svg</a>'},
        ),
    ],
)
def test_a_notebook_shows_pictures_players_and_links(url: str, content_type: str, shown: dict[str, str]) -> None:
    file = FileOutput(url, Server([b"Hello"], content_type=content_type))
    assert file._repr_mimebundle_(include=None, exclude=None) == {**shown, "text/plain": repr(file)}


def test_a_notebook_shows_a_link_to_a_picture_that_has_expired() -> None:
    def gone(url: str) -> NoReturn:
        raise FileExpired("gone")

    shown = FileOutput(URL, Over(gone))._repr_mimebundle_()
    assert shown == {"text/html": f'<a href="{URL}">out.png</a>', "text/plain": f"FileOutput({URL!r})"}


# ---- in an event loop ----


def test_event_loops_read_iterate_and_save(tmp_path: Path) -> None:
    async def main() -> tuple[bytes, bytes, list[bytes], Path]:
        pieces = [piece async for piece in file]
        return await file.aread(), await file.aread(2), pieces, await file.asave(tmp_path)

    file, server = file_of([b"Hel", b"lo"])
    assert asyncio.run(main()) == (b"Hello", b"He", [b"Hel", b"lo"], tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes() == b"Hello"
    assert (server.opened, server.closed) == (4, 4)


def test_reading_does_not_block_the_event_loop() -> None:
    proceed = threading.Event()

    def waiting(url: str) -> Download:
        assert proceed.wait(10)
        return Download.of(b"Hello", "text/plain")

    async def main() -> bytes:
        reading = asyncio.create_task(FileOutput(URL, Over(waiting)).aread())
        await asyncio.sleep(0)
        proceed.set()
        return await reading

    assert asyncio.run(main()) == b"Hello"


def test_a_cancelled_task_ends_as_cancelled_and_closes_the_connection() -> None:
    waiting, closed = threading.Event(), threading.Event()

    def endless(url: str) -> Download:
        def read() -> bytes:
            waiting.set()
            assert closed.wait(10)
            raise Disconnected("closed", phase="body")

        return Download("text/plain", read, closed.set)

    async def main() -> None:
        async def consume() -> None:
            async for _ in FileOutput(URL, Over(endless)):
                pass

        task = asyncio.create_task(consume())
        await asyncio.to_thread(waiting.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert closed.is_set()
