"""A run is a timeline, and any way of looking at it sees the same one."""

from __future__ import annotations

import io
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home import Client
from replicate_home.clock import FakeClock
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.registry import LocalRun
from replicate_home.emulator.timeline import Peer
from replicate_home.exceptions import Disconnected, RequestTimeout

from .api import Api, parse_events


def virtual(function: Any, start: float = 0.0) -> tuple[Api, FakeClock]:
    clock = FakeClock(start)
    return Api(Emulator({"local/model": function}, clock=clock, seed="timeline")), clock


def counting(run: LocalRun, n: int = 3, pause: float = 1.0) -> Iterator[str]:
    for number in range(n):
        run.log(f"at {number}")
        run.sleep(pause)
        yield str(number)


def brief(prediction: Any) -> tuple[Any, ...]:
    return prediction["status"], prediction["output"], prediction["logs"]


def test_the_state_is_what_the_timeline_says_at_that_moment() -> None:
    api, clock = virtual(counting)
    created = api.create()
    seen = []
    for moment in (0.0, 0.5, 1.0, 2.5, 2.999, 3.0, 99.0):
        clock.advance_to(moment)
        seen.append((moment, *brief(api.get(f"/predictions/{created['id']}"))))
    assert brief(created) == ("starting", None, "")
    assert seen == [
        (0.0, "processing", None, "at 0\n"),
        (0.5, "processing", None, "at 0\n"),
        (1.0, "processing", ["0"], "at 0\nat 1\n"),
        (2.5, "processing", ["0", "1"], "at 0\nat 1\nat 2\n"),
        (2.999, "processing", ["0", "1"], "at 0\nat 1\nat 2\n"),
        (3.0, "succeeded", ["0", "1", "2"], "at 0\nat 1\nat 2\n"),
        (99.0, "succeeded", ["0", "1", "2"], "at 0\nat 1\nat 2\n"),
    ]


def test_looking_at_states_lets_no_time_pass() -> None:
    api, clock = virtual(counting)
    created = api.create()
    api.get(f"/predictions/{created['id']}")
    assert (clock.now(), clock.sleeps) == (0.0, [])


def test_times_and_metrics_are_the_runs_own_whenever_it_is_looked_at() -> None:
    api, clock = virtual(counting)
    created = api.create()
    clock.sleep(1000)
    late = api.get(f"/predictions/{created['id']}")
    assert late["created_at"] == late["started_at"] == "2023-11-14T22:13:20.000000Z"
    assert late["completed_at"] == "2023-11-14T22:13:23.000000Z"
    assert late["metrics"] == {"predict_time": 3.0, "total_time": 3.0}
    assert not {"started_at", "completed_at", "metrics"} & set(created)


@given(
    pauses=st.lists(st.floats(0, 5), max_size=6),
    looks=st.lists(st.floats(0, 40), max_size=12),
    fails=st.booleans(),
)
def test_any_split_of_looks_gives_the_same_history(pauses: list[float], looks: list[float], fails: bool) -> None:
    def model(run: LocalRun) -> Iterator[str]:
        for number, pause in enumerate(pauses):
            run.sleep(pause)
            run.log(f"at {number}")
            yield str(number)
        if fails:
            raise ValueError("boom")

    def history(moments: list[float]) -> tuple[Any, Any]:
        api, clock = virtual(model)
        created = api.create()
        for moment in sorted(moments):
            clock.advance_to(moment)
            api.get(f"/predictions/{created['id']}")
        clock.advance_to(50)
        return api.get(f"/predictions/{created['id']}"), api.events(created)

    assert history(looks) == history([])


@given(pauses=st.lists(st.floats(0.01, 5), min_size=1, max_size=6), moment=st.floats(0, 40))
def test_a_look_in_the_middle_sees_a_prefix_of_the_end(pauses: list[float], moment: float) -> None:
    def model(run: LocalRun) -> Iterator[int]:
        for number, pause in enumerate(pauses):
            run.sleep(pause)
            yield number

    api, clock = virtual(model)
    created = api.create()
    clock.advance_to(moment)
    early = api.get(f"/predictions/{created['id']}")
    clock.advance_to(50)
    late = api.get(f"/predictions/{created['id']}")
    due, passed = 0, 0.0
    for pause in pauses:
        passed += pause
        due += passed <= moment
    assert (early["output"] or []) == late["output"][:due]
    assert early["status"] == ("succeeded" if due == len(pauses) else "processing")


def test_six_hundred_seconds_take_as_long_as_they_take_to_compute() -> None:
    def model(run: LocalRun) -> str:
        run.sleep(600)
        return "done"

    api, clock = virtual(model)
    created = api.create()
    clock.sleep(599)
    assert api.get(f"/predictions/{created['id']}")["status"] == "processing"
    clock.sleep(1)
    assert brief(api.get(f"/predictions/{created['id']}")) == ("succeeded", "done", "")


def test_a_cancel_takes_back_what_had_not_happened_yet() -> None:
    api, clock = virtual(counting)
    created = api.create()
    clock.sleep(1.5)
    canceled = api.send("POST", f"/predictions/{created['id']}/cancel")
    clock.sleep(10)
    later = api.get(f"/predictions/{created['id']}")
    assert brief(later) == ("canceled", ["0"], "at 0\nat 1\n")
    assert later["metrics"]["predict_time"] == 1.5
    assert canceled.status == 200
    assert api.send("POST", f"/predictions/{created['id']}/cancel").body == canceled.body


def test_a_cancel_of_a_plain_function_takes_back_its_result() -> None:
    def model(run: LocalRun) -> str:
        run.log("began")
        run.sleep(5)
        run.log("went on")
        return "done"

    api, clock = virtual(model)
    created = api.create()
    clock.sleep(1)
    assert brief(api.get(f"/predictions/{created['id']}")) == ("processing", None, "began\n")
    api.send("POST", f"/predictions/{created['id']}/cancel")
    clock.sleep(100)
    assert brief(api.get(f"/predictions/{created['id']}")) == ("canceled", None, "began\n")


def test_a_cancel_after_the_end_changes_nothing() -> None:
    api, _ = virtual(counting)
    ended = api.held()
    assert brief(ended) == ("succeeded", ["0", "1", "2"], "at 0\nat 1\nat 2\n")
    api.send("POST", f"/predictions/{ended['id']}/cancel")
    assert api.get(f"/predictions/{ended['id']}") == ended


def test_a_cancelled_generator_is_closed() -> None:
    closed = []

    def model(run: LocalRun) -> Iterator[int]:
        try:
            while True:
                run.sleep(1)
                yield 1
        finally:
            closed.append(True)

    api, clock = virtual(model)
    created = api.create()
    clock.sleep(2)
    assert api.get(f"/predictions/{created['id']}")["output"] == [1, 1]
    api.send("POST", f"/predictions/{created['id']}/cancel")
    assert closed == [True]


def test_the_deadline_cancels_a_run_at_its_moment() -> None:
    def model(run: LocalRun) -> Iterator[str]:
        for number in range(100):
            run.sleep(2)
            yield str(number)

    api, clock = virtual(model)
    created = api.create(headers={"Cancel-After": "5s"})
    assert created["deadline"] == "2023-11-14T22:13:25.000000Z"
    clock.sleep(1000)
    ended = api.get(f"/predictions/{created['id']}")
    assert (ended["status"], ended["output"], ended["completed_at"]) == (
        "canceled",
        ["0", "1"],
        "2023-11-14T22:13:25.000000Z",
    )
    assert api.events(created)[-1] == ("done", '{"reason": "canceled"}', None)


def test_a_plain_function_is_canceled_at_its_deadline_not_when_it_would_have_ended() -> None:
    def model(run: LocalRun) -> str:
        run.sleep(60)
        return "done"

    api, clock = virtual(model)
    ended = api.create(headers={"Cancel-After": "10", "Prefer": "wait"})
    assert (ended["status"], ended["output"], clock.now()) == ("canceled", None, 10.0)


def test_a_run_that_finishes_before_its_deadline_is_untouched_by_it() -> None:
    api, clock = virtual(counting)
    created = api.create(headers={"Cancel-After": "5"})
    clock.sleep(100)
    assert api.get(f"/predictions/{created['id']}")["status"] == "succeeded"


def test_a_model_that_sleeps_for_ever_ends_after_a_virtual_day() -> None:
    def model(run: LocalRun) -> None:
        while True:
            run.sleep(60)

    api, clock = virtual(model)
    created = api.create()
    assert api.get(f"/predictions/{created['id']}")["status"] == "processing"
    clock.sleep(86_400)
    assert api.get(f"/predictions/{created['id']}")["status"] == "canceled"


def test_a_model_that_never_stops_yielding_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicate_home.emulator.timeline.LARGEST_OUTPUT", 10_000)

    def model() -> Iterator[str]:
        while True:
            yield "x" * 100

    api, _ = virtual(model)
    ended = api.held()
    assert ended["status"] == "failed"
    assert "larger than" in ended["error"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("bad prompt"), "ValueError: bad prompt"),
        (ValueError(), "ValueError"),
        (SystemExit(3), "the model was interrupted: SystemExit"),
        (RecursionError("deep"), "RecursionError: deep"),
        (StopIteration(), "StopIteration"),
    ],
)
def test_an_exception_is_failed_with_its_message(error: BaseException, text: str) -> None:
    def model() -> str:
        raise error

    api, _ = virtual(model)
    ended = api.held()
    assert (ended["status"], ended["error"], ended["output"]) == ("failed", text, None)


def test_the_traceback_of_a_model_is_in_its_logs_from_its_own_first_line_on() -> None:
    def look_up(word: str) -> str:
        return {}[word]

    def model() -> str:
        return look_up("key")

    api, _ = virtual(model)
    ended = api.held()
    lines = [
        re.sub(r"File .*, line \d+", "File", line.strip()) for line in ended["logs"].splitlines() if "^" not in line
    ]
    assert (ended["error"], lines) == (
        "KeyError: 'key'",
        [
            "Traceback (most recent call last):",
            "File, in model",
            'return look_up("key")',
            "File, in look_up",
            "return {}[word]",
            "KeyError: 'key'",
        ],
    )


def test_what_a_model_prints_is_in_its_logs_and_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    def model(run: LocalRun) -> Iterator[str]:
        print("loading", 3, "layers")
        run.log("in between")
        print("no end of line", end="")
        sys.stderr.writelines(["!\n", "\r 50%"])
        yield "a"
        print("\r100%\n\nlast", end="")

    api, _ = virtual(model)
    print("before")
    ended = api.held()
    print("after")
    assert ended["logs"] == "loading 3 layers\nin between\nno end of line!\n 50%\n100%\nlast\n"
    assert capsys.readouterr() == ("before\nafter\n", "")


def test_models_that_run_at_once_print_to_their_own_logs() -> None:
    met = threading.Barrier(2, timeout=10)

    def model(name: str) -> str:
        for _ in range(3):
            met.wait()
            print(name)
        return name

    with Client.local({"local/model": model}) as client:
        made = [client.predictions.create("local/model", {"name": name}) for name in ("one", "two")]
        assert [one.wait().logs for one in made] == ["one\n" * 3, "two\n" * 3]


def test_a_stream_that_others_put_in_place_while_a_model_runs_is_left_to_them() -> None:
    def model(run: LocalRun) -> Iterator[str]:
        print("to the logs")
        yield "a"
        with redirect_stdout(io.StringIO()) as kept:
            print("kept")
        yield kept.getvalue()

    api, _ = virtual(model)
    before = sys.stdout
    ended = api.held()
    assert (ended["logs"], ended["output"], sys.stdout is before) == ("to the logs\n", ["a", "kept\n"], True)


def test_what_was_put_out_before_a_failure_stays() -> None:
    def model(run: LocalRun) -> Iterator[str]:
        yield "a"
        run.sleep(1)
        raise ValueError("boom")

    api, _ = virtual(model)
    ended = api.held()
    assert (ended["status"], ended["output"], ended["error"]) == ("failed", ["a"], "ValueError: boom")


def test_ctrl_c_in_a_model_reaches_the_caller_and_the_run_has_failed() -> None:
    def model() -> str:
        raise KeyboardInterrupt

    api, _ = virtual(model)
    created = api.create()
    with pytest.raises(KeyboardInterrupt):
        api.get(f"/predictions/{created['id']}")
    assert api.get(f"/predictions/{created['id']}")["status"] == "failed"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, [1, {"a": {2}}]])
def test_an_output_that_is_not_json_fails_the_run(value: Any) -> None:
    api, _ = virtual(lambda: value)
    ended = api.held()
    assert ended["status"] == "failed"
    assert "JSON" in ended["error"]


def test_a_model_that_waits_for_itself_fails_instead_of_hanging() -> None:
    def model(run: LocalRun) -> Iterator[str]:
        yield str(api.events(created))

    api, _ = virtual(model)
    created = api.create()
    ended = api.get(f"/predictions/{created['id']}")
    assert (ended["status"], ended["error"]) == ("failed", "Disconnected: a model waits for its own prediction")


def test_a_model_may_run_another_model_of_its_server() -> None:
    def outer(run: LocalRun) -> str:
        return "".join(api.held("local/inner")["output"])

    clock = FakeClock()
    api = Api(Emulator({"local/outer": outer, "local/inner": counting}, clock=clock))
    assert (api.held("local/outer")["output"], clock.now()) == ("012", 3.0)


# -- waiting in virtual time


def test_a_held_create_lets_time_pass_to_the_end_or_as_long_as_it_is_held() -> None:
    api, clock = virtual(counting)
    assert (api.held(wait="wait=5")["status"], clock.now()) == ("succeeded", 3.0)
    unfinished = api.send("POST", "/predictions", {"version": "local/model", "input": {}}, headers={"Prefer": "wait=2"})
    assert (unfinished.status, clock.now()) == (202, 5.0)
    assert b'"status": "starting"' in unfinished.body


def test_a_stream_lets_time_pass_to_the_next_change() -> None:
    api, clock = virtual(counting)
    body = api.open_stream(api.create())
    seen = []
    while piece := body.read(None):
        seen.append((clock.now(), [event[:2] for event in parse_events(piece)]))
    assert seen == [
        (0.0, [("logs", "at 0\n")]),
        (1.0, [("output", "0"), ("logs", "at 1\n")]),
        (2.0, [("output", "1"), ("logs", "at 2\n")]),
        (3.0, [("output", "2"), ("done", "{}")]),
    ]


def test_a_read_ends_at_its_deadline_and_may_be_repeated() -> None:
    api, clock = virtual(counting)
    body = api.open_stream(api.create())
    body.read(None)
    with pytest.raises(RequestTimeout) as caught:
        body.read(0.25)
    assert (caught.value.phase, caught.value.may_have_been_processed, clock.now()) == ("body", True, 0.25)
    assert parse_events(body.read(10))[0][:2] == ("output", "0")
    assert clock.now() == 1.0


def test_a_held_create_ends_at_the_deadline_of_the_request() -> None:
    api, clock = virtual(counting)
    with pytest.raises(RequestTimeout) as caught:
        api.send(
            "POST",
            "/predictions",
            {"version": "local/model", "input": {}},
            headers={"Prefer": "wait=60"},
            deadline=2.5,
        )
    assert (caught.value.phase, caught.value.may_have_been_processed, clock.now()) == ("wait", True, 2.5)
    assert len(api.emulator.calls) == 1


@given(st.floats(1e-9, 1e6), st.floats(1e-9, 300))
def test_no_rounding_of_the_clock_hides_a_change(start: float, pause: float) -> None:
    def model(run: LocalRun) -> Iterator[str]:
        run.sleep(pause)
        yield "done"

    api, _ = virtual(model, start)
    assert [event[:2] for event in api.events(api.create())] == [("output", "done"), ("done", "{}")]


# -- real time


def test_in_real_time_a_thread_runs_the_model_and_ends_with_it() -> None:
    go = threading.Event()

    def model() -> Iterator[str]:
        yield "a"
        assert go.wait(10)
        yield "b"

    with Emulator({"local/model": model}) as emulator:
        api = Api(emulator)
        created = api.create()
        body = api.open_stream(created)
        first = body.read(None)
        names = [thread.name for thread in threading.enumerate()]
        assert "prediction" in names
        go.set()
        rest = b""
        while piece := body.read(None):
            rest += piece
        assert [event[:2] for event in parse_events(first + rest)] == [
            ("output", "a"),
            ("output", "b"),
            ("done", "{}"),
        ]
        emulator.close()
        assert "prediction" not in [thread.name for thread in threading.enumerate()]


def test_in_real_time_a_cancel_wakes_a_sleeping_model() -> None:
    stopped = threading.Event()

    def model(run: LocalRun) -> None:
        try:
            run.sleep(3600)
        finally:
            stopped.set()

    with Emulator({"local/model": model}) as emulator:
        api = Api(emulator)
        created = api.create()
        canceled = api.send("POST", f"/predictions/{created['id']}/cancel")
        assert canceled.status == 200
        assert api.get(f"/predictions/{created['id']}")["status"] == "canceled"
        emulator.close()
        started = "started_at" in api.get(f"/predictions/{created['id']}")
        assert stopped.is_set() or not started


def test_in_real_time_closing_a_body_from_another_thread_ends_its_read() -> None:
    def model(run: LocalRun) -> Iterator[str]:
        run.sleep(3600)
        yield "never"

    with Emulator({"local/model": model}) as emulator:
        api = Api(emulator)
        body = api.open_stream(api.create())
        timer = threading.Timer(0.05, body.close)
        timer.start()
        with pytest.raises(Disconnected):
            body.read(None)
        timer.join()


def test_in_real_time_more_predictions_than_threads_wait_their_turn() -> None:
    go = threading.Event()

    def model() -> str:
        assert go.wait(10)
        return "done"

    with Emulator({"local/model": model}) as emulator:
        api = Api(emulator)
        created = [api.create() for _ in range(40)]
        threads = [thread for thread in threading.enumerate() if thread.name.startswith("prediction")]
        assert len(threads) == 32
        assert api.get(f"/predictions/{created[-1]['id']}")["status"] == "starting"
        go.set()
        api.emulator.service.store.run(created[-1]["id"], "predictions").run.wait(3, float("inf"), Peer())
        assert api.get(f"/predictions/{created[-1]['id']}")["output"] == "done"


def test_real_and_virtual_time_tell_the_same_story() -> None:
    with Emulator({"local/model": counting}, seed=7) as real:
        api, _ = virtual(counting)
        api = Api(Emulator({"local/model": counting}, clock=FakeClock(), seed=7))
        runs = [each.held(n=3, pause=0.001) for each in (Api(real), api)]
        assert [brief(run) for run in runs] == [("succeeded", ["0", "1", "2"], "at 0\nat 1\nat 2\n")] * 2
        assert runs[0]["id"] == runs[1]["id"]
        assert runs[0]["urls"] == runs[1]["urls"]
