"""G7: the SSE decoder gives the same events forevery way of cutting the bytes, and those the standard defines.

Three judges: a table of vectors with their outcome written out, the web-platform-tests (where
``REPLICATE_HOME_TEST_DATA`` names the folder that has them), and a decoder written below as plainly as
https://html.spec.whatwg.org/multipage/server-sent-events.html reads, for whole inputs only.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import random
import sys
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicate_home.exceptions import ProtocolError
from replicate_home.protocol.sse import Decoder, ServerSentEvent

MIB = 2**20
DATA = os.environ.get("REPLICATE_HOME_TEST_DATA")  # before the tests' own environment is cleared


class Outcome(NamedTuple):
    events: list[ServerSentEvent]
    retry: int | None = None
    last_event_id: str = ""


class Case(NamedTuple):
    name: str
    stream: bytes
    outcome: Outcome


def message(data: str, *, event: str = "message", id: str | None = None, last: str | None = None) -> ServerSentEvent:
    return ServerSentEvent(event, data, id, (id or "") if last is None else last)


def decoded(pieces: Iterable[bytes]) -> Outcome:
    decoder = Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return Outcome(events, decoder.retry, decoder.last_event_id)


def reference(stream: bytes) -> Outcome:
    """The standard's algorithm on a whole stream, step by step."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    *lines, _unfinished = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    events, retry, last_event_id = [], None, ""
    data, event, own_id = "", "", None
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            last_event_id = last_event_id if own_id is None else own_id
            if data:
                events.append(ServerSentEvent(event or "message", data.removesuffix("\n"), own_id, last_event_id))
            data, event, own_id = "", "", None
        elif field == "event":
            event = value
        elif field == "data":
            data += value + "\n"
        elif field == "id" and "\0" not in value:
            own_id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            retry = int(value)
    return Outcome(events, retry, last_event_id)


def pieces_of(stream: bytes, size: int) -> list[bytes]:
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def ways_of_cutting(stream: bytes) -> Iterator[list[bytes]]:
    yield [stream]
    yield pieces_of(stream, 1)
    yield pieces_of(stream, 2)
    for cut in range(1, len(stream)):
        yield [stream[:cut], stream[cut:]]


# --- the vectors ---------------------------------------------------------------------------------------------------

# What a stream of lines comes to, whichever line end it is written with ("\n" here stands for it).
OF_LINES: dict[str, tuple[str, Outcome]] = {
    "one event": ("data: x\n\n", Outcome([message("x")])),
    "two events": ("data: x\n\ndata: y\n\n", Outcome([message("x"), message("y")])),
    "blank lines around": ("\n\ndata: x\n\n\n\n", Outcome([message("x")])),
    "three data lines": ("data: x\ndata:\ndata: y\n\n", Outcome([message("x\n\ny")])),
    "the newline token": ("event: output\ndata: \ndata: \n\n", Outcome([message("\n", event="output")])),
    "comments between": (": a\n\n:\ndata: x\n:b\ndata: y\n: c\n\n", Outcome([message("x\ny")])),
    "the usual order": ("event: e\nid: 7\ndata: x\n\n", Outcome([message("x", event="e", id="7")], None, "7")),
    "another order": ("data: x\nid: 7\nevent: e\n\n", Outcome([message("x", event="e", id="7")], None, "7")),
    "retry between": ("data: x\nretry: 50\ndata: y\n\n", Outcome([message("x\ny")], 50)),
    "a usual event after a retry": ("retry: 5\nid: 7\ndata: x\n\n", Outcome([message("x", id="7")], 5, "7")),
    "a usual event after its own name": ("event: a\nevent: e\ndata: x\n\n", Outcome([message("x", event="e")])),
    "a usual event after some data": ("data: x\nevent: e\ndata: y\n\n", Outcome([message("x\ny", event="e")])),
    "a usual event after an id": ("id: 1\ndata: x\nid: 2\ndata: y\n\n", Outcome([message("x\ny", id="2")], None, "2")),
    "data lines around the id": ("data: x\nid: 7\ndata: y\n\n", Outcome([message("x\ny", id="7")], None, "7")),
    "fields without a value": ("event: e\nevent\nid: 7\nid\ndata\ndata\n\n", Outcome([message("\n", id="")])),
    "an unknown field": (
        "event: e\nid: 7\ndate: x\ndata: x\n\n",
        Outcome([message("x", event="e", id="7")], None, "7"),
    ),
    "a usual event that inherits": ("id: 1\nevent: e\n\ndata: x\n\n", Outcome([message("x", last="1")], None, "1")),
    "a last event that is not terminated": ("data: x\n\nid: 3\ndata: y\n", Outcome([message("x")])),
}

NOT_LINE_ENDS = [
    "\u2028",
    "\u2029",
    "\x85",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x1f",
    "\t",
    "\0",
    "\ufeff",
    "\xa0",
]
LETTERS = {"two bytes": "é", "three bytes": "…", "four bytes": "😀", "a combined one": "e\u0301", "many": "aé…😀" * 3}
INVALID_UTF8 = {
    b"\xff": "\ufffd",
    b"\x80": "\ufffd",
    b"a\xc3": "a\ufffd",
    b"\xc3(": "\ufffd(",
    b"\xe2\x80": "\ufffd",
    b"\xe2\x80x": "\ufffdx",
    b"\xe2\xff\x80": "\ufffd\ufffd\ufffd",
    b"\xf0\x9f\x98": "\ufffd",
    b"\xf0\x9f\x98\xe2\x80\xa6": "\ufffd…",
    b"\xc0\x80": "\ufffd\ufffd",
    b"\xed\xa0\x80": "\ufffd\ufffd\ufffd",
    b"\xf4\x90\x80\x80": "\ufffd\ufffd\ufffd\ufffd",
    b"\xf5\x80": "\ufffd\ufffd",
}
# The data of a block which is this line and a blank one; None where no event comes of it.
DATA_LINES: dict[bytes, str | None] = {
    b"data": "",
    b"data:": "",
    b"data: ": "",
    b"data:  ": " ",
    b"data:x": "x",
    b"data:  x": " x",
    b"data:\tx": "\tx",
    b"data:x ": "x ",
    b"data:a:b: c": "a:b: c",
    b"data::": ":",
    b"data: data: x": "data: x",
    b" data:x": None,
    b"data :x": None,
    b"Data:x": None,
    b"data\0:x": None,
    b"datax:y": None,
    b"dat:x": None,
    b"x": None,
    b":data:x": None,
    b": ": None,
    b"\xef\xbb\xbfdata:x": None,
}
# The own id of an event that comes after one with the id "0".
ID_LINES: dict[bytes, str | None] = {
    b"id": "",
    b"id:": "",
    b"id: ": "",
    b"id:  ": " ",
    b"id:a": "a",
    b"id: a b": "a b",
    b"id: 1690212292:12": "1690212292:12",
    b"id:\xe2\x80\xa6": "…",
    b"id:\xff": "\ufffd",
    b"id:\0": None,
    b"id:a\0": None,
    b"id: \0a": None,
    b"ID:a": None,
    b"id:a\nid:b": "b",
    b"id:a\nid": "",
    b"id:a\nid:b\0": "a",
}
EVENT_LINES = {
    b"event": "message",
    b"event:": "message",
    b"event: ": "message",
    b"event:  ": " ",
    b"event:a": "a",
    b"event: a b": "a b",
    b"event:message": "message",
    b"event:a\nevent:b": "b",
    b"event:a\nevent:": "message",
    b"event:\xff": "\ufffd",
    b"Event:a": "message",
}
RETRY_VALUES = {
    b":10": 10,
    b": 10": 10,
    b":0": 0,
    b":000": 0,
    b":0070": 70,
    b":1000000000000": 10**12,
    b":" + b"9" * 5000: 10**15,
    b":" + b"0" * 5000 + b"7": 7,
    b"": 3,
    b":": 3,
    b":  10": 3,
    b":10 ": 3,
    b":1e3": 3,
    b":1.5": 3,
    b":-1": 3,
    b":+1": 3,
    b":0x10": 3,
    b":1_0": 3,
    b":\xd9\xa3": 3,  # an Arabic-Indic three
    b":\xc2\xb2": 3,  # a superscript two
}
BOM = b"\xef\xbb\xbf"
OTHERS = {
    "nothing": (b"", Outcome([])),
    "a line without end": (b"data: x", Outcome([])),
    "a blank line without end": (b"data: x\n", Outcome([])),
    "an id that was cut off": (b"id: 1\ndata: x\n\nid: 2\ndata: y\n", Outcome([message("x", id="1")], None, "1")),
    "an id without an event": (b"id: 1\n\n", Outcome([], None, "1")),
    "an id without an event, not terminated": (b"id: 1\n", Outcome([])),
    "an id that is taken back": (b"id: 1\ndata: x\n\nid\n\n", Outcome([message("x", id="1")])),
    "a retry that was cut off": (b"retry: 10", Outcome([])),
    "a retry in an event that was cut off": (b"retry: 10\ndata: x\n", Outcome([], 10)),
    "mixed line ends": (b"data: a\rdata: b\r\ndata: c\n\r\ndata: d\n\r", Outcome([message("a\nb\nc"), message("d")])),
    "LF CR is two line ends": (b"data: x\n\rdata: y\n\n", Outcome([message("x"), message("y")])),
    "CR CR LF is two line ends": (b"data: x\r\r\ndata: y\r\r\n", Outcome([message("x"), message("y")])),
    "CR LF CR is two line ends": (b"data: x\r\n\rdata: y\n\n", Outcome([message("x"), message("y")])),
    "one BOM": (BOM + b"data: x\n\n", Outcome([message("x")])),
    "one BOM and a blank line": (BOM + b"\r\ndata: x\n\n", Outcome([message("x")])),
    "two BOMs": (BOM * 2 + b"data: x\n\ndata: y\n\n", Outcome([message("y")])),
    "a BOM alone": (BOM, Outcome([])),
    "a BOM later": (b"\n" + BOM + b"data: x\n\n", Outcome([])),
    "a BOM before a comment": (BOM + b": x\n\ndata: y\n\n", Outcome([message("y")])),
    "half a BOM": (b"\xef\xbbdata: x\n\ndata: y\n\n", Outcome([message("y")])),
    "half a BOM and a blank line": (b"\xef\n\ndata: y\n\n", Outcome([message("y")])),
    "a hosted stream": (
        b"event: output\nid: 1:0\ndata: Once\n\nevent: output\nid: 1:1\ndata:  upon\n\n:hi\n\nevent:done\ndata: {}\n\n",
        Outcome(
            [
                message("Once", event="output", id="1:0"),
                message(" upon", event="output", id="1:1"),
                message("{}", event="done", last="1:1"),
            ],
            None,
            "1:1",
        ),
    ),
    "a Cog server's stream": (
        b'event: start\ndata: {"id":"a"}\n\n: keep-alive\n\nevent: output\ndata: {"chunk":"x","index":0}\n\n',
        Outcome([message('{"id":"a"}', event="start"), message('{"chunk":"x","index":0}', event="output")]),
    ),
}


def own_cases() -> Iterator[Case]:
    for (name, (text, outcome)), end in itertools.product(OF_LINES.items(), ["\n", "\r", "\r\n"]):
        yield Case(f"{name}, {end!r}", text.replace("\n", end).encode(), outcome)
        yield Case(f"{name}, {end!r}, no space", text.replace(": ", ":").replace("\n", end).encode(), outcome)
    for character in NOT_LINE_ENDS:
        text = f"a{character}b"
        yield Case(f"{character!r} ends no line", f"data:{text}\n\n".encode(), Outcome([message(text)]))
    for name, text in LETTERS.items():
        stream = f"event: {text}\nid: {text}\ndata: {text}\n\n".encode()
        yield Case(f"letters: {name}", stream, Outcome([message(text, event=text, id=text)], None, text))
    for raw, text in INVALID_UTF8.items():
        stream = b"event: %b\nid: %b\ndata: %b\ndata: %b\n\n" % (raw, raw, raw, raw)
        yield Case(f"UTF-8: {raw!r}", stream, Outcome([message(f"{text}\n{text}", event=text, id=text)], None, text))
    for line, data in DATA_LINES.items():
        events = [] if data is None else [message(data)]
        yield Case(f"line: {line!r}", b"\n" + line + b"\n\ndata:.\n\n", Outcome([*events, message(".")]))
    for line, own in ID_LINES.items():
        last = "0" if own is None else own
        events = [message("x", id="0"), message("y", id=own, last=last), message("z", last=last)]
        stream = b"id:0\ndata:x\n\n" + line + b"\ndata:y\n\ndata:z\n\n"
        yield Case(f"id: {line!r}", stream, Outcome(events, None, last))
    for line, event in EVENT_LINES.items():
        outcome = Outcome([message("x", event=event), message("y")])
        yield Case(f"name: {line!r}", line + b"\ndata:x\n\ndata:y\n\n", outcome)
    for value, retry in RETRY_VALUES.items():
        yield Case(f"retry{value[:9]!r}", b"retry:3\nretry" + value + b"\n", Outcome([], retry))
    for name, (stream, outcome) in OTHERS.items():
        yield Case(name, stream, outcome)


CASES = list(own_cases())


@pytest.mark.reliability
def test_there_are_as_many_vectors_as_promised() -> None:
    promised = 230
    assert len({case.name for case in CASES}) == len(CASES) >= promised
    assert sum(1 for case in CASES for _ in ways_of_cutting(case.stream)) >= promised * (3 + 25)


@pytest.mark.reliability
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_vector_has_its_outcome_for_every_way_of_cutting_it(case: Case) -> None:
    for pieces in ways_of_cutting(case.stream):
        assert decoded(pieces) == case.outcome, pieces


def web_platform_cases() -> list[dict[str, Any]]:
    if not DATA:
        pytest.skip("REPLICATE_HOME_TEST_DATA does not name the folder with wpt_eventsource.json")
    cases: list[dict[str, Any]] = json.loads(Path(DATA, "wpt_eventsource.json").read_text("utf-8"))["cases"]
    return cases


@pytest.mark.reliability
def test_the_web_platform_tests_pass_for_every_way_of_cutting_them() -> None:
    cases = web_platform_cases()
    assert len(cases) >= 22
    for case in cases:
        stream = b"".join(base64.b64decode(chunk) for chunk in case["chunks_b64"])
        events = [(event["type"], event["data"], event["lastEventId"]) for event in case["events"]]
        outcome = reference(stream)
        for pieces in ways_of_cutting(stream):
            seen = decoded(pieces)
            assert [(event.event, event.data, event.last_event_id) for event in seen.events] == events, case["name"]
            assert seen.retry == case.get("retry_ms", seen.retry), case["name"]
            assert seen.last_event_id == case.get("after_stream_last_event_id", seen.last_event_id), case["name"]
            assert seen == outcome, case["name"]


# --- against the reference -----------------------------------------------------------------------------------------

WORDS = [
    *(b"\n", b"\r", b"\r\n", b"\n\n", b":", b" ", b"\0", b"x", BOM, b"\xef", b"\xbb", b"\xff", "é…😀".encode()),
    *(
        b"data",
        b"event",
        b"id",
        b"retry",
        b"data: x\n\n",
        b"data: \n",
        b"event: e\n",
        b"id: 1\n",
        b"id: ",
        b"retry: 12",
    ),
    *(b"event: output\nid: 1:2\ndata: tok\n\n", b"event: done\ndata: {}\n\n", b": comment\n\n", "\u2028\x85".encode()),
]
streams = st.lists(st.sampled_from(WORDS) | st.binary(max_size=4), max_size=30).map(b"".join)


@pytest.mark.reliability
@settings(max_examples=500, deadline=None)
@given(stream=streams, cuts=st.lists(st.integers(0, 200), max_size=12))
def test_any_bytes_cut_anywhere_decode_as_the_standard_reads(stream: bytes, cuts: list[int]) -> None:
    ends = sorted(cuts)
    pieces = [stream[start:end] for start, end in zip([0, *ends], [*ends, len(stream)], strict=True)]
    assert decoded(pieces) == reference(stream)


@pytest.mark.reliability
def test_many_random_streams_cut_at_random_decode_as_the_standard_reads() -> None:
    chance = random.Random(7)
    for _ in range(100_000):
        stream = b"".join(chance.choices(WORDS, k=chance.randrange(20)))
        first, second = sorted(chance.choices(range(len(stream) + 1), k=2))
        assert decoded([stream[:first], stream[first:second], stream[second:]]) == reference(stream), stream


@pytest.mark.reliability
def test_every_short_stream_decodes_as_the_standard_reads() -> None:
    words = [b"data: x", b"event: e", b"id: 1", b"id", b":", b"\n", b"\r"]
    streams = [b"".join(chosen) for length in range(6) for chosen in itertools.product(words, repeat=length)]
    assert len(streams) == 19_608
    for stream in streams:
        assert decoded([stream]) == decoded(pieces_of(stream, 1)) == reference(stream), stream


# --- the spellings of one event ------------------------------------------------------------------------------------

USUAL = ["event: output", "id: 1:7", "data: tok", "data: en"]
SPELLED = message("tok\nen", event="output", id="1:7")


def spellings_of_one_event() -> Iterator[bytes]:
    """Every order of its fields, each with and without spaces, comments and line ends of each kind."""
    orders = {order for order in itertools.permutations(USUAL) if order.index(USUAL[2]) < order.index(USUAL[3])}
    marks, ends = [": ", ":"], ["\n", "\r", "\r\n"]
    for order, mark, between, end in itertools.product(sorted(orders), marks, ["\n", "\n: hi\n:\n"], ends):
        lines = between.join(["", *order, "\n"]).replace(": ", mark)
        yield lines.replace("\n", end).encode()


def test_an_event_is_the_same_however_it_is_spelled_and_cut() -> None:
    spellings = list(spellings_of_one_event())
    assert len(set(spellings)) == 12 * 2 * 2 * 3
    for stream in spellings:
        for pieces in ways_of_cutting(stream):
            assert decoded(pieces) == Outcome([SPELLED], None, "1:7"), pieces


def test_an_event_is_the_same_after_events_in_every_other_spelling() -> None:
    spellings = list(spellings_of_one_event())
    random.Random(7).shuffle(spellings)
    stream = b"".join(spellings)
    for size in (1, 7, 64, 1000, len(stream)):
        assert decoded(pieces_of(stream, size)) == Outcome([SPELLED] * len(spellings), None, "1:7")


# --- when it speaks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [b"data: x\n\n", b"data: x\r\r", b"data: x\r\n\r", b"data: x\n\r"])
def test_an_event_is_out_with_the_byte_that_ends_it(stream: bytes) -> None:
    decoder = Decoder()
    assert decoder.feed(stream[:-1]) == []
    assert decoder.feed(stream[-1:]) == [message("x")]


def test_the_line_feed_after_a_carriage_return_is_swallowed_in_a_later_piece() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: x\r\n\r") == [message("x")]
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\ndata: y\r") == []
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"\r\n") == [message("y")]


def test_an_id_counts_from_the_blank_line_on() -> None:
    decoder = Decoder()
    decoder.feed(b"id: 1\ndata: x\n")
    assert decoder.last_event_id == ""
    decoder.feed(b"\n")
    assert decoder.last_event_id == "1"


# --- bounds --------------------------------------------------------------------------------------------------------


def decoded_up_to(max_event: int, pieces: Iterable[bytes]) -> tuple[list[ServerSentEvent], bool]:
    """The events, and whether the stream went above ``max_event``."""
    decoder = Decoder(max_event)
    events: list[ServerSentEvent] = []
    try:
        for piece in [*pieces, b""]:
            events += decoder.feed(piece)
    except ProtocolError:
        return events, True
    return events, False


@pytest.mark.parametrize(
    ("max_event", "stream"),
    [
        (10, b"data: 4567\n\ndata: 89ab\n\n"),  # a line
        (14, b"data: abc\ndata: defg\n\n"),  # "abc\n" and a line
        (10, b"id: 456789\ndata: 4567\n\n"),
        (10, b"unknown:89"),
        (10, b": whatever the length\ndata: 4567\n: whatever"),
        (10, b"data: 4567\n: whatever the length\n\n"),
    ],
)
def test_an_event_may_be_as_long_as_allowed_but_no_longer(max_event: int, stream: bytes) -> None:
    for pieces in ways_of_cutting(stream):
        assert decoded_up_to(max_event, pieces) == (reference(stream).events, False), pieces
        assert decoded_up_to(max_event - 1, pieces)[1], pieces


@pytest.mark.reliability
@settings(max_examples=300, deadline=None)
@given(stream=streams, max_event=st.integers(3, 60), size=st.integers(1, 60))
def test_what_comes_before_an_event_that_is_too_long_is_the_same_for_every_cut(
    stream: bytes, max_event: int, size: int
) -> None:
    by_byte = decoded_up_to(max_event, pieces_of(stream, 1))
    assert decoded_up_to(max_event, [stream]) == by_byte
    assert decoded_up_to(max_event, pieces_of(stream, size)) == by_byte
    events = reference(stream).events
    assert by_byte[0] == events[: len(by_byte[0])]
    assert by_byte[1] or by_byte[0] == events


def test_after_an_event_that_was_too_long_every_call_raises() -> None:
    decoder = Decoder(max_event=20)
    assert decoder.feed(b"id: 1\ndata: x\n\ndata: " + b"y" * 20) == [message("x", id="1")]
    for piece in [b"", b"\n\n", b"data: z\n\n"]:
        with pytest.raises(ProtocolError, match="longer than 20 bytes"):
            decoder.feed(piece)
    assert decoder.last_event_id == "1"


def peak_memory_of(decoder: Decoder, pieces: Iterable[bytes]) -> tuple[list[ServerSentEvent], int]:
    tracemalloc.start()
    try:
        return [event for piece in pieces for event in decoder.feed(piece)], tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_came_of_an_event_that_was_too_long_is_let_go() -> None:
    tracemalloc.start()
    try:
        decoder = Decoder(max_event=MIB)
        decoder.feed(b"data: " + b"x" * (MIB // 2) + b"\ndata: " + b"x" * (MIB // 4))
        with pytest.raises(ProtocolError):
            decoder.feed(b"x" * (MIB // 2))
        assert tracemalloc.get_traced_memory()[0] < MIB / 8
    finally:
        tracemalloc.stop()


@pytest.mark.reliability
def test_an_endless_comment_is_neither_kept_nor_too_long() -> None:
    piece = b"x" * 65536
    events, peak = peak_memory_of(Decoder(max_event=100), [b":", *[piece] * 1000, b"\ndata: x\n\n"])
    assert events == [message("x")]
    assert peak < MIB / 2


@pytest.mark.reliability
def test_a_line_of_64_mib_in_small_pieces_is_decoded_in_little_more_than_the_memory_of_two() -> None:
    piece = b"x" * 1024
    (event,), peak = peak_memory_of(Decoder(), [b"data: ", *[piece] * 65536, b"\n\n"])
    assert len(event.data) == 64 * MIB
    assert peak < 160 * MIB


@pytest.mark.reliability
def test_an_event_of_very_many_lines_takes_no_more_memory_than_one_line_of_its_length() -> None:
    piece = b"data: xy\n" * 1000
    (event,), peak = peak_memory_of(Decoder(), [*[piece] * 100, b"\n"])
    assert event.data == "\n".join(["xy"] * 100_000)
    assert peak < MIB


@pytest.mark.parametrize(
    "text", ["data: unfinished", "data: x\n", ": comment", "data: x\n\n", "event: e\nid: 1\ndata: x\n\ndata:"]
)
def test_no_piece_is_kept_once_it_was_fed(text: str) -> None:
    piece = (text + " " * 100 + "\n" + text).encode()
    decoder = Decoder()
    before = sys.getrefcount(piece)
    events = decoder.feed(piece) + decoder.feed(piece)
    assert sys.getrefcount(piece) == before, events
