"""G4 and G6, at the level of values: whatever happens in whatever order, a life ends, in time, with an error of ours.

Random lives: any sequence of answers, lost answers, events, cuts and jumps of time through any state. At every step
it is checked what a state may never say; at one of them, that states are values.
"""

from __future__ import annotations

import copy
import pickle
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.dialects.base import Create
from replicate_home.dialects.cog import Cog
from replicate_home.dialects.refs import ModelRef
from replicate_home.dialects.replicate import Replicate
from replicate_home.exceptions import (
    ConnectFailed,
    Disconnected,
    ProtocolError,
    ProxyFailed,
    ReplicateHomeError,
    RequestTimeout,
    TLSFailed,
    TransportError,
)
from replicate_home.lifecycle.life import Output
from replicate_home.lifecycle.machine import Kind, Pausing, Reading, Sending, Settled, State, creating, following
from replicate_home.protocol.sse import ServerSentEvent
from replicate_home.wire import Response, Timeout

from ..hypothesis_profiles import examples
from .lives import CREATE, EVENT_STREAM, HOMEPAGE, NOW, answer, as_value, record, snapshot, terms

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(900)]
ANYONES = Replicate()  # a token is lost by pickling, so there is none
REQUEST = attrs.evolve(CREATE, token=None)
COG = Cog("http://cog:5000")
WANTED = Create(ModelRef("owner", "name"), {}, id="p1")
LATE = {Kind.LAST_CANCEL: 0.4, Kind.LAST_POLL: 0.4, Kind.CANCEL: 2.0}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
statuses = st.sampled_from(["starting", "processing", "succeeded", "failed", "canceled", "aborted", "queued", None])
outputs = st.sampled_from([None, "", "a", "ab", "b", [], ["a"], ["a", "b"], ["b"], {"a": 1}, 1]) | json_values
records = st.builds(
    lambda status, output, streams, more: record(status, output, streams=streams) | more,
    statuses,
    outputs,
    st.booleans(),
    st.sampled_from([{}, {"logs": "x"}, {"logs": "xy"}, {"data_removed": True}, {"id": "p2"}, {"completed_at": "now"}])
    | st.dictionaries(st.sampled_from(sorted(record())), json_values, max_size=2),
)
headers = st.sampled_from(
    [{}, {"retry_after": "1"}, {"retry_after": "1000"}, {"retry_after_ms": "0"}, {"location": "/v1/x"},
     {"location": "//["}, {"location": "https://elsewhere.example/"}, {"content_type": "text/event-stream"}]
)  # fmt: skip
responses = st.one_of(
    st.builds(lambda found: answer(200, found), records),
    st.builds(lambda found: answer(200, found), records),
    st.just(EVENT_STREAM),
    st.builds(
        lambda status, body, more: answer(status, body, **more),
        st.sampled_from([200, 201, 202, 204, 301, 307, 400, 401, 402, 404, 410, 422, 429, 500, 503, 524])
        | st.integers(100, 999),
        st.one_of(json_values, st.binary(max_size=20), records),
        headers,
    ),
)
lost = st.one_of(
    st.builds(
        lambda kind, phase, processed: kind("lost", phase=phase, may_have_been_processed=processed),
        st.sampled_from([ConnectFailed, ProxyFailed, RequestTimeout, Disconnected, TransportError, TLSFailed]),
        st.sampled_from(["resolve", "connect", "tls", "proxy", "send", "wait", "headers", "body"]),
        st.booleans(),
    ),
    st.builds(ProtocolError, st.just("not HTTP")),
)
ids = st.none() | st.sampled_from(["", "x", "y", "1:0", "1:1", "1:2", "2:0", "2:1"]) | st.text(max_size=4)
events = st.builds(
    ServerSentEvent,
    st.sampled_from(
        ["output", "output", "output", "logs", "message", "done", "error", "log", "start", "completed"]
    ),
    st.sampled_from(
        ["a", "b", "", "\n", '{"a": 1}', "\ud800", '{"chunk": "a", "index": 0}', '{"chunk": "b", "index": 1}',
         '{"data": "x"}', '{"id": "p1", "status": "processing"}', '{"id": "p1", "status": "succeeded", "output": "a"}']
    )
    | st.text(max_size=4),
    ids,
    st.just(""),
)
readings = st.one_of(st.lists(events, max_size=4), st.lists(events, max_size=4), st.none(), lost)
moments = st.sampled_from([0.0, 0.001, 0.05, 0.3, 2.0, 31.0, 700.0]) | st.floats(0, 100)
happenings = st.tuples(st.one_of(responses, responses, lost), readings, moments)
all_terms = st.builds(
    lambda deadline, idle, seed, **more: terms(
        deadline=None if deadline is None else NOW + deadline, timeout=Timeout(idle=idle), seed=seed, **more
    ),
    deadline=st.none() | st.floats(0, 100),
    idle=st.sampled_from([None, 5.0]),
    seed=st.floats(0, 1, exclude_max=True),
    dialect=st.sampled_from([ANYONES, ANYONES, HOMEPAGE, COG]),
    max_retries=st.integers(0, 4),
    follows=st.sampled_from([True, True, True, False]),
    delivers=st.sampled_from([True, True, False]),
    cancels=st.booleans(),
)


def own(outcome: Any) -> Any:
    """A copy where it is an error, for a state may note the prediction in it."""
    return copy.copy(outcome)


def after(state: State, happening: tuple[Any, Any, float], now: float) -> State:
    """The next state, whichever kind this one is."""
    answered, read, _ = happening
    if isinstance(state, Sending):
        return state.next(own(answered), now)
    if isinstance(state, Reading):
        return state.next(own(read), now, retry_ms=7)
    assert isinstance(state, Pausing)
    return state.next(now)


class Watch:
    """Remembers what a life has sent and handed out, and what it may therefore not do any more."""

    def __init__(self, state: State) -> None:
        self.heard: list[Any] = []
        self.sent = dict.fromkeys(Kind, 0)
        self.may_create = isinstance(state, Sending) and state.kind is Kind.CREATE
        self.knew = state.life.snapshot is not None
        self.look(state, NOW)

    def look(self, state: State, now: float) -> None:
        deadline = state.life.terms.deadline
        self.heard += [item for news in state.news if isinstance(news, Output) for item in news.items]
        assert self.heard == list(state.life.delivered)
        self.knew = self.knew or state.life.snapshot is not None
        if isinstance(state, Pausing):
            assert state.until >= now
            assert deadline is None or state.until <= max(deadline, now)
        if isinstance(state, Sending):
            self.look_at_request(state, now)
        if isinstance(state, Reading):
            assert deadline is None or (now < deadline and state.until is not None and state.until <= deadline)
        if isinstance(state, Settled):
            assert state.error is None or isinstance(state.error, ReplicateHomeError)
            assert state.error is None or not self.knew or state.error.prediction is not None

    def look_at_request(self, state: Sending, now: float) -> None:
        deadline = state.life.terms.deadline
        self.sent[state.kind] += 1
        assert state.kind is not Kind.CREATE or self.may_create
        if state.kind in LATE:
            assert state.until is not None
            assert state.until <= now + LATE[state.kind]
            assert self.sent[state.kind] <= 2
            return
        assert deadline is None or (state.until is not None and state.until <= deadline)
        if state.kind in (Kind.POLL, Kind.STREAM):
            assert deadline is None or now < deadline

    def answered(self, state: State, outcome: Any) -> None:
        """From here on a create may be on its way at the server."""
        if isinstance(state, Sending) and state.kind is Kind.CREATE:
            unprocessed = isinstance(outcome, TransportError) and not outcome.may_have_been_processed
            refusals = (406, 409, 429, 503) if state.life.terms.dialect is COG else (429,)
            refused = isinstance(outcome, Response) and outcome.status in refusals
            self.may_create = unprocessed or refused


def check_that_states_are_values(state: State, happening: Any, other: Any, now: float) -> None:
    before = as_value(state)
    assert as_value(pickle.loads(pickle.dumps(state))) == before
    assert as_value(copy.copy(state)) == as_value(copy.deepcopy(state)) == before
    assert repr(state)
    if isinstance(state, Settled):
        return
    one = after(state, happening, now)
    value = as_value(one)
    further = as_value(after(one, other, now)) if not isinstance(one, Settled) else None
    after(state, other, now)
    for same in (state, copy.copy(state), copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
        again = after(same, happening, now)
        assert as_value(again) == value, "the same outcome of the same state"
        assert further is None or as_value(after(again, other, now)) == further
    assert (as_value(state), as_value(one)) == (before, value), "states that share their logs do not disturb each other"


def check_leaving(state: State, happening: Any, now: float) -> None:
    """At most three states, whatever comes of the cancel; and leaving while leaving is over at once."""
    state = state.leave(now)
    for _ in range(2):
        if isinstance(state, Settled):
            break
        assert isinstance(state, Sending)
        assert state.kind is Kind.CANCEL
        assert state.until == pytest.approx(now + 2)
        assert isinstance(state.leave(now), Settled)
        state = after(state, happening, now)
    assert isinstance(state, Settled)
    assert state.leave(now) is state


@examples(250, 10_000)
@given(
    life_terms=all_terms,
    known=st.none() | records,
    lived=st.lists(happenings, max_size=30),
    at=st.integers(0, 30),
)
def test_any_life_ends_in_time_and_breaks_no_rule_on_the_way(life_terms, known, lived, at):
    now = NOW
    state = _beginning(life_terms, known)
    watch = Watch(state)
    for number, happening in enumerate(lived):
        if number == at:
            check_that_states_are_values(state, happening, lived[0], now)
            check_leaving(state, happening, now)
        if isinstance(state, Settled):
            break
        now = (state.until if isinstance(state, Pausing) else now) + happening[2]
        watch.answered(state, happening[0])
        state = after(state, happening, now)
        watch.look(state, now)
    dead_end(state, watch, now)


def _beginning(life_terms: Any, known: Any) -> State:
    if known is None or not isinstance(known.get("id"), str):
        return _creating(life_terms)
    try:
        found = life_terms.dialect.snapshot(answer(200, known), None)
    except ReplicateHomeError:
        return _creating(life_terms)
    return following(life_terms, found, NOW)


def _creating(life_terms: Any) -> State:
    request = COG.create(WANTED) if life_terms.dialect is COG else REQUEST
    return creating(life_terms, request, NOW, expected=life_terms.dialect.expected(WANTED))


def dead_end(state: State, watch: Watch, now: float) -> None:
    """From here on no request is answered: it is over soon."""
    nobody = (ConnectFailed("refused"), None, 0.0)
    for _ in range(40):
        if isinstance(state, Settled):
            return
        now = state.until if isinstance(state, Pausing) else now + 0.01
        watch.answered(state, nobody[0])
        state = after(state, nobody, now)
        watch.look(state, now)
    pytest.fail(f"it goes on forever: {state!r}")


@examples(150, 10_000)
@given(deadline=st.floats(0, 700), seed=st.floats(0, 1, exclude_max=True), took=st.floats(0, 0.3), data=st.data())
def test_the_pauses_of_a_life_never_add_up_to_more_than_its_deadline(deadline, seed, took, data):
    """A server that never finishes: 10,000 such lives by night."""
    kinds = st.sampled_from(["processing", "fails", "lost"])
    state: State = creating(terms(deadline=NOW + deadline, seed=seed), CREATE, NOW)
    state, now, slept = state.next(answer(201, record("starting")), NOW), NOW, 0.0
    often = data.draw(st.lists(kinds, min_size=1, max_size=5))
    outcomes = {"processing": answer(200, record()), "fails": answer(503), "lost": ConnectFailed("refused")}
    number = 0
    while not isinstance(state, Settled):
        if isinstance(state, Pausing):
            assert state.until >= now
            slept += state.until - now
            now = state.until
            state = state.next(now)
        else:
            now += took
            state = state.next(outcomes[often[number % len(often)]], now)
            number += 1
    assert slept <= deadline + 1e-6
    assert now <= NOW + deadline + 3 * took + 1e-6
    assert number < 1000


def test_nothing_can_be_done_with_what_is_settled():
    settled = following(terms(), snapshot("succeeded", "x"), NOW)
    assert isinstance(settled, Settled)
    assert not hasattr(settled, "next")
    assert settled.leave(NOW) is settled


@pytest.mark.parametrize("state", [Sending, Pausing, Reading, Settled])
def test_states_cannot_be_changed(state):
    assert attrs.has(state)
    assert state.__setattr__ is not object.__setattr__
