"""A download that is cut goes on where it was, and its bytes are those of one state of the file or an error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home import AsyncClient, Client, Disconnected, FileOutput, ProtocolError, Response
from replicate_home.client.outputs.download import AsyncDownload, Download, DownloadInThread, in_thread
from replicate_home.client.outputs.ranges import Rest, start_of, validator_of
from replicate_home.testing import FakeReplicate, faults

CONTENT = bytes(range(256)) * 40
URL = "https://replicate.delivery/abc/out.bin"


@attrs.define
class Host:
    """Sends a file in pieces of 100 bytes; the connections break after ``cuts`` bytes, the later ones do not.

    With ``ranges`` it can send the rest of a file. ``asked`` has what was asked for, ``sent`` how many bytes that took.
    """

    cuts: list[int]
    ranges: bool = True
    states: list[bytes] = attrs.field(factory=lambda: [CONTENT])
    asked: list[Rest | None] = attrs.field(factory=list)
    sent: int = 0
    closed: int = 0

    def open(self, url: str, rest: Rest | None = None) -> Download:
        content = self.states[min(len(self.asked), len(self.states) - 1)]
        left = self.cuts[len(self.asked)] if len(self.asked) < len(self.cuts) else len(content) + 1
        self.asked.append(rest)
        etag = f'"{hash(content)}"'
        start = place = rest.start if rest is not None and rest.validator == etag else 0

        def read() -> bytes:
            nonlocal place, left
            if not left:
                raise Disconnected("cut", phase="body")
            piece = content[place : place + min(left, 100)]
            place, left, self.sent = place + len(piece), left - len(piece), self.sent + len(piece)
            return piece

        return Download("image/png", read, self.close, start, etag if self.ranges else None)

    async def aopen(self, url: str, rest: Rest | None = None) -> AsyncDownload:
        return DownloadInThread(await in_thread(self.open, url, rest))

    def close(self) -> None:
        self.closed += 1


def opened(file: FileOutput) -> bytes:
    with file.open() as binary:
        return binary.read()


def saved(file: FileOutput) -> bytes:
    with TemporaryDirectory() as folder:
        return file.save(folder).read_bytes()


def asaved(file: FileOutput) -> bytes:
    with TemporaryDirectory() as folder:
        return asyncio.run(file.asave(folder)).read_bytes()


def aread(file: FileOutput) -> bytes:
    return asyncio.run(file.aread())


def iterated(file: FileOutput) -> bytes:
    return b"".join(file)


def aiterated(file: FileOutput) -> bytes:
    async def main() -> bytes:
        return b"".join([piece async for piece in file])

    return asyncio.run(main())


Way = Callable[[FileOutput], bytes]
WHOLE: list[Way] = [FileOutput.read, opened, saved, asaved, aread]
PIECEWISE: list[Way] = [iterated, aiterated]


@pytest.mark.parametrize("get", [*WHOLE, *PIECEWISE])
def test_it_goes_on_where_it_was_cut_and_no_byte_is_sent_twice(get: Way) -> None:
    host = Host([1_000, 250, 1])
    assert get(FileOutput(URL, host)) == CONTENT
    assert [rest.start if rest else 0 for rest in host.asked] == [0, 1_000, 1_250, 1_251]
    assert (host.sent, host.closed) == (len(CONTENT), 4)


@given(st.lists(st.integers(0, 2_000), max_size=12), st.sampled_from([FileOutput.read, iterated]))
def test_whatever_the_cuts_the_content_is_whole_or_the_cut_is_raised(cuts: list[int], get: Way) -> None:
    host = Host(cuts)
    with suppress(Disconnected):
        assert get(FileOutput(URL, host)) == CONTENT
        return
    assert any(cuts[place : place + 2] == [0, 0] for place in range(len(cuts))), "attempts that bring nothing end it"
    assert host.closed == len(host.asked)


@pytest.mark.parametrize("get", [*WHOLE, *PIECEWISE])
def test_three_attempts_in_a_row_that_bring_nothing_are_enough(get: Way) -> None:
    host = Host([500, 0, 0, 0, 0])
    with pytest.raises(Disconnected):
        get(FileOutput(URL, host))
    assert len(host.asked) == host.closed == 3


@pytest.mark.parametrize("get", WHOLE)
@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_has_changed_is_read_from_the_start_and_never_mixed(get: Way, ranges: bool) -> None:
    host = Host([5_000, 100], ranges, [CONTENT, CONTENT[::-1][:3_000]])
    assert get(FileOutput(URL, host)) == CONTENT[::-1][:3_000]


@pytest.mark.parametrize("get", PIECEWISE)
@pytest.mark.parametrize(
    "host",
    [lambda: Host([5_000], states=[CONTENT, CONTENT[::-1]]), lambda: Host([5_000], ranges=False)],
    ids=["it has changed", "the server cannot send the rest"],
)
def test_pieces_that_were_given_cannot_be_taken_back(get: Way, host: Callable[[], Host]) -> None:
    made = host()
    with pytest.raises(Disconnected):
        get(FileOutput(URL, made))
    assert made.closed == len(made.asked) <= 2


def test_a_rest_that_begins_elsewhere_is_a_protocol_error() -> None:
    class Confused(Host):
        def open(self, url: str, rest: Rest | None = None) -> Download:
            found = super().open(url, rest)
            return attrs.evolve(found, start=found.start and found.start - 1)

    host = Confused([1_000])
    with pytest.raises(ProtocolError, match="sent a file from byte 999 on, not from 1000"):
        FileOutput(URL, host).read()
    assert host.closed == 2


def test_a_server_that_always_starts_over_and_breaks_off_is_given_up(tmp_path: Path) -> None:
    states = [bytes([number]) + CONTENT for number in range(9)]  # each time another, so that nothing can be resumed
    host = Host([4_000] * 9, states=states)
    with pytest.raises(Disconnected):
        FileOutput(URL, host).save(tmp_path)
    assert (len(host.asked), list(tmp_path.iterdir())) == (3, [])


# ---- what a server says ----


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"etag": '"abc"', "last-modified": "Tue, 01 Jul 2026 10:00:00 GMT"}, '"abc"'),
        ({"etag": 'W/"abc"'}, None),
        ({"etag": 'W/"abc"', "last-modified": "Tue, 01 Jul 2026 10:00:00 GMT"}, "Tue, 01 Jul 2026 10:00:00 GMT"),
        ({"etag": '"abc"', "accept-ranges": "none"}, None),
        ({}, None),
    ],
)
def test_the_rest_is_asked_for_where_the_server_can_tell_whether_it_is_the_same(
    headers: dict[str, str], validator: str | None
) -> None:
    assert validator_of(Response(200, {"content-length": "7", **headers})) == validator
    assert validator_of(Response(200, headers)) is None, "it may be compressed"


def test_the_rest_is_asked_for_on_condition_that_the_file_is_the_same() -> None:
    assert Rest(7, '"abc"').headers == {"Range": "bytes=7-", "If-Range": '"abc"'}


def test_a_part_says_which_it_is() -> None:
    assert start_of(Response(200)) == 0
    assert start_of(Response(206, {"content-range": "bytes 7-9/10"})) == 7
    assert start_of(Response(206, {"content-range": "bytes 7-9/*"})) == 7
    for odd in ("", "bytes */10", "lines 7-9/10", "bytes -7-9/10"):
        with pytest.raises(ProtocolError, match="Content-Range"):
            start_of(Response(206, {"content-range": odd}))


# ---- over sockets ----


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    with FakeReplicate() as fake, fake.serve():
        fake.on("owner/img").returns(CONTENT)
        yield fake


def statuses(fake: FakeReplicate, path: str) -> list[int]:
    return [asked.status for asked in fake.requests if path in asked.path]


def run_and_save(folder: Path) -> bytes:
    with Client() as client:
        return client.run("owner/img", {}).file.save(folder).read_bytes()


def async_run_and_save(folder: Path) -> bytes:
    async def main() -> bytes:
        async with AsyncClient() as client:
            return (await (await client.run("owner/img", {})).file.asave(folder)).read_bytes()

    return asyncio.run(main())


@pytest.mark.parametrize("get", [run_and_save, async_run_and_save])
def test_both_clients_ask_a_server_for_the_rest(
    get: Callable[[Path], bytes], fake: FakeReplicate, tmp_path: Path
) -> None:
    fake.faults.add("download", faults.cut(after=4_000), times=2)
    assert get(tmp_path) == CONTENT
    assert statuses(fake, "delivery") == [200, 206, 206]


def test_an_uploaded_file_is_downloaded_in_as_many_parts_as_it_takes(fake: FakeReplicate) -> None:
    with Client() as client:
        file = client.files.create(CONTENT)
        fake.faults.add("download", faults.cut(after=4_000), times=2)
        assert client.files.download(file.id, owner="local", expiry=2_000_000_000, signature="x") == CONTENT
    assert statuses(fake, "/download") == [200, 206, 206]
