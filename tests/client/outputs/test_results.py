"""What ``run()`` returns: the output itself, in every respect a value of its own type, that knows its prediction."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home import FileOutput, Result, Snapshot
from replicate_home.client.outputs.download import Download, DownloadInThread, in_thread
from replicate_home.client.outputs.ranges import Rest
from replicate_home.client.outputs.results import result_of

API = "https://api.replicate.com/v1"
PLACE = "https://replicate.delivery/abc"
PNG = f"{PLACE}/out.png"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
VALUES = [
    None,
    True,
    False,
    "",
    "Hello",
    0,
    42,
    -(2**70),
    0.5,
    -0.0,
    [],
    ["a", "b"],
    [1, None, {"a": [True]}],
    {},
    {"a": 1},
]


class Over:
    """A source of files that a function makes."""

    def __init__(self, opened: Callable[[str], Download]) -> None:
        self.open = opened

    async def aopen(self, url: str, rest: Rest | None = None) -> DownloadInThread:
        return DownloadInThread(await in_thread(self.open, url, rest))


def content_of(url: str, rest: Rest | None = None) -> Download:
    return Download.of(url.encode(), "image/png")


def never(url: str, rest: Rest | None = None) -> NoReturn:
    pytest.fail(f"{url} was opened")


def snapshot(output: Any, **more: Any) -> Snapshot:
    return Snapshot({"id": "p1", "status": "succeeded", "output": output, **more})


def result(output: Any, *, use_file_output: bool = True, **more: Any) -> Any:
    return result_of(snapshot(output, **more), API, Over(content_of) if use_file_output else None)


# ---- it is the output ----


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_result_is_its_output_in_every_respect(value: Any) -> None:
    found = result(value)
    assert isinstance(found, Result)
    assert found == value
    assert value == found
    assert (found != value) is False
    assert bool(found) is bool(value)
    assert (found.output, type(found.output)) == (value, type(value))
    if value is not None and not isinstance(value, bool):
        assert isinstance(found, type(value))
        assert repr(found) == repr(value)
        assert json.dumps(found) == json.dumps(value)


@given(JSON)
def test_any_json_is_equal_to_its_result_and_survives_pickling_and_copying(value: Any) -> None:
    found = result(value, logs="said")
    for other in (found, pickle.loads(pickle.dumps(found)), copy.copy(found), copy.deepcopy(found)):
        assert (other, other.output, other.logs, type(other)) == (value, value, "said", type(found))
        assert other == found


def test_a_null_and_a_boolean_are_plain_results() -> None:
    assert (repr(result(None)), str(result(None)), result(None).text) == ("Result(None)", "null", "")
    assert (repr(result(True)), str(result(True))) == ("Result(True)", "true")
    assert result(True) == result(True)
    assert result(True) != result(False)
    assert result(None) != False  # noqa: E712 - as None itself is not
    assert {result(None), result(None), result(True)} == {None, True}


def test_results_compare_and_hash_as_their_values_do() -> None:
    assert {result("a"): 1, result(5): 2, result(0.5): 3} == {"a": 1, 5: 2, 0.5: 3}
    assert sorted([result(3), 1, result(2)]) == [1, 2, 3]
    assert result("b") > "a"
    for value in ([], {}):
        with pytest.raises(TypeError, match="unhashable"):
            hash(result(value))


def test_results_do_what_peoples_code_expects() -> None:
    assert "".join(result(["Hel", "lo"])) == "Hello"
    assert result(["a", "b"])[1] == "b"
    assert result({"a": {"b": 1}})["a"]["b"] == 1
    assert result("Hello").upper() == "HELLO"
    assert result("a,b").split(",") == ["a", "b"]
    assert result(20) + result(22) == 42
    assert result(0.5) * 2 == 1.0
    assert f"{result(3):03d} {result(0.5):.2f} {result('x'):>3}" == "003 0.50   x"
    assert {**result({"a": 1})} == {"a": 1}
    match result([1, 2]):
        case [first, *_]:
            assert first == 1
    match result({"a": 1}):
        case {"a": number}:
            assert number == 1


def test_changing_a_result_leaves_the_output_as_it_came() -> None:
    found = result(["a"])
    found.append("b")
    assert (found, found.output, found.prediction.output) == (["a", "b"], ["a"], ["a"])


# ---- as a text ----


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Hello", "Hello"),
        (["Hel", "lo"], "Hello"),
        ([PNG], PNG),
        (PNG, PNG),
        ([PNG, PNG], f'["{PNG}", "{PNG}"]'),
        ([PNG, "a"], f'["{PNG}", "a"]'),
        ({"image": PNG, "title": "ü"}, f'{{"image": "{PNG}", "title": "ü"}}'),
        ([], "[]"),
        ({}, "{}"),
        ([1, "a"], '[1, "a"]'),
        (42, "42"),
        (0.1, "0.1"),
        (True, "true"),
        (None, "null"),
    ],
    ids=repr,
)
def test_str_is_the_text_or_the_url_of_the_file_or_json(value: Any, text: str) -> None:
    assert str(result(value)) == f"{result(value)}" == text


@pytest.mark.parametrize(("value", "text"), [("Hello", "Hello"), (["Hel", "lo"], "Hello"), ([], ""), (None, "")])
def test_text_is_the_text(value: Any, text: str) -> None:
    assert (result(value).text, type(result(value).text)) == (text, str)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (42, "a JSON int"),
        (True, "a JSON bool"),
        ({"a": "b"}, "a JSON dict"),
        (["a", 1], "a JSON list"),
        (PNG, "a file"),
        ([PNG], "a JSON list"),
    ],
    ids=repr,
)
def test_what_is_no_text_says_so(value: Any, kind: str) -> None:
    with pytest.raises(ValueError, match=f"^the output is not text but {kind}: see .output and .files$"):
        _ = result(value).text


# ---- files ----


def test_one_file_is_a_file() -> None:
    found = result(PNG)
    assert isinstance(found, FileOutput)
    assert (found.url, found.name, found.read(), repr(found)) == (PNG, "out.png", PNG.encode(), f"FileOutput({PNG!r})")
    assert found == FileOutput(PNG)
    assert (found.file, found.files) == (FileOutput(PNG), [FileOutput(PNG)])


def test_files_are_found_in_the_order_of_the_document_however_deep() -> None:
    urls = [f"{PLACE}/{number}.png" for number in range(4)]
    found = result({"b": [urls[0], {"x": urls[1]}], "a": urls[2], "text": "no file", "c": [[urls[3]], None]})
    assert [file.url for file in found.files] == urls
    assert found["b"][1]["x"].read() == urls[1].encode()
    assert found["text"] == "no file"


@pytest.mark.parametrize(("value", "count"), [("text", 0), (None, 0), ([], 0), ([PNG, PNG], 2)])
def test_file_is_the_only_one_or_an_error_with_the_count(value: Any, count: int) -> None:
    with pytest.raises(ValueError, match=rf"^expected exactly one file in the output, found {count}: see \.files$"):
        _ = result(value).file


def test_files_can_be_left_as_urls() -> None:
    found = result([PNG], use_file_output=False)
    assert (found, found.files, found.text) == ([PNG], [], PNG)


def test_nothing_is_opened_before_it_is_read() -> None:
    found = result_of(snapshot([PNG]), API, Over(never))
    assert (str(found), found.file.name, len(found.files)) == (PNG, "out.png", 1)


def test_a_copy_of_a_result_can_still_read_its_files_and_an_unpickled_one_is_the_same_value() -> None:
    for value in (PNG, [PNG], {"a": PNG}):
        for other in (copy.copy(result(value)), copy.deepcopy(result(value))):
            assert other == result(value)
            assert other.file.read() == PNG.encode()
        unpickled = pickle.loads(pickle.dumps(result(value)))
        assert (unpickled, type(unpickled)) == (result(value), type(result(value)))


def test_save_all_makes_the_folder_and_numbers_several_files_in_their_order(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    assert result(PNG).save_all(folder) == [folder / "out.png"]
    urls = [f"{PLACE}/{number}/out.png" for number in range(11)]
    paths = result(urls).save_all(str(folder))
    assert paths == [folder / f"{number:02}-out.png" for number in range(11)]
    assert [path.read_text() for path in paths] == urls
    assert result("no file").save_all(tmp_path / "empty") == []


def test_save_all_stays_in_its_folder(tmp_path: Path) -> None:
    urls = [f"{PLACE}/..%2F..%2Fetc%2Fpasswd", f"{PLACE}/..", f"{PLACE}/%00"]
    paths = result(urls).save_all(tmp_path)
    assert [path.name for path in paths] == ["0-etc_passwd", "1-output", "2-output"]
    assert sorted(tmp_path.iterdir()) == paths


# ---- its prediction ----


def test_it_knows_its_prediction() -> None:
    found = result("Hello", logs="step 1\n", metrics={"predict_time": 0.5})
    assert (found.id, found.logs, found.metrics) == ("p1", "step 1\n", {"predict_time": 0.5})
    assert found.prediction == snapshot("Hello", logs="step 1\n", metrics={"predict_time": 0.5})
