"""A batch with a journal: run again it continues, and says so; nothing that was paid for is run or lost twice."""

from __future__ import annotations

import asyncio
import io
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from replicate_home import (
    BatchLocked,
    Client,
    ConnectFailed,
    CreateOutcomeUnknown,
    FileExpired,
    InvalidInput,
    LocalRun,
    ModelCanceled,
    ModelError,
    PaymentRequired,
    PredictionTimeout,
)
from replicate_home.client.batch import journal as journals
from replicate_home.client.batch.keys import key_of
from replicate_home.testing import HOSTED_LIMITS, FakeReplicate, faults

MODEL = "owner/llm"


@pytest.fixture
def fake():
    with FakeReplicate() as fake:
        yield fake


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "run.sqlite"


def rows(journal, what="state"):
    with sqlite3.connect(journal) as database:
        found = [value for (value,) in database.execute(f"SELECT {what} FROM item ORDER BY place")]
    database.close()
    return found


def prompts(fake):
    return [call.input["prompt"] for call in fake.calls]


def echo(prompt: str) -> str:
    return prompt.upper()


class TestRunAgain:
    def test_what_is_done_is_not_run_again_and_comes_from_the_journal(self, fake, journal):
        fake.on(MODEL).calls(echo)
        first = list(fake.client().map(MODEL, ["a", "b"], journal=journal, ordered=True))
        batch = fake.client().map(MODEL, ["a", "b"], journal=journal, ordered=True)
        again = list(batch)
        assert [(item.result, item.reused) for item in first] == [("A", False), ("B", False)]
        assert [(item.result, item.reused) for item in again] == [("A", True), ("B", True)]
        assert [item.prediction_id for item in again] == [item.prediction_id for item in first]
        assert (batch.summary.done, batch.summary.reused) == (2, 2)
        assert prompts(fake) == ["a", "b"]
        assert rows(journal) == ["done", "done"]

    def test_the_same_for_event_loops(self, fake, journal):
        fake.on(MODEL).calls(echo)

        async def once():
            return [item.reused async for item in fake.async_client().map(MODEL, ["a", "b"], journal=journal)]

        assert [asyncio.run(once()), asyncio.run(once())] == [[False, False], [True, True]]
        assert prompts(fake) == ["a", "b"]

    def test_a_model_that_failed_stays_failed_until_it_is_asked_for_again(self, fake, journal):
        fake.on(MODEL).fails("no").then.returns("at last")
        for reused in (False, True):
            batch = fake.client().map(MODEL, ["a"], journal=journal, on_error="collect")
            (item,) = batch
            assert (item.reused, str(item.error)) == (reused, f"prediction {item.prediction_id} of {MODEL} failed: no")
        assert isinstance(item.error, ModelError)
        (again,) = batch.retry_failed()
        assert again.result == "at last"
        assert [item.reused for item in fake.client().map(MODEL, ["a"], journal=journal)] == [True]
        assert len(fake.calls) == 2

    def test_only_new_inputs_are_run(self, fake, journal):
        fake.on(MODEL).calls(echo)
        list(fake.client().map(MODEL, ["a", "b"], journal=journal))
        items = list(fake.client().map(MODEL, ["new", "b"], journal=journal, ordered=True))
        assert [(item.index, item.result, item.reused) for item in items] == [(0, "NEW", False), (1, "B", True)]
        assert prompts(fake) == ["a", "b", "new"]

    def test_equal_inputs_are_as_many_runs(self, fake, journal):
        fake.on(MODEL).calls(echo)
        list(fake.client().map(MODEL, ["a", "a"], journal=journal))
        items = list(fake.client().map(MODEL, ["a", "a", "a"], journal=journal, ordered=True))
        assert [item.reused for item in items] == [True, True, False]
        assert len({item.prediction_id for item in items}) == 3

    def test_one_of_equal_inputs_that_failed_is_run_again_itself(self, fake, journal):
        fake.on(MODEL).returns("fine").then.fails("no").then.returns("at last")
        batch = fake.client().map(MODEL, ["a", "a"], journal=journal, on_error="collect", concurrency=1)
        assert [item.ok for item in batch] == [True, False]
        assert [item.result for item in batch.retry_failed()] == ["at last"]
        assert [item.result for item in fake.client().map(MODEL, ["a", "a"], journal=journal, ordered=True)] == [
            "fine", "at last",
        ]  # fmt: skip

    def test_what_was_left_running_is_followed(self, fake, journal):
        fake.on(MODEL).returns("x").takes(100)
        fake.on(MODEL, prompt="0").returns("quick")
        with fake.client().map(MODEL, list("012"), journal=journal, cancel_on_exit=False) as batch:
            next(batch)
        assert rows(journal) == ["done", "created", "created"]
        ids = rows(journal, "prediction_id")
        items = list(fake.client().map(MODEL, list("012"), journal=journal, ordered=True))
        assert [(item.prediction_id, item.reused) for item in items] == list(
            zip(ids, [True, False, False], strict=True)
        )
        assert len(fake.calls) == 3

    def test_what_was_canceled_on_leaving_is_created_again(self, fake, journal):
        fake.on(MODEL).returns("x").takes(100)
        fake.on(MODEL, prompt="0").returns("quick")
        with fake.client().map(MODEL, list("012"), journal=journal) as batch:
            next(batch)
        assert rows(journal) == ["done", "leaving", "leaving"]
        items = list(fake.client().map(MODEL, list("012"), journal=journal))
        assert all(item.ok for item in items)
        assert len(fake.calls) == 5
        assert rows(journal) == ["done"] * 3

    def test_what_had_ended_when_it_was_left_is_not(self, fake, journal):
        fake.on(MODEL).returns("x").takes(10)
        with fake.client().map(MODEL, ["a", "b"], journal=journal) as batch:
            next(batch)
        items = list(fake.client().map(MODEL, ["a", "b"], journal=journal))
        assert [item.ok for item in items] == [True, True]
        assert len(fake.calls) == 2

    def test_what_others_canceled_is_the_items_error(self, fake, journal):
        fake.on(MODEL).returns("x").takes(100)
        batch = fake.client().map(MODEL, ["a", "b"], journal=journal, cancel_on_exit=False, timeout=5)
        with pytest.raises(PredictionTimeout):
            list(batch)
        for prediction_id in rows(journal, "prediction_id"):
            fake.client().predictions.cancel(prediction_id)
        items = list(fake.client().map(MODEL, ["a", "b"], journal=journal, on_error="collect"))
        assert [type(item.error) for item in items] == [ModelCanceled] * 2
        assert len(fake.calls) == 2

    def test_what_ran_out_of_time_is_created_again(self, fake, journal):
        fake.on(MODEL).returns("x").takes(100)
        (item,) = fake.client().map(MODEL, ["a"], journal=journal, timeout=5, on_error="collect")
        assert not item.ok
        assert rows(journal) == ["leaving"]
        (item,) = fake.client().map(MODEL, ["a"], journal=journal)
        assert item.ok
        assert len(fake.calls) == 2

    def test_what_was_refused_is_tried_again(self, fake, journal):
        fake.on(MODEL).refuses(422).then.returns("x")
        (item,) = fake.client().map(MODEL, ["a"], journal=journal, on_error="collect")
        assert isinstance(item.error, InvalidInput)
        assert rows(journal) == []
        assert [item.result for item in fake.client().map(MODEL, ["a"], journal=journal)] == ["x"]

    def test_what_stopped_for_lack_of_credit_goes_on(self, fake, journal):
        fake.on(MODEL).calls(echo)
        fake.faults.add("create", faults.status(402), skip=2, times=3)
        with pytest.raises(PaymentRequired):
            list(fake.client().map(MODEL, list("abcdef"), journal=journal, concurrency=1))
        assert rows(journal) == ["done", "done"]
        fake.faults.clear()
        assert [
            item.result for item in fake.client().map(MODEL, list("abcdef"), journal=journal, ordered=True)
        ] == list("ABCDEF")
        assert prompts(fake) == list("abcdef")

    def test_what_waited_for_its_turn_when_it_was_left_has_no_row(self, fake, journal):
        fake.on(MODEL).refuses(429, retry_after=30).then.returns("x")
        fake.on(MODEL, prompt="b").returns("quick")
        with fake.client().map(MODEL, ["b", "a"], journal=journal) as batch:
            assert next(batch).result == "quick"
        assert rows(journal) == ["done"]
        assert len(fake.calls) == 1

    def test_then_is_called_again_for_what_is_reused(self, fake, journal):
        fake.on(MODEL).calls(echo)
        for _ in range(2):
            assert [item.value for item in fake.client().map(MODEL, ["abc"], journal=journal, then=len)] == [3]

    def test_an_output_that_the_server_has_deleted_is_named_and_run_again_on_demand(self, journal):
        with FakeReplicate(limits=HOSTED_LIMITS) as fake:
            fake.on(MODEL).returns("x").takes(10)
            fake.on(MODEL, prompt="0").returns("quick")
            with fake.client().map(MODEL, list("01"), journal=journal, cancel_on_exit=False) as batch:
                next(batch)
            fake.clock.sleep(4000)
            batch = fake.client().map(MODEL, list("01"), journal=journal, on_error="collect", ordered=True)
            kept, gone = batch
            assert kept.result == "quick"
            assert isinstance(gone.error, FileExpired)
            assert [item.result for item in batch.retry_failed()] == ["x"]


class TestFiles:
    @pytest.fixture
    def drawing(self, fake, tmp_path):
        def draw(prompt: str) -> Path:
            path = tmp_path / "drawn.png"
            path.write_bytes(prompt.encode())
            return path

        fake.on(MODEL).calls(draw)

    def test_saved_files_are_not_fetched_again(self, fake, journal, drawing, tmp_path):
        options = {"journal": journal, "save_to": tmp_path / "out"}
        (first,) = fake.client().map(MODEL, ["a"], **options)
        asked = len(fake.requests)
        (again,) = fake.client().map(MODEL, ["a"], **options)
        assert again.paths == first.paths
        assert len(fake.requests) == asked

    def test_files_are_saved_before_the_item_counts_as_done(self, fake, journal, drawing, tmp_path):
        fake.faults.add("download", faults.status(503), times=100)
        options = {"journal": journal, "save_to": tmp_path / "out", "on_error": "collect"}
        (item,) = fake.client().map(MODEL, ["a"], **options)
        assert not item.ok
        assert rows(journal) == ["created"]
        fake.faults.clear()
        (item,) = fake.client().map(MODEL, ["a"], **options)
        assert item.paths[0].read_bytes() == b"a"
        assert len(fake.calls) == 1

    def test_an_input_file_is_known_by_its_content(self, fake, journal, tmp_path):
        fake.on(MODEL).returns("x")
        path = tmp_path / "in.bin"
        path.write_bytes(b"one")
        list(fake.client().map(MODEL, [{"file": path}], journal=journal))
        (item,) = fake.client().map(MODEL, [{"file": io.BytesIO(b"one")}], journal=journal)
        assert item.reused
        path.write_bytes(b"two")
        (item,) = fake.client().map(MODEL, [{"file": path}], journal=journal)
        assert not item.reused

    def test_an_input_that_can_be_read_only_once_is_refused(self, fake, journal):
        fake.on(MODEL).returns("x")
        with pytest.raises(TypeError, match="only once"):
            list(fake.client().map(MODEL, [{"numbers": iter([1])}], journal=journal))
        assert fake.calls == []


class TestKeys:
    def test_the_order_of_names_and_the_form_of_numbers_do_not_count(self):
        assert key_of("m", {"a": 1, "b": {"c": 2.0, "d": None}}) == key_of("m", {"b": {"d": None, "c": 2}, "a": 1.0})

    @pytest.mark.parametrize(
        "other", [{"a": 2}, {"a": "1"}, {"a": True}, {"a": [1]}, {"b": 1}, {}, {"a": 1, "b": None}]
    )
    def test_values_do(self, other):
        assert key_of("m", {"a": 1}) != key_of("m", other)

    def test_the_model_does(self):
        assert key_of("m", {"a": 1}) != key_of("m:2", {"a": 1})


class TestVersions:
    def test_the_version_is_fixed_when_the_batch_begins(self, fake, journal):
        fake.on(f"{MODEL}:{'1' * 64}").returns("x")
        list(fake.client().map(MODEL, ["a"], journal=journal))
        fake.on(f"{MODEL}:{'2' * 64}").returns("y")
        list(fake.client().map(MODEL, ["a", "b"], journal=journal))
        versions = {fake.client().predictions.get(call.prediction_id).version for call in fake.calls}
        assert versions == {"1" * 64}
        assert len(fake.calls) == 2

    def test_a_version_that_is_named_is_not_asked_for(self, fake, journal):
        fake.on(f"{MODEL}:{'1' * 64}").returns("x")
        list(fake.client().map(f"{MODEL}:{'1' * 64}", ["a"], journal=journal))
        assert [asked.path for asked in fake.requests if "/models/" in asked.path] == []

    def test_an_official_model_has_none(self, fake, journal):
        fake.on(MODEL).returns("x").official()
        assert [item.result for item in fake.client().map(MODEL, ["a"], journal=journal)] == ["x"]

    def test_a_server_that_does_not_answer_ends_the_batch_before_anything_is_created(self, fake, journal):
        fake.on(MODEL).returns("x")
        fake.faults.add("any", faults.refuse(), times=100)
        with pytest.raises(ConnectFailed):
            list(fake.client().map(MODEL, ["a"], journal=journal, on_error="collect"))
        assert rows(journal) == []


class TestUnknownCreates:
    def test_a_create_that_was_processed_is_found_in_the_list(self, fake, journal):
        fake.on(MODEL).loses_answer().calls(echo)
        (item,) = fake.client().map(MODEL, ["a"], journal=journal)
        assert item.result == "A"
        assert item.prediction_id == fake.calls[0].prediction_id
        assert len(fake.calls) == 1

    def test_each_of_equal_inputs_finds_one(self, fake, journal):
        fake.on(MODEL).loses_answer().calls(echo)
        items = list(fake.client().map(MODEL, ["a"] * 5, journal=journal))
        assert [item.result for item in items] == ["A"] * 5
        assert sorted(item.prediction_id for item in items) == sorted(call.prediction_id for call in fake.calls)

    def test_what_another_create_that_is_under_way_makes_is_not_taken(self, fake, journal):
        fake.on(MODEL).calls(echo)
        fake.faults.add("create", faults.unanswered())
        fake.faults.add("create", faults.stall(20))
        items = list(fake.client().map(MODEL, ["a", "a"], journal=journal, on_error="collect", ordered=True))
        assert [type(item.error) for item in items] == [CreateOutcomeUnknown, type(None)]
        assert [call.prediction_id for call in fake.calls] == [items[1].prediction_id]

    def test_one_that_was_not_is_reported_after_a_minute_and_again_each_time(self, fake, journal):
        fake.on(MODEL).calls(echo)
        fake.faults.add("create", faults.unanswered())
        batch = fake.client().map(MODEL, ["a"], journal=journal, on_error="collect")
        (item,) = batch
        assert isinstance(item.error, CreateOutcomeUnknown)
        assert batch.summary.unknown == 1
        assert fake.clock.now() >= 60
        assert rows(journal) == ["intent"]
        (item,) = fake.client().map(MODEL, ["a"], journal=journal, on_error="collect")
        assert isinstance(item.error, CreateOutcomeUnknown)
        assert list(batch.retry_failed()) == []
        assert fake.calls == []

    def test_a_clock_that_was_set_back_keeps_nobody_waiting(self, fake, journal):
        fake.on(MODEL).calls(echo)
        fake.faults.add("create", faults.unanswered())
        list(fake.client().map(MODEL, ["a"], journal=journal, on_error="collect"))
        with sqlite3.connect(journal) as database:
            database.execute("UPDATE item SET sent_at = sent_at + 3600")
        database.close()
        before = fake.clock.now()
        (item,) = fake.client().map(MODEL, ["a"], journal=journal, on_error="collect")
        assert isinstance(item.error, CreateOutcomeUnknown)
        assert fake.clock.now() - before < 120

    def test_the_time_of_an_intent_is_when_its_create_is_sent(self, fake, journal):
        fake.on(MODEL).calls(echo)
        fake.faults.add("create", faults.status(429, retry_after=50))
        fake.faults.add("create", faults.unanswered())
        list(fake.client().map(MODEL, ["a"], journal=journal, on_error="collect"))
        (sent_at,) = rows(journal, "sent_at")
        assert 50 <= sent_at - 1_700_000_000 <= 60

    def test_on_demand_it_is_sent_again(self, fake, journal):
        fake.on(MODEL).calls(echo)
        fake.faults.add("create", faults.unanswered())
        (item,) = fake.client().map(MODEL, ["a"], journal=journal, on_unknown="resend")
        assert item.result == "A"
        assert rows(journal, "attempts") == [2]

    def test_or_left_out(self, fake, journal):
        fake.on(MODEL).calls(echo)
        fake.faults.add("create", faults.unanswered())
        batch = fake.client().map(MODEL, ["a", "b"], journal=journal, on_unknown="skip", concurrency=1)
        assert [item.result for item in batch] == ["B"]
        assert (batch.summary.done, batch.summary.unknown, batch.summary.left_over) == (1, 1, 0)
        assert rows(journal) == ["intent", "done"]

    def test_where_others_made_the_same_the_ids_are_named_and_none_is_taken(self, fake, journal):
        fake.on(MODEL).calls(echo).then.loses_answer().calls(echo)
        other = fake.client().predictions.create(model=MODEL, input={"prompt": "a"})
        (item,) = fake.client().map(MODEL, ["a"], journal=journal, on_error="collect")
        assert isinstance(item.error, CreateOutcomeUnknown)
        assert other.id in str(item.error)

    def test_a_prediction_of_another_model_or_input_is_not_taken(self, fake, journal):
        fake.on(MODEL).calls(echo)
        fake.on("owner/other").calls(echo)
        fake.client().run("owner/other", {"prompt": "a"})
        fake.client().run(MODEL, {"prompt": "b"})
        fake.faults.add("create", faults.unanswered())
        (item,) = fake.client().map(MODEL, ["a"], journal=journal, on_error="collect")
        assert isinstance(item.error, CreateOutcomeUnknown)

    def test_without_a_journal_nobody_looks(self, fake):
        fake.on(MODEL).loses_answer().calls(echo)
        (item,) = fake.client().map(MODEL, ["a"], on_error="collect")
        assert isinstance(item.error, CreateOutcomeUnknown)
        assert [asked for asked in fake.requests if asked.method == "GET"] == []

    def test_without_one_it_can_be_sent_again_too(self, fake):
        fake.on(MODEL).calls(echo)
        fake.faults.add("create", faults.unanswered(), times=2)
        assert [item.result for item in fake.client().map(MODEL, ["a"], on_unknown="resend")] == ["A"]

    def test_but_not_for_ever(self, fake):
        fake.on(MODEL).calls(echo)
        fake.faults.add("create", faults.unanswered(), times=1000)
        with pytest.raises(CreateOutcomeUnknown):
            list(fake.client(max_retries=2).map(MODEL, ["a"], on_unknown="resend"))
        assert len(fake.requests) == 3


class TestPredictionsThatEndWithTheProcess:
    """Those of models in this process: what had not ended is run anew, and costs nothing."""

    def test_they_are_created_anew(self, journal):
        with Client.local({"local/slow": slow}) as client:
            with client.map("local/slow", ["a", "b"], journal=journal, cancel_on_exit=False) as batch:
                assert next(batch).result == "a"
            assert rows(journal) == ["done", "created"]
        with Client.local({"local/slow": lambda prompt: prompt.upper()}) as client:
            items = list(client.map("local/slow", ["a", "b"], journal=journal, ordered=True))
        assert [(item.result, item.reused) for item in items] == [("a", True), ("B", False)]


def slow(run: LocalRun, prompt: str) -> str:
    run.sleep(0 if prompt == "a" else 60)
    return prompt


class TestTheFile:
    def test_a_second_batch_on_it_is_told_at_once(self, fake, journal):
        batch = fake.client().map(MODEL, ["a"], journal=journal)
        with pytest.raises(BatchLocked, match=r"run\.sqlite"):
            fake.client().map(MODEL, ["a"], journal=journal)
        batch.close()
        fake.client().map(MODEL, ["a"], journal=journal).close()

    def test_and_so_is_one_by_another_name_of_it(self, fake, journal, tmp_path):
        batch = fake.client().map(MODEL, ["a"], journal=journal)
        (tmp_path / "latest").symlink_to(journal)
        with pytest.raises(BatchLocked):
            fake.client().map(MODEL, ["a"], journal=tmp_path / "latest")
        batch.close()

    @pytest.mark.parametrize("name", [":memory:", "file:x?mode=memory", "a b ü 日.sqlite"])
    def test_any_name_is_that_of_a_file(self, fake, tmp_path, monkeypatch, name):
        fake.on(MODEL).calls(echo)
        monkeypatch.chdir(tmp_path)
        assert [item.reused for _ in "12" for item in fake.client().map(MODEL, ["a"], journal=name)] == [False, True]
        assert (tmp_path / name).is_file()

    def test_of_a_row_that_cannot_be_read_the_file_is_named_and_nothing_is_sent(self, fake, journal):
        fake.on(MODEL).calls(echo)
        list(fake.client().map(MODEL, ["a", "b"], journal=journal))
        with sqlite3.connect(journal) as database:
            database.execute("UPDATE item SET outcome = '{'")
        database.close()
        with pytest.raises(OSError, match=r"run\.sqlite"):
            list(fake.client().map(MODEL, ["a"], journal=journal))
        assert prompts(fake) == ["a", "b"]

    def test_and_so_is_a_second_process(self, fake, journal):
        batch = fake.client().map(MODEL, ["a"], journal=journal)
        script = (
            "from replicate_home.client.batch.journal import Journal; from pathlib import Path; import sys;"
            "Journal(Path(sys.argv[1]), {})"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(journal)], capture_output=True, text=True, timeout=60, check=False
        )
        batch.close()
        assert "BatchLocked" in done.stderr

    def test_others_can_read_it_meanwhile(self, fake, journal):
        fake.on(MODEL).calls(echo)
        batch = fake.client().map(MODEL, ["a", "b"], journal=journal, concurrency=1)
        next(batch)
        assert rows(journal)[0] == "done"
        batch.close()

    def test_one_of_another_model_or_server_is_refused(self, fake, journal):
        fake.on(MODEL).calls(echo)
        list(fake.client().map(MODEL, ["a"], journal=journal))
        with pytest.raises(InvalidInput, match=r"belongs to a batch with the model 'owner/llm'.*'owner/other'"):
            fake.client().map("owner/other", ["a"], journal=journal)

    @pytest.mark.parametrize("content", [b"prompt,seed\n", b"SQLite format 3\x00" + b"\xff" * 4000, b"\x00" * 100])
    def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(self, fake, journal, content):
        journal.write_bytes(content)
        with pytest.raises(InvalidInput, match=r"run\.sqlite"):
            fake.client().map(MODEL, ["a"], journal=journal)
        assert journal.read_bytes() == content

    def test_a_database_that_is_no_journal_is_too(self, fake, journal):
        with sqlite3.connect(journal) as database:
            database.execute("CREATE TABLE mine (x)")
        database.close()
        with pytest.raises(InvalidInput, match="no journal of a batch"):
            fake.client().map(MODEL, ["a"], journal=journal)

    def test_a_journal_that_was_cut_is_refused(self, fake, journal):
        fake.on(MODEL).calls(echo)
        list(fake.client().map(MODEL, map(str, range(100)), journal=journal))
        content = journal.read_bytes()
        journal.write_bytes(content[: len(content) * 2 // 3])
        with pytest.raises(InvalidInput, match="damaged"):
            fake.client().map(MODEL, ["a"], journal=journal)

    def test_a_journal_with_a_damaged_page_is_refused(self, fake, journal):
        fake.on(MODEL).calls(echo)
        list(fake.client().map(MODEL, map(str, range(100)), journal=journal))
        content = bytearray(journal.read_bytes())
        page = 4096
        middle = len(content) // page // 2 * page
        content[middle : middle + page] = b"\x02" * page
        journal.write_bytes(content)
        with pytest.raises(InvalidInput, match="damaged"):
            fake.client().map(MODEL, ["a"], journal=journal)

    def test_one_of_another_version_is_refused(self, fake, journal):
        fake.client().map(MODEL, ["a"], journal=journal).close()
        with sqlite3.connect(journal) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
        with pytest.raises(InvalidInput, match="another version"):
            fake.client().map(MODEL, ["a"], journal=journal)

    def test_an_empty_file_is_a_new_journal(self, fake, journal):
        fake.on(MODEL).calls(echo)
        journal.touch()
        assert [item.result for item in fake.client().map(MODEL, ["a"], journal=journal)] == ["A"]

    def test_a_folder_that_is_not_there_is_an_oserror(self, fake, tmp_path):
        with pytest.raises(OSError, match="missing"):
            fake.client().map(MODEL, ["a"], journal=tmp_path / "missing" / "run.sqlite")

    def test_a_full_disk_before_an_intent_means_that_nothing_is_sent(self, fake, journal, monkeypatch):
        fake.on(MODEL).calls(echo)
        whole = journals._opened

        def nearly_full(path):
            database = whole(path)
            database.execute("PRAGMA max_page_count = 12")
            return database

        monkeypatch.setattr(journals, "_opened", nearly_full)
        with pytest.raises(OSError, match="full") as caught:
            list(fake.client().map(MODEL, map(str, range(1000)), journal=journal))
        assert caught.value.filename == str(journal)
        written = {str(place) for place in rows(journal, "place")}
        assert {call.input["prompt"] for call in fake.calls} <= written
        assert 0 < len(fake.calls) < 1000
        assert all(fake.client().predictions.get(call.prediction_id).is_terminal for call in fake.calls)
