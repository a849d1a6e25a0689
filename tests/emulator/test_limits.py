"""What the hosted service bounds, where it is asked for: rates, the length of runs, the life of data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from replicate_home.clock import FakeClock
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.limits import HOSTED_LIMITS, Limits
from replicate_home.emulator.registry import LocalRun
from replicate_home.wire import Secret

from .api import Api

HOUR = 3600.0


def paint(run: LocalRun, seconds: float = 0) -> Iterator[bytes]:
    run.log("painting")
    run.sleep(seconds)
    yield b"picture"


def sleep(run: LocalRun, seconds: float) -> str:
    run.sleep(seconds)
    return "awake"


def api_of(limits: Limits | None = HOSTED_LIMITS) -> Api:
    return Api(Emulator({"local/model": paint, "local/sleep": sleep}, clock=FakeClock(), limits=limits))


# -- rates


def creates(api: Api, count: int) -> list[tuple[int, str]]:
    """The status of each create, and what is left after it."""
    body = {"version": "local/sleep", "input": {"seconds": 0}}
    answers = [api.send("POST", "/predictions", body) for _ in range(count)]
    return [(answer.status, answer.headers["ratelimit-remaining"]) for answer in answers]


def test_what_is_left_counts_down_and_is_filled_up_in_a_minute() -> None:
    api = api_of()
    assert creates(api, 3) == [(201, "599"), (201, "598"), (201, "597")]
    api.emulator.clock.sleep(0.1)
    assert creates(api, 1) == [(201, "597")]
    api.emulator.clock.sleep(60)
    assert creates(api, 1) == [(201, "599")]


def test_more_than_six_hundred_creates_at_once_are_refused_as_recorded_and_a_minute_later_taken() -> None:
    api = api_of()
    assert creates(api, 650) == [(201, str(599 - place)) for place in range(600)] + [(429, "0")] * 50
    refusal = api.send("POST", "/predictions", {"version": "local/sleep", "input": {"seconds": 0}})
    assert (refusal.content_type, refusal.headers["ratelimit-reset"]) == ("application/problem+json", "60")
    assert refusal.body == (
        b'{"detail": "Request was throttled. Your rate limit resets in ~60s.", "status": 429, "retry_after": 1}'
    )
    assert len(api.emulator.calls) == 600
    api.emulator.clock.sleep(60)
    assert {status for status, _ in creates(api, 600)} == {201}


def test_waiting_as_long_as_the_refusal_says_is_enough() -> None:
    api = api_of(Limits(creates=6, burst=1))
    assert [status for status, _ in creates(api, 2)] == [201, 429]
    wait = api.get_problem("POST", "/predictions", {"version": "local/sleep", "input": {"seconds": 0}})["retry_after"]
    assert wait == 10
    api.emulator.clock.sleep(wait)
    assert [status for status, _ in creates(api, 2)] == [201, 429]


def test_creates_polls_and_other_requests_are_counted_apart_and_by_token() -> None:
    api = api_of()
    created = api.create()

    def left(path: str) -> str:
        return api.send("GET", path).headers["ratelimit-remaining"]

    assert (left("/account"), left("/nothing"), left(f"/predictions/{created['id']}")) == ("2999", "2998", "59999")
    api.token = Secret("r8_another")
    assert left("/account") == "2999"


def test_files_and_streams_count_towards_nothing() -> None:
    api = api_of(Limits(requests=1, creates=1))
    created = api.create()
    assert [api.send("GET", created["urls"]["stream"]).status for _ in range(3)] == [200] * 3


def test_without_limits_any_number_is_taken_and_nothing_counts_down() -> None:
    api = api_of(None)
    assert creates(api, 1000) == [(201, "599")] * 1000


# -- runs


def test_a_run_that_takes_half_an_hour_succeeds_and_a_longer_one_fails_at_that_moment() -> None:
    api = api_of()
    created = [api.create("local/sleep", seconds=seconds) for seconds in (1799, 1801)]
    api.emulator.clock.sleep(1800)
    quick, long = [api.get(f"/predictions/{prediction['id']}") for prediction in created]
    assert (quick["status"], quick["output"]) == ("succeeded", "awake")
    assert (long["status"], long["error"]) == ("failed", "the run took longer than 1800 seconds")
    assert (long["metrics"], "deadline" in long) == ({"total_time": 1800.0, "predict_time": 1800.0}, False)


def test_a_deadline_that_comes_first_cancels() -> None:
    api = api_of()
    created = api.create("local/sleep", {"Cancel-After": "10m"}, seconds=3000)
    api.emulator.clock.sleep(3600)
    assert api.get(f"/predictions/{created['id']}")["status"] == "canceled"


def test_trainings_and_models_without_limits_may_take_longer() -> None:
    api = api_of(None)
    created = api.create("local/sleep", seconds=7200)
    api.emulator.clock.sleep(7200)
    assert api.get(f"/predictions/{created['id']}")["status"] == "succeeded"


def test_in_real_time_a_run_ends_at_its_limit() -> None:
    with Emulator({"local/model": sleep}, limits=Limits(run=0.05)) as emulator:
        ended = Api(emulator).held(seconds=60)
    assert (ended["status"], ended["error"]) == ("failed", "the run took longer than 0.05 seconds")


# -- data


def test_input_output_logs_files_and_stream_are_gone_an_hour_after_the_end() -> None:
    api = api_of()
    made = api.held(seconds=60)
    api.emulator.clock.sleep(HOUR - 1)
    kept = api.get(f"/predictions/{made['id']}")
    assert (kept, api.send("GET", kept["output"][0]).body) == (made, b"picture")
    api.emulator.clock.sleep(1)
    removed = api.get(f"/predictions/{made['id']}")
    assert removed == {**made, "data_removed": True, "input": {}, "output": None, "logs": ""}
    assert api.get("/predictions")["results"] == [removed]
    assert api.refused("GET", made["output"][0])["status"] == 404
    assert api.refused("GET", made["urls"]["stream"])["status"] == 404


@pytest.mark.parametrize("look_at_the_prediction", [True, False])
def test_a_file_is_gone_whether_or_not_the_prediction_was_looked_at(look_at_the_prediction: bool) -> None:
    api = api_of()
    made = api.held()
    api.emulator.clock.sleep(HOUR)
    if look_at_the_prediction:
        api.get(f"/predictions/{made['id']}")
    assert api.refused("GET", made["output"][0])["status"] == 404


def test_what_still_runs_is_kept() -> None:
    api = api_of(Limits(retention=HOUR))
    created = api.create(seconds=2 * HOUR)
    api.emulator.clock.sleep(2 * HOUR - 1)
    running = api.get(f"/predictions/{created['id']}")
    assert (running["data_removed"], running["logs"]) == (False, "painting\n")


def test_without_limits_data_is_kept() -> None:
    api = api_of(None)
    made = api.held()
    api.emulator.clock.sleep(30 * 24 * HOUR)
    assert api.get(f"/predictions/{made['id']}") == made


def test_a_webhook_tells_the_data_even_if_it_is_read_late() -> None:
    sent: list[Any] = []
    clock = FakeClock()
    emulator = Emulator(
        {"local/model": paint}, clock=clock, limits=HOSTED_LIMITS, send_webhook=lambda webhook: sent.append(webhook)
    )
    api = Api(emulator)
    body = {"version": "local/model", "input": {}, "webhook": "http://127.0.0.1:9/"}
    api.send("POST", "/predictions", {**body, "webhook_events_filter": ["completed"]})
    clock.sleep(10 * HOUR)
    api.get("/account")
    assert b'"data_removed": false' in sent[0].body
