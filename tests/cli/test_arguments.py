"""``name=value`` on the command line: what is text stays text, what is a number becomes one."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.cli.arguments import Stdin, read_inputs
from replicate_home.records.schema import Schema

STRING, INTEGER, NUMBER, BOOLEAN = ({"type": name} for name in ("string", "integer", "number", "boolean"))


def no_stdin() -> NoReturn:
    pytest.fail("stdin was read")


def read(*arguments: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return read_inputs(arguments, no_stdin).typed(Schema(schema or {}))


def test_a_plain_value_is_text_and_needs_no_schema() -> None:
    inputs = read_inputs(['prompt=two words, an = and "quotes"', "size=512x512", "seed=007", "empty="], no_stdin)
    assert inputs.certain == {
        "prompt": 'two words, an = and "quotes"',
        "size": "512x512",
        "seed": "007",
        "empty": "",
    }
    assert inputs.in_doubt == {}


@pytest.mark.parametrize(
    ("text", "described", "expected"),
    [
        ("42", STRING, "42"),
        ("42", INTEGER, 42),
        ("-0.5e1", NUMBER, -5.0),
        ("true", BOOLEAN, True),
        ("true", STRING, "true"),
        ("null", {"type": "integer", "nullable": True}, None),
        ("null", STRING, "null"),
        ("[1, 2]", {"type": "array"}, [1, 2]),
        ('{"a": 1}', {"type": "object"}, {"a": 1}),
        ('{"a": 1}', STRING, '{"a": 1}'),
        ("4", {"allOf": [{"$ref": "#/components/schemas/steps"}], "default": 4}, 4),
        ("4", {"allOf": [{"$ref": "#/components/schemas/ratio"}], "default": "16"}, "4"),
        ("4", {"anyOf": [{"type": "string"}, {"type": "null"}]}, "4"),
        ("4", {"type": ["integer", "null"]}, 4),
        ("4", {"anyOf": 5, "type": 6}, 4),
        ("4", "nonsense", 4),
    ],
)
def test_the_schema_decides_what_a_value_in_doubt_is(text: str, described: Any, expected: Any) -> None:
    assert read(f"value={text}", schema={"value": described}) == {"value": expected}


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("steps=42", {"steps": 42}),
        ("strength=0.5", {"strength": 0.5}),
        ("upscale=false", {"upscale": False}),
        ("prompt=42", {"prompt": "42"}),
        ("negative_prompt=true", {"negative_prompt": "true"}),
        ("system=7", {"system": "7"}),
        ("input_text=7", {"input_text": "7"}),
        ("sizes=[1, 2]", {"sizes": "[1, 2]"}),
        ("seed=null", {"seed": "null"}),
    ],
)
def test_without_a_schema_scalars_are_taken_as_such_except_where_the_name_means_text(
    argument: str, expected: dict[str, Any]
) -> None:
    assert read(argument) == expected


@pytest.mark.parametrize(
    "text", ["1e999", "9" * 5000, "NaN", "Infinity", "[1,", "{prompt}", "[" * 100_000, "1_000", "٤"]
)
def test_what_only_looks_like_json_is_text(text: str) -> None:
    assert read_inputs([f"value={text}"], no_stdin).certain == {"value": text}


def test_json_can_be_said_outright() -> None:
    given_json = ['prompt:="@home"', "seed:=null", 'messages:=[{"role": "user", "content": "="}]']
    assert read_inputs(given_json, no_stdin).certain == {
        "prompt": "@home",
        "seed": None,
        "messages": [{"role": "user", "content": "="}],
    }


def test_a_file_is_its_path(tmp_path: Path) -> None:
    picture = tmp_path / "a picture.png"
    picture.write_bytes(b"\x89PNG")
    assert read(f"image=@{picture}") == {"image": picture}


@pytest.mark.parametrize(
    ("content", "expected"), [("Grüße\n".encode(), "Grüße\n"), (b"42", "42"), (b"\x89PNG", b"\x89PNG"), (b"", "")]
)
def test_stdin_is_a_text_or_else_a_file(content: bytes, expected: str | bytes) -> None:
    assert read_inputs(["prompt=@-"], lambda: content).typed(Schema()) == {"prompt": expected}


def test_stdin_that_is_no_file_is_read_once_and_a_missing_one_is_empty() -> None:
    stdin = Stdin(io.TextIOWrapper(io.BytesIO(b"Hello\n")))
    assert (stdin.has_more(), stdin.prompt(), stdin.has_more()) == (True, {"prompt": "Hello"}, False)
    nothing = Stdin(None)
    assert (nothing.has_more(), nothing.read(), nothing.prompt()) == (False, b"", {})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Hello"], "'Hello' is not an input: write name=value, such as prompt=\"Hello\""),
        (["=Hello"], "'=Hello' is not an input: write name=value, such as prompt=\"Hello\""),
        ([":=1"], "':=1' is not an input: write name=value, such as prompt=\"Hello\""),
        (["a=1", "a=x"], "a is given twice; to pass a list, write a:='[...]'"),
        (["a=@-", "b=@-"], "stdin can be used for one input only: @- is given twice"),
        (
            ["a=@nowhere.png"],
            "a: there is no file 'nowhere.png' (for text that begins with @, write a:='\"@...\"')",
        ),
        (["a:=x"], "a:= expected JSON, got 'x' (Expecting value: line 1 column 1 (char 0))"),
    ],
)
def test_what_cannot_be_read_says_what_to_write(arguments: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_inputs(arguments, lambda: b"in")


@given(st.text())
def test_any_text_arrives_unchanged_where_the_model_takes_text(text: str) -> None:
    if not text.startswith("@"):
        assert read(f"prompt={text}", schema={"prompt": STRING}) == {"prompt": text}


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**18), 10**18) | st.booleans())
def test_any_number_arrives_as_such_where_the_model_takes_numbers(value: float) -> None:
    assert read(f"value={json.dumps(value)}", schema={"value": NUMBER}) == {"value": value}
