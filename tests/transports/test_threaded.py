"""Blocking transports under an event loop: threads for exchanges, places for streams, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from replicate_home import ConnectFailed, Disconnected, FakeClock, RequestTimeout, ThreadedTransport
from replicate_home.clock import SYSTEM_CLOCK
from replicate_home.threads import ThreadPool
from replicate_home.transports.async_base import is_async
from replicate_home.transports.threaded import EXCHANGES, STREAMS, in_thread
from replicate_home.wire import Request, Response

ENOUGH = 10.0
GET = Request("GET", "http://127.0.0.1/")
STREAM = Request("GET", "http://127.0.0.1/stream", streams=True)


class Silent:
    """A body in which nothing arrives before it is closed; ``reading`` counts who waits in it."""

    def __init__(self):
        self.closed = threading.Event()
        self.reading = threading.Event()

    def read(self, deadline):
        self.reading.set()
        assert self.closed.wait(ENOUGH)
        raise Disconnected("closed", phase="body", may_have_been_processed=True)

    def close(self):
        self.closed.set()


class Gate:
    """A blocking transport: requests wait at the gate, streams are silent."""

    clock = SYSTEM_CLOCK

    def __init__(self, *, is_open=True):
        self.gate = threading.Event()
        self.at_once = self.most_at_once = 0
        self.bodies = []
        self.threads = set()
        self.closed = 0
        self._lock = threading.Lock()
        self.arrived = threading.Semaphore(0)
        if is_open:
            self.gate.set()

    def send(self, request, deadline):
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.threads.add(threading.current_thread())
        self.arrived.release()
        assert self.gate.wait(ENOUGH)
        with self._lock:
            self.at_once -= 1
        if not request.streams:
            return Response(200, {}, request.method.encode()), None
        body = Silent()
        self.bodies.append(body)
        return Response(200, {"content-type": "text/event-stream"}), body

    def close(self):
        self.closed += 1


async def until(condition):
    """Let the loop run until something is so."""
    async with asyncio.timeout(ENOUGH):
        while not condition():
            await asyncio.sleep(0.001)


def test_an_exchange_is_made_in_a_thread_and_gives_what_the_transport_gives():
    async def main():
        transport = ThreadedTransport(gate)
        response, body = await transport.send(GET, None)
        await transport.close()
        return response, body

    gate = Gate()
    assert asyncio.run(main()) == (Response(200, {}, b"GET"), None)
    assert threading.current_thread() not in gate.threads
    assert gate.closed == 1


def test_what_the_transport_raises_is_raised():
    class Late(Gate):
        def send(self, request, deadline):
            raise RequestTimeout("too late", phase="wait", may_have_been_processed=True)

    async def main():
        transport = ThreadedTransport(Late())
        try:
            await transport.send(GET, None)
        finally:
            await transport.close()

    with pytest.raises(RequestTimeout, match="too late"):
        asyncio.run(main())


def test_two_hundred_exchanges_beside_twelve_silent_streams_are_not_held_up_by_them():
    async def main():
        transport = ThreadedTransport(gate)
        streams = [await transport.send(STREAM, None) for _ in range(12)]
        reads = [asyncio.ensure_future(body.read(None)) for _, body in streams]
        answers = await asyncio.gather(*(transport.send(GET, None) for _ in range(200)))
        assert not any(read.done() for read in reads)
        for _, body in streams:
            body.close()
        ended = await asyncio.gather(*reads, return_exceptions=True)
        await transport.close()
        return answers, ended

    gate = Gate()
    answers, ended = asyncio.run(main())
    assert answers == [(Response(200, {}, b"GET"), None)] * 200
    assert [type(error) for error in ended] == [Disconnected] * 12
    assert len(gate.threads) <= EXCHANGES + STREAMS


def test_no_more_threads_than_allowed_and_none_for_what_was_cancelled_in_the_queue():
    async def main():
        transport = ThreadedTransport(gate)
        tasks = [asyncio.ensure_future(transport.send(GET, None)) for _ in range(EXCHANGES + 10)]
        await until(lambda: gate.at_once == EXCHANGES)
        for task in tasks[EXCHANGES:]:
            task.cancel()
        await asyncio.wait(tasks[EXCHANGES:])
        gate.gate.set()
        await asyncio.gather(*tasks[:EXCHANGES])
        await transport.close()

    gate = Gate(is_open=False)
    asyncio.run(main())
    assert gate.most_at_once == len(gate.threads) == EXCHANGES


def test_a_stream_beyond_the_places_is_connect_failed_and_a_closed_one_gives_its_place_back():
    async def main():
        transport = ThreadedTransport(Gate())
        bodies = [(await transport.send(STREAM, None))[1] for _ in range(STREAMS)]
        with pytest.raises(ConnectFailed) as caught:
            await transport.send(STREAM, None)
        assert (caught.value.request, caught.value.may_have_been_processed) == (STREAM, False)
        bodies[0].close()
        bodies[0].close()
        await transport.send(STREAM, None)
        with pytest.raises(ConnectFailed):
            await transport.send(STREAM, None)
        await transport.close()

    asyncio.run(main())


def test_a_stream_that_is_refused_or_fails_takes_no_place():
    class Refusing(Gate):
        def send(self, request, deadline):
            if request.method == "GET":
                return Response(404), None
            raise Disconnected("gone", phase="wait", may_have_been_processed=True)

    async def main():
        transport = ThreadedTransport(Refusing())
        for _ in range(STREAMS + 1):
            assert await transport.send(STREAM, None) == (Response(404), None)
            with pytest.raises(Disconnected):
                await transport.send(Request("POST", GET.url, streams=True), None)
        await transport.close()

    asyncio.run(main())


def test_a_stream_whose_task_was_cancelled_while_it_opened_is_closed_when_it_comes():
    async def main():
        transport = ThreadedTransport(gate)
        task = asyncio.ensure_future(transport.send(STREAM, None))
        await asyncio.to_thread(gate.arrived.acquire)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.gate.set()
        await until(lambda: gate.bodies and gate.bodies[0].closed.is_set())
        await transport.close()

    gate = Gate(is_open=False)
    asyncio.run(main())


def test_a_stream_that_comes_after_its_event_loop_has_ended_is_closed():
    async def main():
        task = asyncio.ensure_future(transport.send(STREAM, None))
        await asyncio.to_thread(gate.arrived.acquire)
        task.cancel()
        await asyncio.wait({task})

    gate = Gate(is_open=False)
    transport = ThreadedTransport(gate)
    asyncio.run(main())
    gate.gate.set()
    asyncio.run(until(lambda: gate.bodies and gate.bodies[0].closed.is_set()))
    transport.end()


def test_cancelling_a_read_leaves_at_once_and_closing_frees_its_thread():
    async def main():
        transport = ThreadedTransport(gate)
        _, body = await transport.send(STREAM, None)
        read = asyncio.ensure_future(body.read(None))
        await asyncio.to_thread(gate.bodies[0].reading.wait)
        read.cancel()
        with pytest.raises(asyncio.CancelledError):
            await read
        body.close()
        await transport.close()

    gate = Gate()
    asyncio.run(main())
    assert gate.bodies[0].closed.is_set()


def test_threads_without_work_end_by_themselves(monkeypatch):
    monkeypatch.setattr("replicate_home.threads.IDLE_SECONDS", 0.0)

    async def main():
        transport = ThreadedTransport(gate)
        await asyncio.gather(*(transport.send(GET, None) for _ in range(5)))
        await until(lambda: not any(thread.is_alive() for thread in gate.threads))
        assert await transport.send(GET, None) == (Response(200, {}, b"GET"), None)
        await until(lambda: not any(thread.is_alive() for thread in gate.threads))

    gate = Gate()
    asyncio.run(main())


def test_idle_threads_end_when_told_to_and_the_next_job_starts_another():
    async def main():
        threads = ThreadPool(2, "test")
        first = await in_thread(threads, threading.current_thread)
        threads.end()
        await until(lambda: not first.is_alive())
        second = await in_thread(threads, threading.current_thread)
        threads.end()
        assert second is not first

    asyncio.run(main())


def test_an_idle_thread_is_used_again():
    async def main():
        threads = ThreadPool(9, "test")
        found = set()
        for _ in range(5):
            found.add(await in_thread(threads, threading.get_ident))
            await until(lambda: threads._idle)
        threads.end()
        return found

    assert len(asyncio.run(main())) == 1


def test_after_a_fork_threads_are_started_anew(monkeypatch):
    monkeypatch.setattr("replicate_home.threads.IDLE_SECONDS", 0.0)

    async def main():
        threads = ThreadPool(1, "test")
        await in_thread(threads, int)
        threads.end()
        threads._threads.add(threading.Thread())  # as it looks in a child: a thread that does not run
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert await asyncio.wait_for(in_thread(threads, int), ENOUGH) == 0
        threads.end()

    asyncio.run(main())


def test_in_virtual_time_no_thread_is_used():
    class Virtual(Gate):
        clock = FakeClock()

    async def main():
        transport = ThreadedTransport(gate)
        await transport.send(GET, None)
        _, body = await transport.send(STREAM, None)
        body.close()

    gate = Virtual()
    asyncio.run(main())
    assert gate.threads == {threading.current_thread()}


def test_a_transport_is_async_if_its_send_is():
    assert is_async(ThreadedTransport(Gate()))
    assert not is_async(Gate())
    assert not is_async(None)
