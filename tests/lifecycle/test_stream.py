"""Rules 3 and 4: what follows the beginning, the events and the end of an event stream; and what a replay is."""

from __future__ import annotations

import attrs
import pytest

from replicate_home.exceptions import Disconnected, OutputDiverged, ProtocolError, RequestTimeout
from replicate_home.lifecycle.life import Log, Output
from replicate_home.lifecycle.machine import Kind, Pausing, Reading, Sending, Settled, State, following
from replicate_home.lifecycle.replays import Seen
from replicate_home.records.events import DoneEvent, LogsEvent
from replicate_home.wire import Timeout

from .lives import EVENT_STREAM, HOSTED, NOW, answer, event, known, numbered, polling, snapshot, terms, told

FOUND = snapshot("starting", streams=True)
LIFE = known(snapshot=FOUND)
OPENING = Sending(LIFE, Kind.STREAM, HOSTED.stream(FOUND, None), until=NOW + 30)
READING = Reading(LIFE, until=NOW + 60)
CUT = Disconnected("cut", phase="body", may_have_been_processed=True)
HEARD = Seen("1700000000:1", 1700000000, 1)


def after(life, *texts: str):
    """``life`` once these texts of a numbered stream have been delivered."""
    last = len(texts) - 1
    seen = Seen(f"1700000000:{last}", 1700000000, last)
    return attrs.evolve(life, seen=seen, delivered=Log(texts))


def polled_after(state: State) -> Sending:
    """The state, which must be the poll that decides."""
    assert isinstance(state, Sending)
    assert state.kind is Kind.POLL
    return state


# ---- opening -------------------------------------------------------------------------------------------------


def test_a_prediction_with_a_stream_url_is_streamed():
    assert following(terms(), FOUND, NOW) == OPENING


def test_the_stream_url_is_a_capability_and_is_not_sent_the_token():
    assert OPENING.request.url == "https://stream.replicate.com/v1/files/abc"
    assert OPENING.request.token is None
    assert "last-event-id" not in {name.lower() for name in OPENING.request.headers}


@pytest.mark.parametrize(
    "url",
    [7, "", "http://stream.replicate.com/", "https://127.0.0.1/", "https://u:p@stream.replicate.com/", "file:///etc",
     "https://169.254.169.254/", "javascript:0", "https://localhost/"],
)  # fmt: skip
def test_an_unsafe_stream_url_is_not_opened(url):
    unsafe = snapshot("starting", urls={"stream": url})
    assert isinstance(following(terms(), unsafe, NOW), Pausing)


def test_an_event_stream_is_read():
    assert OPENING.next(EVENT_STREAM, NOW) == attrs.evolve(READING, life=attrs.evolve(LIFE, opens=1))


@pytest.mark.parametrize(
    ("given_terms", "until"),
    [
        ({"timeout": Timeout(idle=None)}, None),
        ({"timeout": Timeout(idle=3)}, NOW + 3),
        ({"deadline": NOW + 2}, NOW + 2),
        ({"timeout": Timeout(idle=None), "deadline": NOW + 2}, NOW + 2),
    ],
)
def test_it_may_be_silent_for_the_idle_time_and_not_past_the_deadline(given_terms, until):
    life = known(terms=terms(**given_terms), snapshot=FOUND)
    state = Sending(life, Kind.STREAM, OPENING.request).next(EVENT_STREAM, NOW)
    assert state == Reading(attrs.evolve(life, opens=1), until)


@pytest.mark.parametrize(
    "refusal",
    [answer(404), answer(401), answer(410), answer(204), answer(200, b"<html>", content_type="text/html"),
     answer(302, location="https://elsewhere.example/"), answer(406)],
)  # fmt: skip
def test_a_stream_that_is_refused_is_not_asked_for_again(refusal):
    life = attrs.evolve(LIFE, streams=False, reopen=True, cuts=1)
    assert OPENING.next(refusal, NOW) == polling(life, until=NOW + 30)


@pytest.mark.parametrize("lost", [answer(503), answer(429), answer(520), CUT, ProtocolError("not HTTP")])
def test_one_that_fails_for_the_moment_is_followed_by_a_poll(lost):
    assert OPENING.next(lost, NOW) == polling(attrs.evolve(LIFE, reopen=True, cuts=1), until=NOW + 30)


def test_a_redirect_within_the_origin_of_the_stream_is_followed():
    state = OPENING.next(answer(307, location="/v2/x"), NOW)
    request = attrs.evolve(OPENING.request, url="https://stream.replicate.com/v2/x")
    assert state == attrs.evolve(OPENING, request=request, hops=1)


# ---- reading -------------------------------------------------------------------------------------------------


def test_all_that_came_at_once_is_one_piece_of_news_and_restarts_the_silence():
    state = READING.next(numbered("Hel", "lo"), NOW + 5)
    assert state == Reading(after(LIFE, "Hel", "lo"), NOW + 65, (Output(["Hel", "lo"]),))


def test_bytes_that_complete_no_event_are_a_sign_of_life():
    assert READING.next([], NOW + 5) == Reading(LIFE, NOW + 65)


def test_logs_come_in_their_place():
    events = [event("a", "1:0"), event("log", "1:1", "logs"), event("b", "1:2"), event("c", "1:3")]
    assert READING.next(events, NOW).news == (Output(["a"]), LogsEvent("log"), Output(["b", "c"]))


def test_unknown_events_and_events_without_a_name_or_an_id_are_no_news():
    events = [event("x", "1:0", "message"), event("y", None, "weather"), event("z", "7", "output")]
    assert READING.next(events, NOW).news == (Output(["z"]),)


def test_where_output_is_not_wanted_none_is_handed_out():
    life = known(terms=terms(delivers=False), snapshot=FOUND)
    state = Reading(life).next([*numbered("a"), event("log", "1700000000:1", "logs")], NOW)
    assert state.news == (LogsEvent("log"),)
    assert state.life.delivered == Log()


@pytest.mark.parametrize("word", ["done", "error"])
@pytest.mark.parametrize("own_id", [None, "1700000000:1"])
def test_a_final_word_is_followed_by_the_poll_that_decides(word, own_id):
    state = polled_after(READING.next([*numbered("a"), event("{}", own_id, word)], NOW))
    assert state.news == (Output(["a"]),)
    assert (state.life.done, state.life.streams) == (True, False)


def test_after_a_final_word_nothing_is_delivered():
    events = [*numbered("a"), event("{}", None, "done"), event("b", "1700000000:1")]
    assert polled_after(READING.next(events, NOW)).life.delivered == Log(["a"])


def test_done_is_believed_only_where_the_poll_agrees():
    state = polled_after(READING.next([*numbered("a"), event("{}", None, "done")], NOW))
    going_on = state.next(told("processing", ["a", "b"]), NOW)
    assert isinstance(going_on, Pausing)
    assert going_on.news[-1] == Output(["b"])
    final = told("succeeded", ["a", "b"], streams=True)
    settled = state.next(final, NOW)
    assert isinstance(settled, Settled)
    assert [*settled.news[1:]] == [Output(["b"]), DoneEvent(settled.life.snapshot)]


# ---- rule 3: cuts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("came", [None, CUT, RequestTimeout("silent", phase="body", may_have_been_processed=True)])
def test_an_end_a_cut_and_silence_are_followed_by_a_poll(came):
    life = attrs.evolve(LIFE, reopen=True, cuts=1)
    assert READING.next(came, NOW) == polling(life, until=NOW + 30)


def test_a_stream_that_makes_no_sense_is_given_up():
    life = attrs.evolve(LIFE, reopen=True, cuts=1, streams=False)
    assert READING.next(ProtocolError("an event of 1 GB"), NOW) == polling(life, until=NOW + 30)


def cut_after(*texts: str, **more) -> Sending:
    """The poll after a stream that was cut once these texts had come."""
    return polled_after(Reading(attrs.evolve(after(LIFE, *texts), **more)).next(CUT, NOW))


def test_after_the_poll_a_cut_stream_is_opened_again_where_it_was_left():
    state = cut_after("a", "b").next(told("processing", ["a", "b", "c"], streams=True), NOW)
    assert isinstance(state, Pausing)
    assert state.until == NOW + 0.75
    assert state.then.kind is Kind.STREAM
    assert state.then.request == HOSTED.stream(FOUND, "1700000000:1")
    assert state.then.request.headers["Last-Event-ID"] == "1700000000:1"
    assert state.then.request.token is None


def test_that_poll_delivers_nothing():
    state = cut_after("a").next(told("processing", ["a", "b"], streams=True), NOW)
    assert not [news for news in state.news if isinstance(news, Output)]
    assert state.life.delivered == Log(["a"])


def test_a_prediction_that_ended_meanwhile_is_not_streamed_again():
    state = cut_after("a").next(told("succeeded", ["a", "b"]), NOW)
    assert isinstance(state, Settled)
    assert state.news[1:] == (Output(["b"]), DoneEvent(state.life.snapshot))


def test_without_ids_a_stream_is_never_opened_again():
    life = attrs.evolve(LIFE, delivered=Log(["a"]), reopen=True, opens=1, cuts=1)
    state = polling(life).next(told("processing", ["a", "b"], streams=True), NOW)
    assert isinstance(state, Pausing)
    assert state.then.kind is Kind.POLL
    assert state.news[-1] == Output(["b"])


def test_one_that_never_was_open_is_tried_again():
    life = attrs.evolve(LIFE, reopen=True, opens=0, cuts=1)
    state = polling(life).next(told("processing", ["a"], streams=True), NOW)
    assert isinstance(state, Pausing)
    assert state.then.kind is Kind.STREAM
    assert "Last-Event-ID" not in state.then.request.headers


def test_a_poll_that_leaves_out_the_urls_does_not_lose_the_streams():
    state = cut_after("a").next(told("processing", ["a"]), NOW)
    assert isinstance(state, Pausing)
    assert state.then.kind is Kind.STREAM


@pytest.mark.parametrize(("cuts", "kind"), [(0, Kind.STREAM), (4, Kind.STREAM), (5, Kind.POLL)])
def test_after_five_cuts_that_brought_nothing_it_is_polled(cuts, kind):
    state = cut_after("a", cuts=cuts, reopen=cuts > 0).next(told("processing", ["a"], streams=True), NOW)
    assert isinstance(state, Pausing)
    assert state.then.kind is kind


def test_a_new_event_restarts_the_count_but_a_possible_replay_does_not():
    life = attrs.evolve(after(LIFE, "a"), cuts=4, reopen=True)
    assert Reading(life).next(numbered("b", first=1), NOW).life.cuts == 0
    assert Reading(life).next([event("ping", None, "message")], NOW).life.cuts == 4
    assert Reading(life).next(numbered("a"), NOW).life.cuts == 4


@pytest.mark.parametrize(
    ("cuts", "retry_ms", "seconds"),
    [(0, None, 0.75), (1, None, 1.5), (2, None, 3), (4, None, 7.5), (0, 200, 0.21), (3, 0, 0.105), (0, 10**12, 10.5)],
)
def test_the_pause_before_it_doubles_unless_the_stream_has_a_wish(cuts, retry_ms, seconds):
    life = attrs.evolve(after(LIFE, "a"), cuts=cuts, reopen=True)
    poll = Reading(life).next(CUT, NOW, retry_ms)
    state = poll.next(told("processing", ["a"], streams=True), NOW)
    assert state.until == pytest.approx(NOW + seconds)
    assert state.then.kind is Kind.STREAM


@pytest.mark.parametrize("own_id", [" spaced", "日本", "\x01", "x" * 1025, "tab\t"])
def test_an_id_that_cannot_stand_in_a_header_is_not_sent(own_id):
    state = READING.next([event("a", own_id)], NOW).next(CUT, NOW)
    state = state.next(told("processing", ["a", "b"], streams=True), NOW)
    assert isinstance(state, Pausing)
    assert state.then.kind is Kind.POLL
    assert state.news[-1] == Output(["b"])


def test_after_the_stream_was_given_up_polls_deliver():
    state = READING.next([*numbered("a"), *numbered("c", first=2)], NOW)
    state = polled_after(state).next(told("processing", ["a", "b"], streams=True), NOW)
    assert isinstance(state, Pausing)
    assert state.news[-1] == Output(["b"])
    last = state.then.next(told("succeeded", ["a", "b", "c"]), NOW)
    assert last.news[-2] == Output(["c"])


# ---- rule 4: replays and gaps --------------------------------------------------------------------------------


def test_a_replay_of_everything_delivers_only_what_is_new():
    life = attrs.evolve(after(LIFE, "a", "b"), reopen=True, cuts=1)
    state = Reading(life).next(numbered("a", "b", "c"), NOW)
    assert state.news == (Output(["c"]),)
    assert state.life == attrs.evolve(after(LIFE, "a", "b", "c"), reopen=True)


def test_a_jump_ends_the_stream_before_the_event_is_delivered():
    state = polled_after(READING.next([*numbered("a"), *numbered("c", "d", first=2)], NOW))
    assert state.news == (Output(["a"]),)
    assert state.life == attrs.evolve(after(LIFE, "a"), streams=False)


def test_output_without_an_id_on_a_stream_that_was_opened_again_ends_it():
    life = attrs.evolve(after(LIFE, "a"), reopen=True, opens=2, cuts=1)
    for unknown in (event("a", None), event("a", "")):
        state = polled_after(Reading(life).next([unknown], NOW))
        assert state.news == ()
        assert state.life == attrs.evolve(life, streams=False)


def test_a_poll_that_contradicts_what_was_streamed_cancels_and_says_so():
    life = attrs.evolve(after(LIFE, "a"), streams=False)
    state = polling(life).next(told("processing", ["b"]), NOW)
    assert isinstance(state, Sending)
    assert state.kind is Kind.CANCEL
    assert isinstance(state.cause, OutputDiverged)
    assert (state.cause.delivered, state.cause.seen) == (["a"], ["b"])
