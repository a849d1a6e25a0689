"""client.map: many inputs, a few at a time; what comes out, and what happens when it is left."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

import replicate_home
from replicate_home import (
    AuthenticationError,
    BatchItem,
    Client,
    InvalidInput,
    ModelError,
    PaymentRequired,
    PermissionDenied,
    PredictionTimeout,
    Summary,
)
from replicate_home.testing import FakeReplicate, faults

MODEL = "owner/llm"


@pytest.fixture
def fake():
    with FakeReplicate() as fake:
        yield fake


def echo(prompt: str) -> str:
    return prompt.upper()


def states(fake):
    return [fake.client().predictions.get(call.prediction_id).status for call in fake.calls]


async def listed(batch):
    return [item async for item in batch]


@pytest.fixture(params=["threads", "event loop"])
def run(request, fake):
    """All items of a batch, over a client of either kind."""

    def of_threads(*args, **options):
        return list(fake.client().map(*args, **options))

    def of_a_loop(*args, **options):
        async def main():
            return await listed(fake.async_client().map(*args, **options))

        return asyncio.run(main())

    return of_threads if request.param == "threads" else of_a_loop


class TestItems:
    def test_an_item_says_what_went_in_and_what_came_of_it(self, fake, run):
        fake.on(MODEL).calls(echo)
        (item,) = run(MODEL, [{"prompt": "hi"}])
        assert item == BatchItem(0, {"prompt": "hi"}, result="HI", prediction_id=fake.calls[0].prediction_id)
        assert item.ok
        assert item.result.prediction.status == "succeeded"

    def test_a_plain_string_is_a_prompt(self, fake, run):
        fake.on(MODEL).calls(echo)
        assert [item.input for item in run(MODEL, ["a", {"prompt": "b"}], ordered=True)] == [
            {"prompt": "a"},
            {"prompt": "b"},
        ]
        assert sorted(call.input["prompt"] for call in fake.calls) == ["a", "b"]

    def test_items_come_as_they_finish(self, fake, run):
        for name, seconds in (("slow", 30), ("quick", 1), ("middle", 10)):
            fake.on(MODEL, prompt=name).returns(name).takes(seconds)
        items = run(MODEL, ["slow", "quick", "middle"])
        assert [item.result for item in items] == ["quick", "middle", "slow"]
        assert [item.index for item in items] == [1, 2, 0]

    def test_or_in_the_order_of_the_inputs(self, fake, run):
        for name, seconds in (("slow", 30), ("quick", 1), ("middle", 10)):
            fake.on(MODEL, prompt=name).returns(name).takes(seconds)
        items = run(MODEL, ["slow", "quick", "middle"], ordered=True)
        assert [item.result for item in items] == ["slow", "quick", "middle"]

    def test_no_inputs_are_no_items_and_no_request(self, fake, run):
        assert run(MODEL, []) == []
        assert fake.requests == []

    def test_what_then_returns_is_the_value(self, fake, run):
        fake.on(MODEL).calls(echo)
        items = run(MODEL, ["ab", "c"], ordered=True, then=len)
        assert [item.value for item in items] == [2, 1]

    def test_what_then_raises_is_the_items_error_and_the_result_is_there(self, fake, run):
        fake.on(MODEL).calls(echo)
        (item,) = run(MODEL, ["x"], then=int, on_error="collect")
        assert (item.ok, item.result) == (False, "X")
        assert isinstance(item.error, ValueError)

    def test_a_function_that_returns_a_coroutine_has_it_awaited(self, fake, run):
        fake.on(MODEL).calls(echo)

        async def length(result):
            return len(result)

        assert [item.value for item in run(MODEL, ["ab"], then=lambda result: length(result))] == [2]

    def test_a_function_that_stops_an_iteration_is_the_items_error(self, fake, run):
        fake.on(MODEL).calls(echo)
        (item,) = run(MODEL, ["x"], then=lambda result: next(iter(())), on_error="collect")
        assert isinstance(item.error, RuntimeError)
        assert isinstance(item.error.__cause__, StopIteration)

    @pytest.mark.parametrize("ends", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
    @pytest.mark.parametrize("is_async", [False, True])
    def test_a_function_that_ends_the_program_ends_the_batch(self, fake, run, ends, is_async):
        fake.on(MODEL, prompt="x").calls(echo)
        fake.on(MODEL, prompt="long").returns("x").takes(600)

        def then(result):
            raise ends

        async def athen(result):
            raise ends

        with pytest.raises(ends):
            run(MODEL, ["long", "x"], then=athen if is_async else then, on_error="collect")
        assert sorted(states(fake)) == ["canceled", "succeeded"]

    def test_so_it_does_in_real_time(self, fake):
        fake.on(MODEL).calls(echo)
        with fake.serve(), Client() as client, pytest.raises(SystemExit):
            list(client.map(MODEL, ["x"], then=lambda result: sys.exit(3)))

    def test_a_model_that_fails_is_the_items_error(self, fake, run):
        fake.on(MODEL, prompt="good").returns("fine")
        fake.on(MODEL, prompt="bad").fails("out of memory")
        good, bad = run(MODEL, ["good", "bad"], ordered=True, on_error="collect")
        assert good.ok
        assert isinstance(bad.error, ModelError)
        assert bad.prediction_id == bad.error.prediction.id

    def test_a_batch_goes_on_in_virtual_time_the_same_every_time(self):
        def once():
            with FakeReplicate() as fake:
                fake.on(MODEL).streams("x").takes(1)
                items = [item.index for item in fake.client().map(MODEL, map(str, range(50)), concurrency=7)]
                return items, fake.clock.now(), [(asked.method, asked.path) for asked in fake.requests]

        first = once()
        assert sorted(first[0]) == list(range(50))
        assert all(once() == first for _ in range(3))

    @pytest.mark.long
    def test_a_thousand_runs_of_a_minute_at_once_take_a_minute(self, fake, run):
        fake.on(MODEL).streams("a").takes(60)
        assert len(run(MODEL, map(str, range(1000)), concurrency=1000)) == 1000
        assert fake.clock.now() < 61


class TestWindow:
    @pytest.mark.parametrize("ordered", [False, True])
    def test_an_endless_generator_is_pulled_as_items_are_taken(self, fake, ordered):
        fake.on(MODEL).returns("x").takes(1)
        pulled = []

        def endless():
            for number in itertools.count():
                pulled.append(number)
                yield str(number)

        with fake.client().map(MODEL, endless(), concurrency=4, ordered=ordered) as batch:
            for taken in range(30):
                assert len(pulled) <= taken + 2 * 4
                next(batch)
        assert len(fake.calls) <= 30 + 2 * 4

    def test_no_more_than_concurrency_run_at_once(self, fake):
        fake.on(MODEL).returns("x").takes(5)
        most = 0
        for _ in fake.client().map(MODEL, map(str, range(20)), concurrency=3):
            most = max(most, sum(status in ("starting", "processing") for status in states(fake)))
        assert len(fake.calls) == 20
        assert most in (2, 3)

    def test_a_slow_source_does_not_keep_what_is_ready(self, fake):
        fake.on(MODEL).returns("x").takes(0.1)
        pulled = []

        def slow():
            for number in range(40):
                pulled.append(number)
                yield str(number)

        batch = fake.client().map(MODEL, slow(), concurrency=8)
        for _ in range(4):
            next(batch)
        assert len(pulled) <= 16 + 4
        batch.close()

    def test_inputs_may_come_from_an_asynchronous_iterable(self, fake):
        fake.on(MODEL).calls(echo)

        async def inputs():
            for letter in "abc":
                await asyncio.sleep(0)
                yield letter

        async def main():
            return [item.result async for item in fake.async_client().map(MODEL, inputs(), ordered=True)]

        assert asyncio.run(main()) == ["A", "B", "C"]
        with pytest.raises(TypeError, match="AsyncClient"):
            fake.client().map(MODEL, inputs())

    def test_an_error_of_the_source_passes_and_leaves(self, fake):
        fake.on(MODEL).returns("x").takes(60)

        def broken():
            yield "a"
            raise LookupError("no more rows")

        with pytest.raises(LookupError):
            list(fake.client().map(MODEL, broken()))
        assert set(states(fake)) <= {"canceled"}


class TestManyConsumers:
    def test_threads_share_the_items_of_a_batch(self, fake):
        fake.on(MODEL).returns("x").takes(1)
        batch = fake.client().map(MODEL, (str(number) for number in range(100)), concurrency=2)
        taken: list[int] = []
        threads = [threading.Thread(target=lambda: taken.extend(item.index for item in batch)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(taken) == list(range(100))

    def test_so_do_tasks_whatever_the_inputs_come_from(self, fake):
        fake.on(MODEL).returns("x").takes(1)

        async def inputs():
            for number in range(30):
                await asyncio.sleep(0)
                yield str(number)

        async def main():
            batch = fake.async_client().map(MODEL, inputs(), concurrency=1)
            taken = await asyncio.gather(*(listed(batch) for _ in range(5)))
            return sorted(item.index for items in taken for item in items)

        assert asyncio.run(main()) == list(range(30))

    def test_a_thread_that_waits_when_another_closes_is_at_the_end(self, fake):
        waits = threading.Event()

        def model(prompt):
            waits.set()
            yield "a"
            yield from iter(lambda: time.sleep(0.01), "never")

        with Client.local({"local/endless": model}) as client:
            batch = client.map("local/endless", ["x"])
            taken: list[object] = []
            thread = threading.Thread(target=lambda: taken.append(next(batch, "the end")))
            thread.start()
            assert waits.wait(60)
            batch.close()
            thread.join(60)
        assert taken == ["the end"]


class TestErrors:
    def test_the_first_error_is_raised_and_the_rest_is_canceled(self, fake, run):
        fake.on(MODEL, prompt="bad").fails("no").takes(1)
        fake.on(MODEL, prompt="long").returns("x").takes(600)
        with pytest.raises(ModelError) as caught:
            run(MODEL, ["long", "bad", "long"])
        assert "item 1 of the batch" in caught.value.__notes__
        assert sorted(states(fake)) == ["canceled", "canceled", "failed"]

    @pytest.mark.parametrize("on_error", ["raise", "collect"])
    @pytest.mark.parametrize(
        ("status", "kind"), [(401, AuthenticationError), (402, PaymentRequired), (403, PermissionDenied)]
    )
    def test_no_credit_stops_creating_and_what_runs_is_followed_to_its_end(self, fake, on_error, status, kind):
        fake.on(MODEL).returns("x").takes(5)
        fake.faults.add("create", faults.status(status), skip=3, times=1000)
        batch = fake.client().map(MODEL, map(str, range(100)), concurrency=4, on_error=on_error)
        assert sorted(next(batch).index for _ in range(3)) == [0, 1, 2]
        with pytest.raises(kind):
            next(batch)
        creates = [asked for asked in fake.requests if asked.method == "POST"]
        assert len(creates) <= 3 + 4
        assert batch.summary.done == 3
        assert set(states(fake)) == {"succeeded"}

    def test_nor_is_what_waits_for_the_servers_limits_then_created(self, fake):
        fake.on(MODEL).returns("x")
        fake.faults.add("create", faults.status(402), times=1000)
        client = fake.client(api_token="t", base_url="https://api.replicate.com/v1")
        with pytest.raises(PaymentRequired):
            list(client.map(MODEL, map(str, range(2_000)), concurrency=1_000, timeout=None))
        creates = [asked for asked in fake.requests if asked.method == "POST"]
        assert len(creates) == 480, "what a minute allows was sent at once"

    def test_a_rate_of_the_callers_own_spreads_the_creates(self, fake, run):
        began = []
        fake.on(MODEL).calls(lambda prompt: began.append(int(fake.clock.now())) or "x")
        items = run(MODEL, map(str, range(10)), concurrency=10, rate_limit="3/min", timeout=5)
        assert [item.ok for item in items] == [True] * 10, "the timeout of an item begins when it may be created"
        assert began == [0, 0, 0, 60, 60, 60, 120, 120, 120, 180]

    @pytest.mark.parametrize("rate", ["often", 0, "3/week"])
    def test_a_rate_that_is_none_is_refused_before_anything_is_sent(self, fake, rate):
        with pytest.raises(InvalidInput, match="rate_limit must be such as"):
            fake.client().map(MODEL, ["a"], rate_limit=rate)
        assert fake.requests == []

    def test_each_item_has_a_timeout_of_its_own(self, fake, run):
        fake.on(MODEL, prompt="slow").returns("x").takes(100)
        fake.on(MODEL, prompt="ok").returns("y").takes(5)
        items = run(MODEL, ["ok", "slow", "ok", "ok"], timeout=10, concurrency=1, on_error="collect", ordered=True)
        assert [item.ok for item in items] == [True, False, True, True]
        assert isinstance(items[1].error, PredictionTimeout)
        assert sorted(states(fake)) == ["canceled", "succeeded", "succeeded", "succeeded"]

    @pytest.mark.parametrize("wrong", [None, 7, ["a"], b"bytes"])
    def test_an_input_that_is_none_says_which(self, fake, wrong, run):
        fake.on(MODEL).returns("x")
        with pytest.raises(TypeError, match="input 1 must be a mapping"):
            run(MODEL, ["ok", wrong])

    def test_options_that_are_wrong_are_named_before_any_request(self, fake):
        client = fake.client()
        for options, kind, words in [
            ({"concurrency": 0}, InvalidInput, "whole number from 1"),
            ({"concurrency": True}, InvalidInput, "whole number from 1"),
            ({"on_error": "ignore"}, InvalidInput, "'raise', 'collect'"),
            ({"on_unknown": "yes"}, InvalidInput, "'raise', 'resend', 'skip'"),
            ({"timeout": -1}, InvalidInput, "positive number"),
            ({"then": 3}, TypeError, "callable"),
            ({"temperature": 1}, TypeError, "temperature"),
        ]:
            with pytest.raises(kind, match=words):
                client.map(MODEL, ["a"], **options)
        for inputs in ("one prompt", {"prompt": "one"}, 7):
            with pytest.raises(TypeError, match="inputs must be many"):
                client.map(MODEL, inputs)
        with pytest.raises(InvalidInput, match="is not a model"):
            client.map("nonsense", ["a"])
        assert fake.requests == []


class TestLeaving:
    def test_close_cancels_what_runs_and_counts_it(self, fake):
        fake.on(MODEL).returns("x").takes(600)
        fake.on(MODEL, prompt="0").returns("quick").takes(1)
        batch = fake.client().map(MODEL, map(str, range(10)), concurrency=3)
        assert next(batch).result == "quick"
        batch.close()
        assert sorted(states(fake)) == ["canceled"] * 3 + ["succeeded"]
        assert (batch.summary.done, batch.summary.canceled, batch.summary.left_over) == (1, 3, 5)
        assert list(batch) == []

    def test_or_leaves_it_running(self, fake):
        fake.on(MODEL).returns("x").takes(600)
        fake.on(MODEL, prompt="0").returns("quick").takes(1)
        with fake.client().map(MODEL, map(str, range(3)), cancel_on_exit=False) as batch:
            next(batch)
        assert states(fake) == ["succeeded", "processing", "processing"]
        assert batch.summary.canceled == 0

    def test_ctrl_c_leaves_at_once_although_something_takes_long(self, fake):
        fake.on(MODEL).returns("x").takes(600)
        fake.on(MODEL, prompt="0").returns("quick")
        over = threading.Event()

        def interrupted(result):
            os.kill(os.getpid(), signal.SIGINT)
            over.wait(30)

        began = time.monotonic()
        try:
            with pytest.raises(KeyboardInterrupt):
                list(fake.client().map(MODEL, ["0", "1"], then=interrupted))
            assert time.monotonic() - began < 20
        finally:
            over.set()
        assert states(fake) == ["succeeded", "canceled"]

    def test_a_batch_that_is_dropped_cancels(self, fake):
        fake.on(MODEL).returns("x").takes(600)
        fake.on(MODEL, prompt="0").returns("quick").takes(1)
        for _ in fake.client().map(MODEL, map(str, range(3))):
            break
        gc.collect()
        for thread in threading.enumerate():
            if thread.name == "replicate-home-leaving":
                thread.join(10)
        assert states(fake) == ["succeeded", "canceled", "canceled"]

    def test_a_task_that_is_canceled_cancels(self, fake):
        fake.on(MODEL).returns("x").takes(600)

        async def main():
            task = asyncio.create_task(listed(fake.async_client().map(MODEL, ["a", "b"])))
            while len(fake.calls) < 2:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        assert states(fake) == ["canceled", "canceled"]

    def test_an_event_loop_that_ends_cancels(self, fake):
        fake.on(MODEL).returns("x").takes(600)
        fake.on(MODEL, prompt="0").returns("quick").takes(1)
        kept = []

        async def main():
            batch = fake.async_client().map(MODEL, map(str, range(3)))
            kept.append(batch)
            assert (await anext(batch)).result == "quick"

        asyncio.run(main())
        assert states(fake) == ["succeeded", "canceled", "canceled"]

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_a_forked_child_leaves_its_parents_batch_alone(self, fake, tmp_path):
        fake.on(MODEL).returns("x").takes(5)
        batch = fake.client().map(MODEL, map(str, range(6)), concurrency=2, journal=tmp_path / "run.sqlite")
        next(batch)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is what is tried
            child = os.fork()
        if child == 0:
            try:
                with pytest.raises(InvalidInput, match="belongs to the process that made it"):
                    next(batch)
                batch.close()
            except BaseException:
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert len(list(batch)) == 5
        assert states(fake) == ["succeeded"] * 6

    def test_one_that_was_never_begun_sends_nothing(self, fake):
        batch = fake.client().map(MODEL, ["a"])
        batch.close()
        assert list(batch) == []
        assert fake.requests == []
        assert batch.summary == Summary()


class TestSummary:
    def test_it_counts(self, fake):
        fake.on(MODEL, prompt="good").returns("x").takes(2)
        fake.on(MODEL, prompt="bad").fails("no").takes(2)
        batch = fake.client().map(MODEL, ["good", "bad", "good"], on_error="collect")
        assert batch.summary == Summary()
        list(batch)
        told = batch.summary
        assert (told.done, told.failed, told.unknown, told.reused, told.left_over) == (2, 1, 0, 0, 0)
        assert told.predict_time == pytest.approx(4)
        assert 2 <= told.seconds <= 3
        fake.clock.sleep(100)
        assert batch.summary == told

    def test_what_failed_is_run_again_with_the_same_options(self, fake):
        fake.on(MODEL, prompt="good").returns("x")
        fake.on(MODEL, prompt="bad").fails("no").then.returns("at last")
        batch = fake.client().map(MODEL, ["good", "bad"], on_error="collect", then=len)
        list(batch)
        again = batch.retry_failed()
        (item,) = again
        assert (item.index, item.input, item.result, item.value) == (1, {"prompt": "bad"}, "at last", 7)
        assert list(again.retry_failed()) == []
        assert [call.input["prompt"] for call in fake.calls] == ["good", "bad", "bad"]

    def test_the_same_for_event_loops(self, fake):
        fake.on(MODEL).fails("no").then.returns("at last")

        async def main():
            batch = fake.async_client().map(MODEL, ["a"], on_error="collect")
            with pytest.raises(InvalidInput, match="has ended"):
                batch.retry_failed()
            await listed(batch)
            return await listed(batch.retry_failed())

        (item,) = asyncio.run(main())
        assert item.result == "at last"


class TestFiles:
    @pytest.fixture
    def pictures(self, fake, tmp_path):
        def draw(prompt: str) -> Path:
            path = tmp_path / f"drawn-{prompt}.png"
            path.write_bytes(prompt.encode())
            return path

        fake.on("owner/image").calls(draw)
        return tmp_path / "out" / "pictures"

    def test_outputs_are_saved_under_names_that_tell_what_they_are(self, fake, run, pictures):
        items = run("owner/image", ["a", "b"], save_to=pictures, ordered=True)
        for number, item in enumerate(items):
            (path,) = item.paths
            assert path.parent == pictures
            assert path.name.startswith(f"{number:06d}-{item.prediction_id}-")
            assert path.suffix == ".png"
        assert [item.paths[0].read_bytes() for item in items] == [b"a", b"b"]
        assert sorted(path.name for path in pictures.iterdir()) == sorted(item.paths[0].name for item in items)

    def test_several_files_of_one_output_are_numbered(self, fake, run, tmp_path):
        def draw() -> list[Path]:
            paths = [tmp_path / name / "same.png" for name in "ab"]
            for path in paths:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(path.parent.name.encode())
            return paths

        fake.on("owner/two").calls(draw)
        (item,) = run("owner/two", [{}], save_to=tmp_path / "out")
        assert [path.read_bytes() for path in item.paths] == [b"a", b"b"]
        assert [path.name.rpartition(f"{item.prediction_id}-")[2][:2] for path in item.paths] == ["0-", "1-"]

    def test_an_output_without_files_saves_nothing(self, fake, run, tmp_path):
        fake.on(MODEL).returns("text")
        (item,) = run(MODEL, ["a"], save_to=tmp_path / "out")
        assert item.paths == ()
        assert not (tmp_path / "out").exists()

    def test_a_folder_that_cannot_be_written_ends_the_batch(self, fake, run, pictures, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(OSError, match="file"):
            run("owner/image", ["a"], save_to=tmp_path / "file", on_error="collect")

    def test_a_download_that_fails_is_the_items_error(self, fake, run, pictures):
        fake.faults.add("download", faults.status(404))
        item, other = run("owner/image", ["a", "b"], save_to=pictures, on_error="collect", concurrency=1, ordered=True)
        assert isinstance(item.error, replicate_home.FileExpired)
        assert other.ok


class TestOtherWaysIn:
    def test_a_model_that_is_used_as_a_function(self, fake):
        fake.on(MODEL).returns("A").takes(2)
        shout = fake.client().use(MODEL, timeout=1)
        items = list(shout.map(["a", "b"], on_error="collect"))
        assert [type(item.error) for item in items] == [PredictionTimeout] * 2
        assert sorted(item.result for item in shout.map(["a", "b"], timeout=10)) == ["A", "A"]

    def test_the_same_for_event_loops(self, fake):
        fake.on(MODEL).calls(echo)
        shout = fake.async_client().use(MODEL, use_file_output=False)
        assert [item.result for item in asyncio.run(listed(shout.map(["a"])))] == ["A"]

    def test_what_holds_for_one_run_only_is_no_option_of_it(self, fake):
        with pytest.raises(TypeError, match="one prediction"):
            fake.client().use(MODEL, on_update=print).map(["a"])

    def test_the_function_of_the_module(self, fake):
        fake.on(MODEL).calls(echo)
        with fake.installed():
            assert [item.result for item in replicate_home.map(MODEL, ["a"])] == ["A"]

    def test_models_in_this_process(self):
        with Client.local({"local/shout": echo}) as client:
            assert sorted(item.result for item in client.map("local/shout", ["a", "b"])) == ["A", "B"]

    def test_within_an_event_loop_that_runs(self, fake):
        fake.on(MODEL).calls(echo)

        async def notebook():
            return [item.result for item in fake.client().map(MODEL, ["a", "b"], ordered=True)]

        assert asyncio.run(notebook()) == ["A", "B"]

    def test_a_batch_is_not_pickled(self, fake):
        batch = fake.client().map(MODEL, ["a"])
        with pytest.raises(TypeError, match="journal"):
            pickle.dumps(batch)
        batch.close()

    def test_progress_is_one_bar_for_all(self, fake, capsys):
        fake.on(MODEL).returns("x")
        list(fake.client().map(MODEL, ["a", "b"], progress=True))
        assert "2/2" in capsys.readouterr().err
