"""HTTP/1.1 on the wire: whatever the cuts and whatever the bytes, the same values or Malformed."""

from __future__ import annotations

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.transports.http1 import (
    HEAD_LIMIT,
    Chunked,
    Concealed,
    Counted,
    Cut,
    Gunzip,
    Head,
    HeadReader,
    Malformed,
    Payload,
    UntilClose,
    decoder,
    framing,
    has_answered,
    parse_head,
    request_head,
    split_head,
)

payloads = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def wire(pieces: list[bytes], extension: bytes = b"", trailer: bytes = b"") -> bytes:
    return b"".join(b"%x%b\r\n%b\r\n" % (len(p), extension, p) for p in pieces) + b"0\r\n" + trailer + b"\r\n"


def head(**headers: str) -> Head:
    return Head(200, "", {name.replace("_", "-"): value for name, value in headers.items()}, True)


class TestRequests:
    def test_a_head_is_its_lines_and_an_empty_one_with_secrets_last(self):
        headers = {"Host": "a.b", "Authorization": Concealed("Bearer x"), "X": "é"}
        assert bytes(request_head("GET", "/p?q", headers)) == (
            b"GET /p?q HTTP/1.1\r\nHost: a.b\r\nX: \xe9\r\nAuthorization: Bearer x\r\n\r\n"
        )

    def test_what_is_concealed_is_in_no_repr(self):
        value = Concealed("Bearer secret")
        assert "secret" not in repr(request_head("GET", "/", {"A": value})) + repr(value) + str(value) + repr(
            {"A": value}
        )

    @pytest.mark.parametrize(
        ("method", "target", "headers"),
        [
            ("GET\r\n", "/", {}),
            ("GET", "/ HTTP/1.1\r\nX: y", {}),
            ("GET", "/a b", {}),
            ("GET", "/", {"A": "b\r\nC: d"}),
            ("GET", "/", {"A": "b\nC: d"}),
            ("GET", "/", {"A": "b\0"}),
            ("GET", "/", {"A: b\r\nC": "d"}),
            ("GET", "/", {"": "d"}),
            ("GET", "/", {"A": "\N{SNOWMAN}"}),
            ("GET", "/", {"A": Concealed("secret\r\nX: y")}),
            ("GET", "/", {"A": Concealed("secret\N{SNOWMAN}")}),
        ],
    )
    def test_nothing_breaks_out_of_its_line(self, method, target, headers):
        with pytest.raises(ValueError, match=r"cannot be sent|outside Latin-1") as caught:
            request_head(method, target, headers)
        assert "secret" not in str(caught.value)
        assert caught.value.__context__ is None

    @given(st.dictionaries(st.text(max_size=5), st.text(max_size=10), max_size=3))
    def test_any_headers_are_as_many_lines_or_refused(self, headers):
        try:
            sent = request_head("GET", "/", headers)
        except ValueError:
            return
        assert sent.count(b"\n") == sent.count(b"\r") == len(headers) + 2


class TestHeads:
    def test_a_head_ends_at_its_empty_line(self):
        assert split_head(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody") == (b"HTTP/1.1 200 OK\r\nA: b", b"body")

    @pytest.mark.parametrize("data", [b"", b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r"])
    def test_an_unfinished_head_is_none(self, data):
        assert split_head(data) is None

    def test_bare_line_feeds_are_understood(self):
        assert split_head(b"HTTP/1.1 200 OK\nA: b\n\nx") == (b"HTTP/1.1 200 OK\nA: b", b"x")

    def test_a_head_is_parsed_whole(self):
        block = b"HTTP/1.1 200 All is well\r\nA: b\r\nX-Y:  c d \r\na: e\r\nLong: x\r\n  y"
        headers = {"a": "b, e", "x-y": "c d", "long": "x y"}
        assert parse_head(block) == Head(200, "All is well", headers, True)

    @pytest.mark.parametrize(
        ("block", "keeps_alive"),
        [
            (b"HTTP/1.1 200 OK", True),
            (b"HTTP/1.1 200 OK\r\nConnection: close", False),
            (b"HTTP/1.0 200 OK", False),
            (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive", True),
        ],
    )
    def test_a_connection_is_kept_as_the_version_and_header_say(self, block, keeps_alive):
        assert parse_head(block).keeps_alive is keeps_alive

    @pytest.mark.parametrize(
        "block",
        [
            b"", b"HTTP/1.1", b"HTTP/2 200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 099 OK", b"HTTP/1.1 2000 OK", b"ICY 200",
            b"HTTP/1.1 200 OK\r\nno colon", b"HTTP/1.1 200 OK\r\n: v", b"HTTP/1.1 200 OK\r\nA : b",
            b"HTTP/1.1 200 OK\r\n folded", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101,
        ],
    )  # fmt: skip
    def test_what_is_no_head_is_malformed(self, block):
        with pytest.raises(Malformed):
            parse_head(block)

    @pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\r\n" + b"a" * HEAD_LIMIT, b"SSH-2.0", b"\r\n"])
    def test_what_cannot_become_a_head_is_malformed_at_once(self, data):
        with pytest.raises(Malformed):
            split_head(data)

    @given(st.binary(max_size=200))
    def test_any_bytes_are_a_head_or_malformed(self, data):
        try:
            parts = split_head(b"HTTP/1.1 200 OK\r\n" + data + b"\r\n\r\n")
            found = parse_head(parts[0])
            framing("GET", found).feed(parts[1])
            decoder(found.headers)
        except Malformed:
            pass


class TestFraming:
    @pytest.mark.parametrize(
        ("method", "answer", "kind"),
        [
            ("GET", head(content_length="5"), Counted),
            ("GET", head(content_length="5, 5"), Counted),
            ("GET", head(), UntilClose),
            ("GET", head(transfer_encoding="Chunked"), Chunked),
            ("HEAD", head(transfer_encoding="chunked"), Counted),
        ],
    )
    def test_the_headers_say_how_a_body_ends(self, method, answer, kind):
        assert type(framing(method, answer)) is kind

    @pytest.mark.parametrize("length", ["", "5, 6", "-1", "+5", "5.0", "0x5", "٣", "9" * 30])
    def test_a_length_that_is_none_is_malformed(self, length):
        with pytest.raises(Malformed):
            framing("GET", head(content_length=length))

    @pytest.mark.parametrize("coding", ["gzip, chunked", "identity", "chunked, chunked"])
    def test_other_transfer_encodings_are_malformed(self, coding):
        with pytest.raises(Malformed):
            framing("GET", head(transfer_encoding=coding))

    def test_two_opinions_on_the_length_end_the_connection(self):
        answer = head(transfer_encoding="chunked", content_length="5")
        assert (type(framing("GET", answer)), answer.keeps_alive) == (Chunked, False)

    @given(st.binary(max_size=50), st.integers(0, 50), st.lists(st.integers(0, 100)))
    def test_a_counted_body_is_the_same_in_any_pieces(self, data, length, places):
        counted = Counted(length)
        body = rest = b""
        for piece in cut(data, places):
            if counted.done:
                rest += piece
            else:
                body += counted.feed(piece)
                rest += counted.rest
        assert (body, counted.done) == (data[:length], len(data) >= length)
        assert rest == data[length:]

    @given(
        payloads,
        st.lists(st.integers(0, 1000)),
        st.sampled_from([b"", b";a=b", b" ; c"]),
        st.sampled_from([b"", b"X: y\r\n"]),
    )
    def test_a_chunked_body_is_the_same_in_any_pieces(self, pieces, places, extension, trailer):
        chunked = Chunked()
        body = b"".join(chunked.feed(data) for data in cut(wire(pieces, extension, trailer), places))
        assert (body, chunked.done, chunked.rest) == (b"".join(pieces), True, b"")

    @given(payloads, st.binary(min_size=1, max_size=9))
    def test_what_follows_a_chunked_body_is_its_rest(self, pieces, rest):
        chunked = Chunked()
        assert chunked.feed(wire(pieces) + rest) == b"".join(pieces)
        assert (chunked.done, chunked.rest) == (True, rest)

    @given(payloads, st.integers(1, 1000))
    def test_a_chunked_body_that_is_cut_is_not_done(self, pieces, missing):
        data = wire(pieces)
        chunked = Chunked()
        chunked.feed(data[: max(0, len(data) - missing)])
        assert not chunked.done

    @pytest.mark.parametrize(
        "data",
        [
            b"x\r\n",
            b"-1\r\n",
            b"0x5\r\n",
            b"+5\r\n",
            b"1_0\r\n",
            b"\r\n",
            b"5\n",
            b"2\r\nabc\r\n0\r\n\r\n",
            b"1" * 17,
        ],
    )
    def test_broken_chunks_are_malformed(self, data):
        with pytest.raises(Malformed):
            Chunked().feed(data + b"\r\n")

    def test_trailers_without_end_are_malformed(self):
        chunked = Chunked()
        chunked.feed(b"0\r\n")
        with pytest.raises(Malformed):
            chunked.feed(b"X: y\r\n" * HEAD_LIMIT)

    def test_a_chunk_extension_without_end_is_malformed(self):
        with pytest.raises(Malformed):
            Chunked().feed(b"1;" + b"a" * 9000)

    @given(st.lists(st.binary(max_size=30), max_size=5))
    def test_any_bytes_are_chunks_or_malformed(self, pieces):
        chunked = Chunked()
        try:
            for piece in pieces:
                chunked.feed(piece)
        except Malformed:
            pass


def unpacked(gunzip: Gunzip, pieces: list[bytes]) -> bytes:
    body = b""
    for piece in pieces:
        body += gunzip.feed(piece)
        while gunzip.pending:
            body += gunzip.feed(b"")
    return body


class TestGzip:
    @given(
        st.lists(st.binary(max_size=100), min_size=1, max_size=3),
        st.lists(st.integers(0, 1000)),
        st.sampled_from([b"", b"\0\0"]),
    )
    def test_members_are_unpacked_the_same_in_any_pieces(self, members, places, padding):
        packed = b"".join(map(gzip.compress, members))
        gunzip = Gunzip()
        assert unpacked(gunzip, [*cut(packed, places), padding]) == b"".join(members)
        assert gunzip.complete

    def test_much_is_unpacked_in_bounded_pieces(self):
        gunzip = Gunzip()
        piece = gunzip.feed(gzip.compress(bytes(10_000_000)))
        assert 0 < len(piece) < 1_000_000
        assert gunzip.pending

    def test_what_is_cut_is_not_complete_and_nothing_at_all_is(self):
        gunzip = Gunzip()
        assert gunzip.complete
        gunzip.feed(gzip.compress(b"abc")[:-1])
        assert not gunzip.complete

    @pytest.mark.parametrize("data", [b"plain", zlib.compress(b"abc")])
    def test_what_is_not_gzip_is_malformed(self, data):
        with pytest.raises(Malformed):
            Gunzip().feed(data)

    @pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd", "deflate"])
    def test_encodings_that_were_not_asked_for_are_malformed(self, coding):
        with pytest.raises(Malformed):
            decoder({"content-encoding": coding})

    @pytest.mark.parametrize(("coding", "kind"), [("gzip", Gunzip), ("X-GZIP", Gunzip), ("identity", type(None))])
    def test_the_header_names_the_decoder(self, coding, kind):
        assert type(decoder({"content-encoding": coding})) is kind


def read_head(pieces: list[bytes]) -> tuple[Head | None, bytes]:
    """The head in ``pieces``, and what came with its last one and after."""
    reader = HeadReader()
    for number, piece in enumerate(pieces):
        found = reader.feed(piece)
        if found is not None:
            return found, reader.rest + b"".join(pieces[number + 1 :])
    return None, reader.rest


INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"


class TestHeadReader:
    @given(st.integers(0, 3), st.binary(max_size=20), st.lists(st.integers(0, 300), max_size=6))
    def test_the_real_head_is_found_after_interim_ones_in_any_pieces(self, interims, rest, places):
        found, after = read_head(cut(INTERIM * interims + ANSWER + rest, places))
        assert found == Head(200, "OK", {"a": "b"}, True)
        assert after == rest

    @given(st.integers(1, len(ANSWER)))
    def test_a_head_that_is_cut_is_none(self, missing):
        assert read_head([ANSWER[:-missing]])[0] is None

    @pytest.mark.parametrize("data", [INTERIM * 16, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"220 mail ready\r\n"])
    def test_interim_answers_without_end_and_what_was_not_asked_for_are_malformed(self, data):
        with pytest.raises(Malformed):
            read_head([data])


@pytest.mark.parametrize(
    ("data", "answered"),
    [
        (b"", False),
        (b"HTTP/1.1 ", False),
        (b"HTTP/1.1 2", True),
        (INTERIM, False),
        (INTERIM * 2, False),
        (INTERIM + b"HTTP/1.1 ", False),
        (INTERIM + ANSWER, True),
        (b"220 mail ready\r\n", True),
    ],
)
def test_an_answer_has_begun_once_its_status_is_no_interim_one(data: bytes, answered: bool):
    assert has_answered(data) is answered


def read_body(payload: Payload, pieces: list[bytes]) -> bytes:
    """The body in ``pieces``, as a transport reads it; raises where they are not all of it."""
    body, left = b"", iter(pieces)
    while True:
        data = payload.unpacked()
        while not data and not payload.has_arrived:
            data = payload.feed(next(left, b"")) or payload.unpacked()
        if not data:
            payload.end()
            return body
        body += data


FRAMINGS = {
    "chunked": lambda body: ({"transfer-encoding": "chunked"}, wire([body] if body else [])),
    "counted": lambda body: ({"content-length": str(len(body))}, body),
    "until close": lambda body: ({}, body),
}


class TestPayload:
    @given(st.sampled_from(sorted(FRAMINGS)), st.booleans(), st.binary(max_size=300), st.lists(st.integers(0, 400)))
    def test_a_body_is_the_same_however_it_is_framed_packed_and_cut(self, name, packed, data, places):
        headers, sent = FRAMINGS[name](gzip.compress(data) if packed else data)
        payload = Payload("GET", Head(200, "", headers | ({"content-encoding": "gzip"} if packed else {}), True))
        assert read_body(payload, cut(sent, places)) == data
        assert payload.has_arrived
        assert payload.frees_connection is (name != "until close")

    @given(st.sampled_from(["chunked", "counted"]), st.binary(min_size=1, max_size=300), st.data())
    def test_a_body_that_is_cut_is_never_whole(self, name, data, draw):
        headers, sent = FRAMINGS[name](data)
        with pytest.raises(Cut):
            read_body(Payload("GET", Head(200, "", headers, True)), [sent[: draw.draw(st.integers(0, len(sent) - 1))]])

    @given(st.binary(min_size=1, max_size=300), st.data())
    def test_a_gzip_that_is_cut_gives_what_came_and_is_never_whole(self, data, draw):
        packed = gzip.compress(data)
        headers, sent = FRAMINGS["counted"](packed[: draw.draw(st.integers(1, len(packed) - 1))])
        payload = Payload("GET", Head(200, "", headers | {"content-encoding": "gzip"}, True))
        with pytest.raises(Cut):
            read_body(payload, [sent])

    def test_empty_members_of_a_gzip_do_not_hide_what_comes_after_them(self):
        headers, sent = FRAMINGS["counted"](gzip.compress(b"") * 3 + gzip.compress(b"abc"))
        payload = Payload("GET", Head(200, "", headers | {"content-encoding": "gzip"}, True))
        assert payload.feed(sent) == b""
        assert payload.unpacked() == b"abc"

    @given(st.sampled_from(["chunked", "counted"]), st.binary(max_size=30), st.binary(min_size=1, max_size=30))
    def test_a_connection_on_which_more_comes_is_not_free(self, name, data, more):
        headers, sent = FRAMINGS[name](data)
        payload = Payload("GET", Head(200, "", headers, True))
        assert payload.feed(sent + more) == data
        assert payload.has_arrived
        assert not payload.frees_connection

    def test_an_answer_without_a_body_has_arrived_with_its_head(self):
        payload = Payload("HEAD", head(content_length="7"))
        assert payload.has_arrived
        assert payload.feed(b"more") == b""
        assert not payload.frees_connection
