"""G6: JSON is read strictly, and what is not JSON is a ``ProtocolError``, whatever it is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.exceptions import ProtocolError
from replicate_home.protocol.strict_json import DEEPEST, parse_json

from ..hypothesis_profiles import examples


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"{}", {}),
        (b" [1, 2.5, null, true]\r\n", [1, 2.5, None, True]),
        (b"\xef\xbb\xbf{}", {}),
        ('"é漢🙂"'.encode(), "é漢🙂"),
        (b'"\\ud83d\\ude42"', "🙂"),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"1e308", 1e308),
        (b"1e-999", 0.0),
    ],
)
def test_json_is_read(data, value):
    assert parse_json(data) == value


@pytest.mark.reliability
@pytest.mark.parametrize(
    "data",
    [b"", b" ", b"{", b"{}{}", b"nul", b"NaN", b"[Infinity]", b"-Infinity", b"1e400", b"-1e400", b"9" * 5000,
     b"\xff\xfe", b"<html>", b"'a'", b"{a: 1}", b"[1,]", b"\x00", b'"\x01"', b"01", b"+1", b"\xef\xbb\xbf",
     b"\xef\xbb\xbf\xef\xbb\xbf{}", "\ufeff{}".encode("utf-16"), b"[" * 100_000, b'{"a":' * 100_000,
     b"[" * 990 + b"]" * 990, b'"\xed\xa0\x80"'],
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_what_is_not_json_is_said_so_with_what_came_instead(data):
    with pytest.raises(ProtocolError, match="expected JSON, got") as caught:
        parse_json(data)
    assert len(str(caught.value)) < 1200
    assert "\n" not in str(caught.value)


@pytest.mark.reliability
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_has_a_limit_that_holds_in_every_python(opening):
    """Whatever parses can be walked through by recursion afterwards, in this package and in its caller's code."""
    closing = "]" if opening == "[" else "}"
    for depth in (1, DEEPEST - 1):
        assert parse_json((opening * depth + "1" + closing * depth).encode()) is not None
    for depth in (DEEPEST + 1, DEEPEST * 2):
        with pytest.raises(ProtocolError, match="nested too deeply"):
            parse_json((opening * depth + "1" + closing * depth).encode())


def test_many_values_side_by_side_are_not_nested():
    data = json.dumps([[[]], {"a": {}}] * 1000 + ["[" * 1000]).encode()
    assert len(parse_json(data)) == 2001


@pytest.mark.reliability
@examples(500, 50_000)
@given(st.binary(max_size=60) | st.text('[]{},:"0123456789.eE+-\\ truefalsnNaI\ufeff', max_size=30).map(str.encode))
def test_any_bytes_are_json_or_a_protocol_error(data):
    try:
        value = parse_json(data)
    except ProtocolError:
        return
    assert json.loads(data.decode("utf-8-sig")) == value
