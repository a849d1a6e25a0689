"""One connection of aiohttp's as a line: what comes is kept, what was not asked for ends it, waiting has an end."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

pytest.importorskip("aiohttp")

from replicate_home.transports.over_aiohttp.line import BUFFERED, Line


class Wire(asyncio.Transport):
    """The transport below a line, and aiohttp's protocol and connection beside it: they note what is done to them."""

    def __init__(self):
        super().__init__()
        self.notes = []
        self.closing = False

    def is_closing(self):
        return self.closing

    def write(self, data):
        self.notes.append(bytes(data))

    def abort(self):
        self.notes.append("abort")

    def pause_reading(self):
        self.notes.append("pause")

    def resume_reading(self):
        self.notes.append("resume")

    def release(self):
        self.notes.append("released")

    def close(self):
        self.notes.append("closed")

    def connection_lost(self, exc):
        self.notes.append(f"lost {exc}")


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def line(wire):
    line = Line(wire, wire, set())
    line.take(wire)
    return line


def soon():
    return time.monotonic() + 0.01


def test_what_arrives_is_kept_until_it_is_asked_for(line):
    async def main():
        line.data_received(b"a")
        line.data_received(b"b")
        line.put_back(b"before ")
        return await line.receive(None)

    assert asyncio.run(main()) == b"before ab"


def test_waiting_ends_with_what_arrives(line):
    async def main():
        waiting = asyncio.create_task(line.receive(None))
        await asyncio.sleep(0)
        line.data_received(b"a")
        return await waiting

    assert asyncio.run(main()) == b"a"


def test_waiting_ends_with_its_time_and_goes_on_afterwards(line):
    async def main():
        with pytest.raises(TimeoutError):
            await line.receive(soon())
        line.data_received(b"a")
        return await line.receive(soon())

    assert asyncio.run(main()) == b"a"


def test_a_server_that_never_pauses_does_not_outlast_the_time(line):
    async def main():
        here, there = socket.socketpair()
        with here, there:
            there.send(b"a")
            asyncio.get_running_loop().add_reader(here, lambda: line.data_received(here.recv(1)))
            with pytest.raises(TimeoutError):
                await line.receive(time.monotonic() - 1)
            while True:  # who asks again and again gets on
                try:
                    return await line.receive(time.monotonic() - 1)
                except TimeoutError:
                    pass
                finally:
                    asyncio.get_running_loop().remove_reader(here)

    assert asyncio.run(main()) == b"a"


def test_what_came_before_the_end_is_given_first(line):
    async def main():
        line.data_received(b"a")
        line.connection_lost(None)
        return await line.receive(None), await line.receive(None)

    assert asyncio.run(main()) == (b"a", b"")


def test_a_connection_that_broke_says_so_once_everything_is_given(line, wire):
    async def main():
        line.data_received(b"a")
        line.connection_lost(ConnectionResetError("reset"))
        assert await line.receive(None) == b"a"
        await line.receive(None)

    with pytest.raises(ConnectionResetError):
        asyncio.run(main())
    assert wire.notes == ["lost reset", "closed"]  # aiohttp's pool has heard of it


def test_a_server_that_sends_faster_than_it_is_read_has_to_wait(line, wire):
    async def main():
        line.data_received(bytes(BUFFERED - 1))
        assert wire.notes == []
        line.data_received(b"a")
        line.data_received(b"b")
        assert wire.notes == ["pause"]
        await line.receive(None)
        assert wire.notes == ["pause", "resume"]

    asyncio.run(main())


def test_what_comes_unasked_ends_the_connection(line, wire):
    line.release()
    line.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert wire.notes == ["released", "abort"]


def test_what_nobody_asked_for_is_not_given_back_to_the_pool(line, wire):
    line.data_received(b"more")
    line.release()
    assert wire.notes == ["abort", "closed"]


def test_what_is_dropped_when_the_connection_has_ended_was_given_back_with_its_end(line, wire):
    line.connection_lost(None)
    assert wire.notes == ["lost None", "closed"]
    line.drop()
    assert wire.notes == ["lost None", "closed", "abort"]


def test_a_second_task_that_waits_is_refused(line):
    async def main():
        first = asyncio.create_task(line.receive(None))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await line.receive(None)
        line.data_received(b"a")
        return await first

    assert asyncio.run(main()) == b"a"


class TestSending:
    def test_a_full_connection_is_waited_for(self, line):
        async def main():
            line.pause_writing()
            with pytest.raises(TimeoutError):
                await line.takes_more(soon())
            waiting = asyncio.create_task(line.takes_more(None))
            await asyncio.sleep(0)
            line.resume_writing()
            return await waiting

        assert asyncio.run(main()) is True

    @pytest.mark.parametrize(
        ("arrived", "takes_more"),
        [
            (b"", True),
            (b"HTTP/1.1 100 Continue\r\n\r\n", True),
            (b"HTTP/1.1 ", True),
            (b"HTTP/1.1 413", False),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413", False),
        ],
    )
    def test_an_answer_that_comes_early_ends_it(self, line, arrived, takes_more):
        line.data_received(arrived)
        assert asyncio.run(line.takes_more(None)) is takes_more

    def test_a_connection_on_which_writing_failed_ends_it(self, line, wire):
        wire.closing = True  # its end is not told before the event loop's next turn
        assert asyncio.run(line.takes_more(None)) is False

    def test_the_end_of_the_connection_ends_it(self, line):
        async def main():
            line.pause_writing()
            waiting = asyncio.create_task(line.takes_more(None))
            await asyncio.sleep(0)
            line.eof_received()
            return await waiting

        assert asyncio.run(main()) is False
