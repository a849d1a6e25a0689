"""executor=: this process creates predictions, workers follow them; with local models, whole items run in workers."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import resource_tracker
from pathlib import Path

import pytest

from replicate_home import AsyncClient, AuthenticationError, Client, InvalidInput, ModelError, PredictionTimeout
from replicate_home.testing import FakeReplicate

from .executor_tasks import client_of_models, describe, die_once, refuse

MODEL = "owner/llm"


@pytest.fixture(scope="module", autouse=True)
def tracker() -> None:
    """The process that Python keeps beside all pools is there before the first test counts what is open."""
    resource_tracker.ensure_running()


@pytest.fixture
def fake():
    with FakeReplicate() as fake:
        fake.on(MODEL).calls(lambda prompt: prompt.upper())
        with fake.serve():  # which is where the environment leads to, also that of workers
            yield fake


@pytest.fixture
def workers(fake, monkeypatch, tmp_path) -> Iterator[ProcessPoolExecutor]:
    """Two processes that know of nothing but their environment."""
    monkeypatch.setenv("TEST_DIED", str(tmp_path / "died"))
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def created(fake: FakeReplicate) -> int:
    return len(fake.calls)


@pytest.mark.long
def test_workers_follow_what_this_process_creates(fake, workers):
    items = list(Client().map(MODEL, map(str, "abcdefgh"), executor=workers, then=describe, ordered=True))
    assert [item.result for item in items] == list("ABCDEFGH")
    assert [item.value[1] for item in items] == list("ABCDEFGH")
    assert os.getpid() not in {item.value[0] for item in items}
    assert created(fake) == 8


@pytest.mark.long
def test_so_they_do_for_an_event_loop(fake, workers):
    async def main():
        async with AsyncClient() as client:
            return [item async for item in client.map(MODEL, ["a", "b"], executor=workers, then=describe, ordered=True)]

    items = asyncio.run(main())
    assert [item.value[1] for item in items] == ["A", "B"]
    assert os.getpid() not in {item.value[0] for item in items}


@pytest.mark.long
def test_of_a_worker_that_is_killed_nothing_is_lost_and_nothing_doubled(fake, workers, tmp_path):
    journal = tmp_path / "run.sqlite"
    batch = Client().map(MODEL, map(str, range(20)), executor=workers, then=die_once, ordered=True, journal=journal)
    items = list(batch)
    assert (tmp_path / "died").exists(), "a worker was killed"
    assert [item.value for item in items] == [str(number) for number in range(20)]
    assert created(fake) == 20
    assert len({item.prediction_id for item in items}) == 20
    again = list(Client().map(MODEL, map(str, range(20)), then=die_once, ordered=True, journal=journal))
    assert [(item.reused, item.prediction_id) for item in again] == [(True, item.prediction_id) for item in items]
    assert created(fake) == 20


@pytest.mark.long
def test_files_are_saved_where_the_worker_is(fake, workers, tmp_path):
    fake.on("owner/image").returns(Path(__file__))
    items = list(Client().map("owner/image", ["a", "b"], executor=workers, save_to=tmp_path / "saved", ordered=True))
    assert [[path.read_bytes() for path in item.paths] for item in items] == [[Path(__file__).read_bytes()]] * 2
    names = [f"{item.index:06d}-{item.prediction_id}-" for item in items]
    assert [item.paths[0].name.startswith(name) for item, name in zip(items, names, strict=True)] == [True, True]


@pytest.mark.long
def test_what_fails_in_the_model_or_in_the_function_is_the_items_own(fake, workers):
    fake.on("owner/bad").fails("out of memory")
    failed = list(Client().map("owner/bad", ["a"], executor=workers, on_error="collect"))
    assert isinstance(failed[0].error, ModelError)
    raised = list(Client().map(MODEL, ["a"], executor=workers, then=refuse, on_error="collect"))
    assert (type(raised[0].error), str(raised[0].error), raised[0].result) == (ValueError, "no A", "A")


@pytest.mark.long
def test_a_worker_without_a_token_ends_the_batch_with_a_way_out(fake, workers, monkeypatch):
    client = Client("r8_" + "1" * 37, base_url=fake.url)
    monkeypatch.delenv("REPLICATE_API_TOKEN")  # before the workers start
    with pytest.raises(AuthenticationError, match="set REPLICATE_API_TOKEN where it is unpickled"):
        list(client.map(MODEL, ["a"], executor=workers))


@pytest.mark.long
def test_models_in_this_process_run_in_the_workers_as_a_whole(workers, tmp_path):
    items = list(
        client_of_models().map(
            "local/where", [{"number": number} for number in range(4)], executor=workers, ordered=True,
            then=describe, journal=tmp_path / "run.sqlite",
        )
    )  # fmt: skip
    assert [item.result.text for item in items] == [f"{number} in {item.value[0]}" for number, item in enumerate(items)]
    assert os.getpid() not in {item.value[0] for item in items}


class Broken(Executor):
    """An executor that does nothing: it refuses tasks, loses, cancels or forgets them."""

    def __init__(self, how: str) -> None:
        self.how, self.asked = how, 0

    def submit(self, function, /, *args, **kwargs):
        """Take a task, or do not."""
        self.asked += 1
        if self.how == "refuses":
            raise RuntimeError("cannot schedule new futures after shutdown")
        if self.how == "cannot pickle":
            raise TypeError("cannot pickle '_thread.lock' object")
        future: Future[object] = Future()
        if self.how == "loses":
            future.set_exception(OSError("the worker is gone"))
        if self.how == "cancels":
            future.cancel()
        return future


@pytest.mark.parametrize(("how", "asked"), [("refuses", 1), ("cannot pickle", 3), ("loses", 3), ("cancels", 3)])
def test_where_an_executor_fails_the_rest_is_followed_here(fake, how, asked):
    executor = Broken(how)
    items = list(Client().map(MODEL, ["a", "b", "c"], executor=executor, ordered=True, concurrency=1))
    assert [item.result for item in items] == ["A", "B", "C"]
    assert executor.asked == asked
    assert created(fake) == 3


def test_what_no_worker_has_followed_in_time_is_canceled(fake):
    fake.on("owner/slow").returns("x").takes(100)
    items = list(Client().map("owner/slow", ["a", "b"], executor=Broken("forgets"), timeout=0.5, on_error="collect"))
    assert [type(item.error) for item in items] == [PredictionTimeout] * 2
    assert {Client().predictions.get(item.prediction_id).status for item in items} == {"canceled"}


def test_threads_follow_in_virtual_time():
    with FakeReplicate() as fake, ThreadPoolExecutor(4) as pool:
        fake.on(MODEL).returns("x").takes(30)
        items = list(fake.client().map(MODEL, map(str, range(4)), executor=pool, concurrency=4))
        assert [item.result for item in items] == ["x"] * 4
        assert created(fake) == 4
        assert fake.clock.now() < 200


def test_what_is_no_executor_is_refused(fake):
    with pytest.raises(TypeError, match=r"^executor must be a concurrent.futures.Executor, .*; got int"):
        Client().map(MODEL, ["a"], executor=4)
    cog = Client(backend="cog", base_url="http://127.0.0.1:1")
    with pytest.raises(InvalidInput, match=r"a cog server ends a prediction with the connection.*leave executor= out"):
        cog.map(MODEL, ["a"], executor=Broken("refuses"))
    assert fake.requests == []
