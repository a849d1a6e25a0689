"""G8: what a server asks for in ``Retry-After``, or in the words of a 429, is read as it is meant.

``urllib3.util.Retry`` is the oracle. The larger table is read from the folder that ``REPLICATE_HOME_TEST_DATA`` names.
"""

from __future__ import annotations

import datetime
import json
import os
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry

from replicate_home.protocol.retry_after import parse_retry_after, server_wait
from tests.lifecycle.lives import answer

from ..hypothesis_profiles import examples

DATA = os.environ.get("REPLICATE_HOME_TEST_DATA")  # before the tests' own environment is cleared
THEN = 1_559_559_600.0  # 2019-06-03T11:00:00Z

# value, seconds at that time
RETRY_AFTER = [
    ("0", None), ("1", 1), ("42", 42), (" 42\t", 42), ("007", 7), ("3600", 3600), ("1" * 35, 1.1111e34),
    ("-1", None), ("+1", None), ("1.0", None), ("1e3", None), ("²", None), ("٣", None), ("0x10", None), ("1_000", None),
    ("", None), (" ", None), ("inf", None), ("nan", None), ("soon", None), ("1, 2", None), ("1;2", None),
    ("Mon, 03 Jun 2019 11:30:12 GMT", 1812), ("Monday, 03-Jun-19 11:30:12 GMT", 1812),
    ("Mon Jun  3 11:30:12 2019", 1812),
    ("Mon, 3 Jun 2019 11:30:12 UTC", 1812), ("Mon, 03 Jun 2019 11:00:00 GMT", None),
    ("Mon, 03 Jun 2019 10:00:00 GMT", None), ("Mon, 03 Jun 100000 11:30:12 GMT", None),
    ("Thu, 01 Jan 1970 00:00:00 GMT", None), ("Mon, 03 Jun 2019", None),
]  # fmt: skip


def needs(name: str) -> Any:
    if not DATA:
        pytest.skip(f"REPLICATE_HOME_TEST_DATA does not name the folder with {name}")
    return json.loads((Path(DATA) / name).read_text("utf-8"))


def parsed(value: str, now: float = THEN) -> float | None:
    return parse_retry_after(value, now)


@pytest.mark.reliability
@pytest.mark.parametrize(("value", "seconds"), RETRY_AFTER)
def test_retry_after_is_digits_or_a_date_in_one_of_three_forms(value, seconds):
    assert parsed(value) == (None if seconds is None else pytest.approx(seconds, rel=1e-3))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Jerusalem", "America/New_York"])
def test_dates_mean_the_same_in_every_time_zone(zone, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert [parsed(value) for value, seconds in RETRY_AFTER if seconds == 1812] == [1812] * 4
    finally:
        monkeypatch.undo()
        time.tzset()


def oracle(value: str) -> float | None:
    """urllib3's opinion at that time, where it is one; for it a moment that has passed is no wait."""
    try:
        return Retry(retry_after_max=10**40).parse_retry_after(value) or None
    except (InvalidHeader, ValueError, OverflowError):
        return None


@pytest.mark.reliability
@pytest.mark.parametrize("value", [value for value, _ in RETRY_AFTER])
def test_urllib3_agrees(value, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: THEN)
    seconds = oracle(value)
    assert parsed(value) == (None if seconds is None else pytest.approx(seconds))


@examples(300, 20_000)
@given(st.integers(0, 10**9), st.integers(-(10**6), 10**9))
def test_urllib3_agrees_on_every_number_and_every_date(number, moment):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: THEN)
        for value in (str(number), formatdate(THEN + moment, usegmt=True)):
            assert parsed(value) == oracle(value)


@pytest.mark.reliability
@examples(300, 50_000)
@given(st.lists(st.sampled_from([*"0123456789 :,-+./()TZé", "Mon", "Jun", "GMT", "2019"]), max_size=14).map("".join))
def test_any_text_at_all_is_a_wait_or_none(value):
    seconds = parsed(value)
    assert seconds is None or seconds > 0


@pytest.mark.reliability
def test_the_larger_table_of_values():
    table = needs("retry_after.json")
    now = table["openai"]["now"]
    cases = 0
    for case in table["openai"]["cases"]:
        found, expected = parsed(case["value"], now), case["seconds"]
        # Longer waits than that client's two minutes are waits still; whether to wait is another decision.
        assert found == expected or (expected is None and found is not None and found > 120), case
        cases += 1
    then = datetime.datetime.fromisoformat(table["urllib3"]["now"]).timestamp()
    for case in table["urllib3"]["valid"]:
        assert parsed(case["value"], then) == (case["seconds"] or None), case
        cases += 1
    for value in table["urllib3"]["invalid"]:
        assert parsed(value, then) is None, value
        cases += 1
    for case in table["replicate_body"]:
        assert server_wait(answer(429, case["body"]), now) == case["seconds"]
        cases += 1
    assert cases >= 34


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry_after": "2"}, None, 2),
        ({"retry_after_ms": "1500"}, None, 1.5),
        ({"retry_after_ms": "1500", "retry_after": "7"}, None, 1.5),
        ({"retry_after_ms": "-1", "retry_after": "7"}, None, 7),
        ({"retry_after_ms": "0"}, None, None),
        ({"retry_after_ms": "0", "retry_after": "7"}, None, None),
        ({"retry_after_ms": "9" * 5000}, None, pytest.approx(1e37, rel=1e-3)),
        ({}, None, None),
        ({}, {"detail": "Request was throttled. Your rate limit resets in ~30s."}, 30),
        ({}, {"detail": "Your rate limit resets in 5 s."}, 5),
        ({}, {"detail": "resets in ~0s"}, 1),
        ({}, {"detail": "resets in ~9999999999999s"}, 9999999999999),
        ({}, {"detail": "resets in ~ s"}, None),
        ({}, {"detail": ["resets in ~30s"]}, None),
        ({}, {"retry_after": 7}, 7),
        ({}, {"retry_after": 0.5}, 0.5),
        ({}, {"retry_after": True}, None),
        ({}, {"retry_after": -7}, None),
        ({}, {"retry_after": "7"}, None),
        ({}, {"retry_after": 10**400}, 10**9),
        ({}, [], None),
        ({}, b"resets in ~30s", None),
        ({"retry_after": "soon"}, {"retry_after": 7}, 7),
    ],
)
def test_the_wait_stands_in_a_header_or_in_the_body(headers, body, seconds):
    assert server_wait(answer(429, body, **headers), THEN) == seconds


def test_only_too_many_requests_is_looked_at_for_words():
    assert server_wait(answer(503, {"detail": "resets in ~30s"}), THEN) is None
    assert server_wait(answer(503, retry_after="3"), THEN) == 3
