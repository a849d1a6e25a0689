"""G3: what is shown of a server's words is short, on one line, and without any token."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.exceptions import ProtocolError
from replicate_home.protocol.redaction import excerpt, redact, without_frames, without_query
from replicate_home.wire import Secret


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain", "plain"),
        ("  two\r\n\tlines\x00\x1b[31m ", "two lines [31m"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        ("\u202egnp.exe\u2028\u2066x", "gnp.exe x"),
        ("é" * 300, "é" * 199 + "…"),
        ("x" * 200, "x" * 200),
        ("x" * 10**7, "x" * 199 + "…"),
        (b"x" * 10**7, "x" * 199 + "…"),
        (b"", ""),
    ],
)
def test_an_excerpt_is_one_short_line_fit_to_be_printed(data, shown):
    assert excerpt(data) == shown


@given(st.text() | st.binary(), st.integers(1, 50))
def test_an_excerpt_is_never_longer_than_asked(data, length):
    shown = excerpt(data, length)
    assert len(shown) <= length
    assert not set(shown) & {chr(number) for number in (*range(32), *range(127, 160), 0x2028, 0x202E)}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.def rest", "Authorization: *** rest"),
        ("bEARER   r8_0123456789", "***"),
        ('{"token": "r8_abcDEF0123"}', '{"token": "***"}'),
        ('{"key": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}', '{"key": "***"}'),
        ("bearers of r8 and whsec", "bearers of r8 and whsec"),
    ],
)
def test_what_looks_like_a_token_is_not_in_an_excerpt(text, shown):
    assert excerpt(text) == excerpt(text.encode()) == shown


@given(st.integers(0, 500), st.integers(1, 200))
def test_no_part_of_a_token_is_left_where_an_excerpt_is_cut(before, length):
    assert "CANARY" not in excerpt(" " * before + "r8_CANARY" * 30, length)


@pytest.mark.parametrize(
    ("token", "shown"), [(None, "a key-1 b key-1"), (Secret(""), "a key-1 b key-1"), (Secret("key-1"), "a *** b ***")]
)
def test_a_token_that_is_known_is_struck_out_whatever_it_looks_like(token, shown):
    assert redact("a key-1 b key-1", token) == shown


def test_the_query_of_a_url_is_left_out():
    assert without_query("https://host/a?signature=1?2") == "https://host/a"
    assert without_query("https://host/a") == "https://host/a"


def test_a_traceback_does_not_show_what_was_read():
    def read() -> None:
        said = "r8_CANARY"
        raise ProtocolError(f"{len(said)} letters of nonsense")

    with pytest.raises(ProtocolError, match="9 letters") as caught:
        without_frames(read)
    lines = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    assert "r8_CANARY" not in "".join(lines)
    assert without_frames(lambda: 7) == 7
