"""Files: uploads, what models are given, what they give."""

from __future__ import annotations

import base64
import io
import pathlib
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import urlencode

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.clock import FakeClock
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.files import decode_data_uri, parse_multipart
from replicate_home.emulator.registry import LocalRun
from replicate_home.wire import Response

from .api import Api

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def api_of(function: Any) -> Api:
    return Api(Emulator({"local/model": function}, clock=FakeClock()))


def form(**parts: Any) -> tuple[bytes, dict[str, str]]:
    prepared = requests.Request("POST", "http://x/", files=parts).prepare()
    assert isinstance(prepared.body, bytes)
    return prepared.body, {"Content-Type": prepared.headers["Content-Type"]}


def upload(api: Api, **parts: Any) -> Any:
    body, headers = form(**parts)
    response = api.send("POST", "/files", body=body, headers=headers)
    assert response.status == 201, response.body
    return api.get("/files")["results"][0]


def test_an_upload_is_described_and_can_be_read_back() -> None:
    api = api_of(lambda: None)
    file = upload(
        api,
        content=("ignored.bin", PNG, "application/x-other"),
        type=(None, "image/png"),
        filename=(None, "a b.png"),
        metadata=(None, '{"customer": 3}', "application/json"),
    )
    assert file == {
        "id": file["id"],
        "name": "a b.png",
        "content_type": "image/png",
        "size": len(PNG),
        "etag": file["checksums"]["md5"],
        "checksums": {
            "sha256": __import__("hashlib").sha256(PNG).hexdigest(),
            "md5": __import__("hashlib").md5(PNG).hexdigest(),
        },
        "metadata": {"customer": 3},
        "created_at": "2023-11-14T22:13:20.000000Z",
        "expires_at": "2023-11-15T22:13:20.000000Z",
        "urls": {"get": f"https://local.invalid/v1/files/{file['id']}"},
    }
    assert api.get(file["urls"]["get"]) == file
    signed = {"owner": "local", "expiry": "1700000001", "signature": "x"}

    def download(**changed: str) -> Response:
        query = urlencode({name: value for name, value in {**signed, **changed}.items() if value})
        return api.send("GET", f"/files/{file['id']}/download?{query}")

    assert (download().body, download().content_type) == (PNG, "image/png")
    assert [download(**{name: ""}).status for name in signed] == [400, 400, 400]
    assert [download(expiry=expiry).status for expiry in ("1700000000", "-5", "soon")] == [404, 404, 400]
    assert download(owner="somebody").status == 404


def test_the_parts_own_name_and_type_are_the_default() -> None:
    file = upload(api_of(lambda: None), content=("x.txt", b"abc", "text/plain"))
    assert (file["name"], file["content_type"], file["metadata"]) == ("x.txt", "text/plain", {})


def test_a_deleted_or_expired_upload_is_gone() -> None:
    api = api_of(lambda: None)
    deleted = upload(api, content=("a", b"a"))
    kept = upload(api, content=("b", b"b"))
    assert api.send("DELETE", f"/files/{deleted['id']}").status == 204
    assert [file["id"] for file in api.get("/files")["results"]] == [kept["id"]]
    assert api.refused("DELETE", f"/files/{deleted['id']}")["detail"] == "File not found"
    api.emulator.clock.sleep(86_401)
    assert api.get("/files")["results"] == []
    assert api.refused("GET", f"/files/{kept['id']}")["status"] == 404


@pytest.mark.parametrize(
    ("parts", "detail"),
    [
        ({"other": ("a", b"a")}, "no part named 'content'"),
        ({"content": ("a", b"a"), "filename": (None, "x" * 256)}, "at most 255 bytes"),
        ({"content": ("a", b"a"), "metadata": (None, "[]")}, "'metadata' is a JSON object"),
        ({"content": ("a", b"a"), "metadata": (None, "{nan")}, "'metadata' is a JSON object"),
        ({"content": ("a", b"a"), "type": (None, "a/b\r\nx: y")}, "'type' is a media type"),
    ],
)
def test_a_form_that_cannot_be_meant_is_refused(parts: Any, detail: str) -> None:
    body, headers = form(**parts)
    problem = api_of(lambda: None).refused("POST", "/files", body=body, headers=headers)
    assert problem["status"] == 422
    assert detail in problem["detail"]


@pytest.mark.parametrize("kind", ["", "application/json", "multipart/form-data", 'multipart/form-data; boundary="x"'])
def test_a_body_that_is_no_form_is_refused(kind: str) -> None:
    problem = api_of(lambda: None).refused("POST", "/files", body=b"--y\r\n", headers={"Content-Type": kind})
    assert problem["status"] == 422


def test_a_form_that_is_cut_short_is_refused() -> None:
    body, headers = form(content=("a", b"abc"))
    api = api_of(lambda: None)
    for length in range(len(body) - 4):
        assert api.refused("POST", "/files", body=body[:length], headers=headers)["status"] == 422


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicate_home.emulator.files.LARGEST_FILE", 10)
    body, headers = form(content=("a", bytes(11)))
    problem = api_of(lambda: None).refused("POST", "/files", body=body, headers=headers)
    assert (problem["status"], problem["detail"]) == (413, "Files must be less than 100MB in size")


@given(st.binary(max_size=200), st.text("abc\"ü '", max_size=8))
def test_any_content_survives_the_form(content: bytes, name: str) -> None:
    body, headers = form(content=(name or "file", content))
    assert parse_multipart(headers["Content-Type"], body)["content"].content == content


# -- what models are given


def sizes(path: pathlib.Path, raw: bytes, opened: BinaryIO) -> Any:
    return [path.read_bytes().hex(), path.suffix, raw.hex(), opened.read().hex()]


def test_a_data_uri_is_given_as_path_bytes_or_open_file() -> None:
    uri = "data:image/png;base64," + base64.b64encode(b"\x00\x01").decode()
    prediction = api_of(sizes).held(path=uri, raw=uri, opened="data:,a%20b")
    assert prediction["output"] == ["0001", ".png", "0001", b"a b".hex()]


def test_uploads_and_outputs_of_this_server_are_given_by_their_url() -> None:
    def relay(image: bytes) -> bytes:
        return image[::-1]

    api = api_of(relay)
    file = upload(api, content=("x.bin", b"abc"))
    first = api.held(image=file["urls"]["get"])["output"]
    assert api.send("GET", first).body == b"cba"
    second = api.held(image=first)["output"]
    assert api.send("GET", second).body == b"abc"


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("https://example.com/x.png", "it fetches nothing from elsewhere"),
        ("file:///etc/passwd", "it fetches nothing from elsewhere"),
        ("https://local.invalid/v1/files/unknown", "File not found"),
        ("https://local.invalid/delivery/a/b", "File not found"),
        ("https://local.invalid/v1/account", "it fetches nothing from elsewhere"),
        ("data:image/png;base64,!!!", "not valid base64"),
        ("data:nothing", "looks like"),
    ],
)
def test_an_unavailable_file_fails_the_prediction(uri: str, error: str) -> None:
    prediction = api_of(lambda run_id, image=b"": None).held(run_id=1, image=uri)
    assert prediction["status"] == "succeeded"  # not annotated as a file, it is a string like any other

    def model(image: bytes) -> int:
        return len(image)

    failed = api_of(model).held(image=uri)
    assert failed["status"] == "failed"
    assert error in failed["error"]


def test_an_input_path_lasts_as_long_as_the_run_and_no_longer() -> None:
    seen: list[pathlib.Path] = []

    def model(run: LocalRun, image: pathlib.Path) -> Iterator[int]:
        seen.append(image)
        for _ in range(2):
            run.sleep(1)
            yield image.stat().st_size

    api = api_of(model)
    created = api.create(image="data:,abc")
    api.emulator.clock.sleep(1)
    assert api.get(f"/predictions/{created['id']}")["output"] == [3]
    assert seen[0].exists()
    api.emulator.clock.sleep(10)
    assert api.get(f"/predictions/{created['id']}")["output"] == [3, 3]
    assert not seen[0].exists()
    assert not seen[0].parent.exists()


@given(st.binary(max_size=50), st.sampled_from(["", "image/png", "text/plain;charset=utf-8", "x"]))
def test_a_data_uri_is_decoded_to_what_was_encoded(content: bytes, kind: str) -> None:
    uri = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    assert decode_data_uri(uri).content == content


# -- what models give


def test_paths_bytes_and_open_files_are_delivered_anywhere_in_the_output(tmp_path: pathlib.Path) -> None:
    picture = tmp_path / "my picture.png"
    picture.write_bytes(PNG)

    def model() -> Any:
        return {"a": picture, "b": [b"x", (b"y",)], "c": io.BytesIO(b"%PDF-1"), "d": 1}

    api = api_of(model)
    prediction = api.held()
    base = f"https://local.invalid/delivery/{prediction['id']}"
    assert prediction["output"] == {
        "a": f"{base}/my_picture.png",
        "b": [f"{base}/output.bin", [f"{base}/output-1.bin"]],
        "c": f"{base}/output.pdf",
        "d": 1,
    }
    got = [api.send("GET", url) for url in (f"{base}/my_picture.png", f"{base}/output-1.bin", f"{base}/output.pdf")]
    assert [(file.content_type, file.body) for file in got] == [
        ("image/png", PNG),
        ("application/octet-stream", b"y"),
        ("application/pdf", b"%PDF-1"),
    ]


def test_an_output_file_is_kept_when_the_model_has_removed_its_own(tmp_path: pathlib.Path) -> None:
    def model() -> Iterator[pathlib.Path]:
        path = tmp_path / "out.txt"
        path.write_text("abc")
        yield path
        path.unlink()

    api = api_of(model)
    (url,) = api.held()["output"]
    assert api.send("GET", url).body == b"abc"


def test_a_pillow_image_is_delivered_as_png() -> None:
    image = pytest.importorskip("PIL.Image")
    api = api_of(lambda: image.new("RGB", (2, 3), "red"))
    url = api.held()["output"]
    answer = api.send("GET", url)
    assert (url.rpartition("/")[2], answer.content_type) == ("output.png", "image/png")
    assert image.open(io.BytesIO(answer.body)).size == (2, 3)


def test_a_parameter_that_is_a_pillow_image_is_given_one() -> None:
    image = pytest.importorskip("PIL.Image")

    def size(picture: image.Image) -> list[int]:
        return [*picture.size]

    held = io.BytesIO()
    image.new("RGB", (2, 3), "red").save(held, "PNG")
    uri = f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"
    size.__annotations__["picture"] = image.Image  # which a string could not name in here
    api = api_of(size)
    failed = api.held(picture="data:text/plain,no%20picture")
    assert api.held(picture=uri)["output"] == [2, 3]
    assert (failed["error"], failed["logs"]) == ("the input file is not a picture that Pillow can open (10 bytes)", "")


@pytest.mark.parametrize(("limit", "value"), [("LARGEST_FILE", 9), ("LARGEST_FILES", 19)])
def test_output_files_that_are_too_large_fail_the_run(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(f"replicate_home.emulator.files.{limit}", value)
    failed = api_of(lambda: [b"0123456789", b"0123456789"]).held()
    assert failed["status"] == "failed"
    assert "larger than" in failed["error"]


def test_a_text_file_opened_as_text_fails_the_run() -> None:
    failed = api_of(lambda: io.StringIO("abc")).held()
    assert (failed["status"], failed["error"]) == ("failed", "an output file must be opened in binary mode")


@pytest.mark.parametrize(
    ("content", "kind", "name"),
    [
        (b"\xff\xd8\xff", "image/jpeg", "output.jpg"),
        (b"RIFF....WEBP", "image/webp", "output.webp"),
        (b"RIFF....WAVE", "audio/wav", "output.wav"),
        (b"....ftypisom", "video/mp4", "output.mp4"),
    ],
)
def test_bytes_are_named_after_what_they_are(content: bytes, kind: str, name: str) -> None:
    api = api_of(lambda: content)
    url = api.held()["output"]
    assert (api.send("GET", url).content_type, url.rpartition("/")[2]) == (kind, name)


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        ("bytes=0-2", 206, b"abc", "bytes 0-2/6"),
        ("bytes=4-", 206, b"ef", "bytes 4-5/6"),
        ("bytes=-2", 206, b"ef", "bytes 4-5/6"),
        ("bytes=-99", 206, b"abcdef", "bytes 0-5/6"),
        ("bytes=0-99", 206, b"abcdef", "bytes 0-5/6"),
        ("bytes=-", 200, b"abcdef", None),
        ("bytes=0-1,3-4", 200, b"abcdef", None),
        ("lines=1-2", 200, b"abcdef", None),
    ],
)
def test_a_range_of_a_file_can_be_asked_for(asked: str, status: int, body: bytes, content_range: str | None) -> None:
    api = api_of(lambda: b"abcdef")
    answer = api.send("GET", api.held()["output"], headers={"Range": asked})
    assert (answer.status, answer.body, answer.headers.get("content-range")) == (status, body, content_range)


def test_a_range_outside_the_file_is_refused_and_a_changed_file_is_sent_whole() -> None:
    api = api_of(lambda: b"abcdef")
    url = api.held()["output"]
    assert api.refused("GET", url, headers={"Range": "bytes=6-"})["status"] == 416
    etag = api.send("GET", url).headers["etag"]
    assert api.send("GET", url, headers={"Range": "bytes=1-1", "If-Range": etag}).body == b"b"
    assert api.send("GET", url, headers={"Range": "bytes=1-1", "If-Range": '"other"'}).body == b"abcdef"
