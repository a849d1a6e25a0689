"""Many at once over one fake: no run is late because another waits, and nothing takes longer than it does alone."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from replicate_home import AsyncClient, Client, PredictionTimeout, Request, ThreadedTransport
from replicate_home.clock import at_work
from replicate_home.emulator.transport import InProcessTransport
from replicate_home.testing import FakeReplicate

ENOUGH = 30.0
LATE = 0.11  # seconds: a twentieth of the age between two polls, a tenth at least, with the jitter of a fake's clock


@pytest.fixture
def fake():
    with FakeReplicate() as fake:
        yield fake


def client_of(fake: FakeReplicate) -> AsyncClient:
    return AsyncClient(transport=fake.transport, clock=fake.clock)


def together(fake: FakeReplicate, *acts: Callable[[AsyncClient], Any]) -> list[Any]:
    """What all of these come to, at once in one event loop."""

    async def main() -> list[Any]:
        async with client_of(fake) as client:
            return await asyncio.gather(*(act(client) for act in acts))

    return asyncio.run(main())


def in_threads(acts: Iterable[Callable[[], Any]]) -> list[Any]:
    """What all of these come to, at once, each in a thread."""
    acts = list(acts)
    with ThreadPoolExecutor(len(acts)) as threads:
        return [future.result(ENOUGH) for future in [threads.submit(act) for act in acts]]


# ---- in an event loop ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [False, True], ids=["polled", "streamed"])
def test_a_thousand_runs_of_a_second_take_about_a_second(fake, streams):
    model = fake.on("owner/model")
    (model.streams("do", "ne") if streams else model.returns("done")).takes(1)
    results = together(fake, *[lambda client: client.run("owner/model", {})] * 1_000)
    assert [result.text for result in results] == ["done"] * 1_000
    assert fake.clock.now() <= 1 + LATE


def test_each_of_many_runs_ends_when_it_would_end_alone(fake):
    lengths = [0.3 * number for number in range(1, 60)]
    for number, seconds in enumerate(lengths):
        fake.on("owner/model", number=number).returns(number).takes(seconds)
        fake.on("owner/llm", number=number).streams("a", "b", "c").takes(seconds)

    async def timed(call: Any) -> tuple[Any, float]:
        return await call, fake.clock.now()

    runs = [
        lambda client, model=model, number=number: timed(client.run(model, {"number": number}))
        for number in range(len(lengths))
        for model in ("owner/model", "owner/llm")
    ]
    ended = together(fake, *runs)
    for seconds, (value, polled), (text, streamed) in zip(lengths, ended[::2], ended[1::2], strict=True):
        assert (value, text) == (lengths.index(seconds), ["a", "b", "c"])
        assert seconds <= polled <= seconds + max(LATE, 0.06 * seconds)
        assert streamed == pytest.approx(seconds)


def test_every_piece_of_every_stream_comes_at_its_own_moment_among_runs(fake):
    lengths = range(1, 101)
    for seconds in lengths:
        fake.on("owner/llm", number=seconds).streams(*"abcd").takes(seconds)
    fake.on("owner/model").returns("done").takes(40)

    async def heard(client: AsyncClient, number: int) -> list[tuple[str, float]]:
        return [(chunk, fake.clock.now()) async for chunk in client.stream("owner/llm", {"number": number})]

    async def ran(client: AsyncClient) -> Any:
        return await client.run("owner/model", {})

    streams = [lambda client, number=number: heard(client, number) for number in lengths]
    *pieces, _, _ = together(fake, *streams, ran, ran)
    for seconds, of_one in zip(lengths, pieces, strict=True):
        assert [chunk for chunk, _ in of_one] == list("abcd")
        assert [moment for _, moment in of_one] == pytest.approx([seconds * part / 4 for part in (1, 2, 3, 4)])


def test_held_creates_are_answered_each_in_its_time_and_sent_once(fake):
    lengths = [0.1 * number for number in range(1, 101)]
    for number, seconds in enumerate(lengths):
        fake.on("owner/model", number=number).returns(number).takes(seconds)

    async def created(client: AsyncClient, number: int) -> tuple[str, float]:
        prediction = await client.predictions.create("owner/model", {"number": number}, wait=5)
        return prediction.status, fake.clock.now()

    answers = together(fake, *(lambda client, number=number: created(client, number) for number in range(100)))
    assert [moment for _, moment in answers] == pytest.approx([min(seconds, 5) for seconds in lengths])
    assert {status for status, _ in answers[:50]} == {"processing"}, "as a held create of the hosted API ends"
    assert {status for status, _ in answers[50:]} == {"starting"}
    assert [call.input["number"] for call in fake.calls] == list(range(100))
    assert [(asked.method, asked.status) for asked in fake.requests] == [("POST", 201)] * 50 + [("POST", 202)] * 50


def test_a_held_create_whose_caller_waits_no_longer_is_given_up_at_its_deadline(fake):
    fake.on("owner/model").returns("late").takes(60)

    async def created(client: AsyncClient) -> float:
        with pytest.raises(TimeoutError):
            await client.predictions.create("owner/model", {}, wait=30, timeout=10)
        return fake.clock.now()

    assert together(fake, created, created) == [10, 10]
    assert [asked.status for asked in fake.requests] == [None, None]


def test_a_stream_whose_kind_only_its_first_piece_tells_is_waited_for_without_moving_the_time(fake):
    def either(number: int):
        yield f"first {number}"
        yield "second"

    fake.on("owner/any").calls(either).starts_after(30)
    fake.on("owner/model").returns("done").takes(1)

    async def heard(client: AsyncClient) -> list[str]:
        return [chunk async for chunk in client.stream("owner/any", {"number": 1})]

    async def ran(client: AsyncClient) -> float:
        await client.run("owner/model", {})
        return fake.clock.now()

    heard_pieces, moment = together(fake, heard, ran)
    assert heard_pieces == ["first 1", "second"]
    assert moment <= 1 + LATE


def test_silence_on_a_stream_is_broken_in_an_event_loop_as_it_is_in_a_thread(fake):
    fake.on("owner/llm").streams("at last").takes(3_000)

    async def heard(client: AsyncClient) -> list[str]:
        return [chunk async for chunk in client.stream("owner/llm", {}, timeout=None)]

    assert together(fake, heard) == [["at last"]]
    asked = [request.path for request in fake.requests]
    before = fake.clock.now()
    assert list(fake.client().stream("owner/llm", {}, timeout=None)) == ["at last"]
    again = [request.path for request in fake.requests][len(asked) :]
    assert ([path.split("/")[1] for path in asked], before) == ([path.split("/")[1] for path in again], 3_000)


def test_a_run_whose_files_are_read_by_a_thread_is_not_late(fake):
    fake.on("owner/model").returns("done").takes(1)
    fake.on("owner/long").returns("done").takes(500)

    async def with_file(client: AsyncClient) -> float:
        await client.run("owner/model", {"file": io.BytesIO(b"x" * 200_000)}, timeout=10)
        return fake.clock.now()

    async def long(client: AsyncClient) -> Any:
        return await client.run("owner/long", {})

    assert together(fake, with_file, long)[0] <= 1 + LATE


def test_a_task_that_is_canceled_does_not_move_the_time_to_what_it_waited_for(fake):
    fake.on("owner/llm").streams("a", "b").takes(500)
    fake.on("owner/model").returns("done").takes(1)

    async def given_up(client: AsyncClient) -> None:
        task = asyncio.ensure_future(client.run("owner/llm", {}))
        await client.run("owner/model", {})
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    together(fake, given_up)
    assert fake.clock.now() <= 1 + LATE
    assert fake.requests[-1].path.endswith("/cancel")


def test_deadlines_hold_among_many(fake):
    fake.on("owner/model").returns("late").takes(500)

    async def timed(client: AsyncClient, seconds: float) -> float:
        with pytest.raises(PredictionTimeout):
            await client.run("owner/model", {}, timeout=seconds)
        return fake.clock.now()

    budgets = [1 + number / 7 for number in range(100)]
    ended = together(fake, *(lambda client, seconds=seconds: timed(client, seconds) for seconds in budgets))
    assert ended == pytest.approx(budgets)


def test_the_same_program_asks_the_same_at_the_same_moments():
    def asked() -> list[Any]:
        with FakeReplicate() as fake:
            for number in range(20):
                fake.on("owner/model", number=number).returns(number).takes(number / 3)
                fake.on("owner/llm", number=number).streams("a", "b").takes(number / 2)
            moments = []
            handle = fake.transport.send

            class Noting(InProcessTransport):
                def send(self, request, deadline):
                    moments.append((fake.clock.now(), request.method, request.url))
                    return handle(request, deadline)

            noting = Noting(fake.transport.emulator, backend="replicate")

            async def main() -> None:
                async with AsyncClient(transport=noting, clock=fake.clock) as client:
                    runs = (client.run(f"owner/{name}", {"number": n}) for n in range(20) for name in ("model", "llm"))
                    await asyncio.gather(*runs)

            asyncio.run(main())
            return [moments, fake.clock.sleeps]

    assert asked() == asked()


def test_a_model_may_use_a_client_of_its_own(fake):
    inner = fake.client()
    fake.on("owner/inner").streams("in", "ner").takes(2)
    fake.on("owner/outer").calls(lambda prompt: inner.run("owner/inner", {}).text + prompt)

    async def ran(client: AsyncClient) -> Any:
        return await client.run("owner/outer", prompt="!")

    assert together(fake, ran, ran) == ["inner!", "inner!"]


def test_a_stream_that_is_read_as_a_whole_is_waited_for_without_moving_the_time(fake):
    def either(number: int):
        yield "first"
        yield "second"

    fake.on("owner/any").calls(either).starts_after(30)
    fake.on("owner/model").returns("done").takes(1)

    async def whole(client: AsyncClient) -> tuple[str, float]:
        created = await client.predictions.create("owner/any", {"number": 1})
        response, body = await ThreadedTransport(fake.transport).send(Request("GET", created.urls["stream"]), None)
        assert body is None
        return response.body.decode(), fake.clock.now()

    async def ran(client: AsyncClient) -> float:
        await client.run("owner/model", {})
        return fake.clock.now()

    (text, read), moment = together(fake, whole, ran)
    assert [line[6:] for line in text.splitlines() if line.startswith("data")] == ["first", "second", "{}"]
    assert moment <= 1 + LATE < read == 30


# ---- in threads ----------------------------------------------------------------------------------------------


def timed(fake: FakeReplicate, act: Callable[[Client], Any]) -> Callable[[], tuple[Any, float]]:
    """What it comes to for a client, and how long that took."""

    def timed() -> tuple[Any, float]:
        client = fake.client()
        at_work(fake.clock)  # from here on, not only from its first request
        began = fake.clock.now()
        return act(client), fake.clock.now() - began

    return timed


@pytest.mark.parametrize("wait", [False, 5], ids=["polled", "held"])
def test_no_run_in_a_thread_is_late_because_another_waits(fake, wait):
    lengths = [0.5 + number / 4 for number in range(40)]
    for number, seconds in enumerate(lengths):
        fake.on("owner/model", number=number).returns(number).takes(seconds)

    def run(number: int) -> Callable[[], tuple[Any, float]]:
        return timed(fake, lambda client: client.run("owner/model", {"number": number}, wait=wait))

    ended = in_threads(run(number) for number in range(len(lengths)))
    for number, (value, took) in enumerate(ended):
        assert value == number
        assert lengths[number] - 0.001 <= took <= lengths[number] + max(LATE, 0.06 * lengths[number])


def test_streams_and_runs_in_threads_are_told_of_everything_in_time(fake):
    fake.on("owner/llm").streams(*"abcd").takes(8)
    fake.on("owner/model").returns("done").takes(1)

    def stream(client: Client) -> list[float]:
        return [fake.clock.now() for _ in client.stream("owner/llm", {})]

    def runs(client: Client) -> None:
        for _ in range(10):
            assert client.run("owner/model", {}, wait=False) == "done"

    ended = in_threads([*[timed(fake, stream)] * 10, *[timed(fake, runs)] * 10])
    for moments, took in ended[:10]:
        assert [later - moments[0] for later in moments] == pytest.approx([0, 2, 4, 6])
        assert took == pytest.approx(8)
    assert all(took <= 10 * (1 + LATE) for _, took in ended[10:])


def test_a_model_that_waits_for_a_thread_does_not_hold_up_what_the_thread_does(fake):
    met = threading.Event()

    def waits(prompt: str) -> str:
        return prompt if met.wait(ENOUGH) else "nothing came"

    fake.on("owner/waits").calls(waits)
    fake.on("owner/model").returns("done").takes(60)

    def thread() -> None:
        fake.client().run("owner/model", {}, wait=False)
        met.set()

    assert in_threads([lambda: fake.client().run("owner/waits", prompt="it came"), thread])[0] == "it came"


def test_models_may_wait_for_each_other(fake):
    both = threading.Barrier(2)
    fake.on("owner/meets").calls(lambda prompt: (both.wait(ENOUGH), prompt)[1])
    runs = [lambda: fake.client().run("owner/meets", prompt="Hi")] * 2
    assert in_threads(runs) == ["Hi", "Hi"]


def test_a_thread_may_wait_for_a_prediction_whose_model_waits_for_that_thread(fake):
    begun, let_go = threading.Event(), threading.Event()

    def waits(prompt: str) -> Iterator[str]:
        yield prompt
        begun.set()
        yield "let go" if let_go.wait(ENOUGH) else "nothing came"

    fake.on("owner/waits").calls(waits)
    created = fake.client().predictions.create("owner/waits", {"prompt": "Hi"})

    def patient() -> list[str]:
        return list(fake.client().predictions.get(created.id).stream())

    def impatient() -> None:
        begun.wait(ENOUGH)
        with pytest.raises(PredictionTimeout):
            list(fake.client().predictions.get(created.id).stream(timeout=20))
        let_go.set()

    assert in_threads([patient, impatient])[0] == ["Hi", "let go"]


def test_a_run_whose_create_takes_the_machine_long_is_not_late(fake):
    fake.on("owner/long").returns("done").takes(500)
    fake.on("owner/model").returns("done").takes(1)
    slow, begun = SlowCreates(fake), threading.Event()

    def long() -> None:
        begun.wait(ENOUGH)
        fake.client().run("owner/long", {}, wait=False)

    def run() -> float:
        begun.set()
        Client(transport=slow, clock=fake.clock).run("owner/model", {}, wait=False)
        return fake.clock.now()

    assert in_threads([run, long])[0] <= 1 + LATE


class SlowCreates:
    """A transport that is slow, for the machine's clock, with creates."""

    def __init__(self, fake: FakeReplicate) -> None:
        self.clock = fake.clock
        self._transport = fake.transport

    def send(self, request: Request, deadline: float | None) -> Any:
        """Have the fake answer, a little later."""
        if request.method == "POST":
            time.sleep(0.02)
        return self._transport.send(request, deadline)

    def close(self) -> None:
        """Nothing is open."""
