"""Every promise is proved twice: over threads, and over an event loop that serves an AsyncClient."""

from __future__ import annotations

from typing import Any

import pytest

from replicate_home import AiohttpTransport, FakeClock

from .looped import Loop

FORK, CTRL_C, SCRIPT = (
    "an event loop does not survive a fork",
    "in an event loop it cancels the task",
    "a client of threads",
)
THREADS_ONLY = {
    "test_a_create_in_a_forked_child_uses_no_connection_of_its_parent": FORK,
    "test_a_forked_child_uses_the_client_and_leaves_its_parents_calls_alone": FORK,
    "test_a_grandchild_does_too": FORK,
    "test_a_child_that_leaves_its_parents_stream_cancels_nothing": FORK,
    "test_a_child_that_ends_with_its_parents_stream_open_cancels_nothing": FORK,
    "test_ctrl_c_passes_and_leaves_nothing_behind": CTRL_C,
    "test_ctrl_c_while_a_create_is_under_way_cancels_what_it_creates": CTRL_C,
    "test_ctrl_c_before_an_answer_that_does_not_come_says_that_the_prediction_may_exist": CTRL_C,
    "test_a_second_ctrl_c_while_a_create_is_under_way_passes_at_once": CTRL_C,
    "test_ctrl_c_early_in_a_script_leaves_no_prediction_running": SCRIPT,
    "test_a_second_ctrl_c_passes_at_once": CTRL_C,
    "test_a_cancel_that_is_not_answered_is_waited_for_briefly": CTRL_C,
    "test_ctrl_c_at_any_line_of_ours_leaves_nothing_behind": CTRL_C,
    "test_an_interrupt_on_the_way_shows_nothing": CTRL_C,
    "test_a_script_that_ends_with_a_stream_open_cancels_and_says_nothing": SCRIPT,
    "test_a_script_that_has_read_its_stream_just_ends": SCRIPT,
}
"""What is proved for threads alone, and why."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses a client both ways."""
    names = vars(metafunc.module)
    if "Client" not in names and "virtual_client" not in names:
        return
    ways = ["threads"] if metafunc.function.__name__ in THREADS_ONLY else ["threads", "event loop"]
    metafunc.parametrize("over", ways, indirect=True)


@pytest.fixture(autouse=True)
def over(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the names for clients stand for in the module of the test."""
    if getattr(request, "param", "threads") == "threads":
        yield
        return
    loop = Loop()

    from .cases import TOKEN  # loaded this late, it knows the profile

    def virtual_client(url: str, **options: Any) -> Any:
        return loop.client(TOKEN, base_url=url, transport=AiohttpTransport(), clock=FakeClock(), **options)

    monkeypatch.setattr(request.module, "Client", loop.client, raising=False)
    monkeypatch.setattr(request.module, "virtual_client", virtual_client, raising=False)
    yield
    loop.end()
