"""One gate for all calls with the same token to the same server: its limits, what it asks for, what retries cost."""

from __future__ import annotations

import os
import signal
import threading

import attrs
import pytest

from replicate_home import FakeClock
from replicate_home.client.engine.connections import Connections
from replicate_home.dialects.replicate import Replicate
from replicate_home.drivers.gate import Gate
from replicate_home.exceptions import ConnectFailed, RateLimited, RequestTimeout, ServerError
from replicate_home.lifecycle.machine import Kind, Sending, creating, downloading, plain
from replicate_home.lifecycle.policy import Window
from replicate_home.wire import Response, Secret

from ..lifecycle.lives import API, CREATE, HOSTED, NOW, answer, get_request, known, polling, terms

pytestmark = pytest.mark.reliability

CREATING = creating(terms(), CREATE, NOW)
READING = plain(terms(), get_request(), NOW)
GONE_WELL = answer(200, {})
THROTTLED = answer(429, retry_after="7")


def narrow(creates: int = 1, others: int = 2) -> Gate:
    """A gate for so many creates and other requests in ten seconds."""
    return Gate(API, Window(creates, 10.0), Window(others, 10.0))


def moments(gate: Gate, *sendings: Sending) -> list[float]:
    """When each may be sent, in seconds from now."""
    return [gate.moment(sending, NOW) - NOW for sending in sendings]


def posting(path: str) -> Sending:
    """A POST of the caller's own."""
    return plain(terms(), HOSTED.call("POST", path), NOW)


# ---- who is counted --------------------------------------------------------------------------------------------


def test_creates_and_other_requests_have_limits_of_their_own():
    asked = (CREATING, READING, READING, CREATING, READING, CREATING)
    assert moments(narrow(), *asked) == [0, 0, 0, 10, 10, 20]


def test_what_waits_has_a_place_of_its_own():
    assert moments(narrow(), CREATING, CREATING, CREATING) == [0, 10, 20]


@pytest.mark.parametrize(
    "path",
    ["/predictions", "/models/o/n/predictions", "/deployments/o/n/predictions", "/models/o/n/versions/v/trainings"],
)
def test_a_create_counts_as_one_however_it_is_asked_for(path):
    assert moments(narrow(), CREATING, posting(path)) == [0, 10]


@pytest.mark.parametrize("path", ["/predictions/p1/cancel", "/files", "/models"])
def test_other_posts_are_no_creates(path):
    assert moments(narrow(creates=0), posting(path)) == [0]


def test_other_hosts_and_downloads_are_not_counted():
    elsewhere = attrs.evolve(polling(), request=attrs.evolve(polling().request, url="https://stream.replicate.com/x"))
    file = downloading(terms(), HOSTED.file(f"{API}/files/x"), NOW)
    assert moments(narrow(others=1), elsewhere, file, READING, elsewhere, file) == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("kind", [Kind.CANCEL, Kind.LAST_CANCEL, Kind.LAST_POLL])
def test_what_leaves_a_prediction_is_counted_and_never_waits(kind):
    leaving = attrs.evolve(polling(), kind=kind)
    gate = narrow(others=1)
    gate.heard(READING, THROTTLED, NOW)
    assert moments(gate, leaving, leaving, leaving) == [0, 0, 0]
    assert moments(gate, READING)[0] > 7


def test_what_would_come_too_late_takes_no_place():
    hurried = plain(terms(deadline=NOW + 5), get_request(), NOW)
    assert moments(narrow(others=1), READING, hurried, hurried, READING) == [0, 10, 10, 10]


def test_a_request_that_has_waited_for_its_place_does_not_queue_again():
    gate = narrow(others=1)
    assert moments(gate, READING, READING) == [0, 10]
    assert gate.moment(attrs.evolve(READING, admitted=NOW + 10), NOW + 9.999) == NOW + 9.999


def test_unless_the_server_has_asked_for_more_meanwhile():
    gate = narrow()
    waited = attrs.evolve(CREATING, admitted=NOW + 10)
    gate.heard(CREATING, answer(429, retry_after="30"), NOW)
    assert gate.moment(waited, NOW + 10) == NOW + 30


# ---- what the server asks for ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (answer(429, retry_after="7"), 7),
        (answer(429, {"detail": "Request was throttled. Your rate limit resets in ~30s.", "retry_after": 5}), 5),
        (answer(429, {"detail": "Request was throttled. Your rate limit resets in ~30s."}), 30),
        (answer(503, retry_after="20"), 20),
        (answer(200, {}, ratelimit_remaining="0", ratelimit_reset="12"), 12),
        (answer(429, ratelimit_remaining="0", ratelimit_reset="60", retry_after="2"), 2),
    ],
)
def test_all_who_come_later_wait_as_long_as_the_server_asks(asked, seconds):
    gate = Gate(API)
    gate.heard(READING, asked, NOW)
    assert moments(gate, READING, CREATING, polling()) == [seconds, 0, seconds + 2]


@pytest.mark.parametrize(
    "said",
    [
        answer(200, {}, ratelimit_remaining="1", ratelimit_reset="60"),
        answer(200, {}, ratelimit_remaining="0"),
        answer(200, {}, ratelimit_remaining="0", ratelimit_reset="soon"),
        answer(200, {}, ratelimit_remaining="0", ratelimit_reset="1700000000"),
        answer(429),
        answer(429, retry_after="61"),
        answer(503),
        answer(500, retry_after="7"),
    ],
)
def test_nobody_waits_for_what_asks_for_nothing_or_for_longer_than_a_minute(said):
    gate = Gate(API)
    gate.heard(READING, said, NOW)
    assert moments(gate, READING, READING) == [0, 0]


def test_when_one_has_gone_well_the_rest_follows_at_once():
    gate = Gate(API)
    gate.heard(READING, THROTTLED, NOW)
    assert gate.moment(READING, NOW) == NOW + 7
    gate.heard(READING, GONE_WELL, NOW + 7)
    assert [gate.moment(READING, NOW + 7) for _ in range(3)] == [NOW + 7] * 3


def test_what_another_host_says_is_its_own_business():
    gate = Gate(API)
    elsewhere = attrs.evolve(READING, request=attrs.evolve(READING.request, url="https://stream.replicate.com/x"))
    gate.heard(elsewhere, THROTTLED, NOW)
    gate.heard(downloading(terms(), HOSTED.file(f"{API}/files/x"), NOW), THROTTLED, NOW)
    assert moments(gate, READING) == [0]


# ---- retries ---------------------------------------------------------------------------------------------------


def retries(gate: Gate, failure: Exception) -> int:
    """How many retries are lent for such failures."""
    count = 0
    while gate.lends(failure):
        count += 1
    return count


@pytest.mark.parametrize(
    ("failure", "number"),
    [(ServerError("", status=503), 20), (ConnectFailed("refused", phase="connect"), 20),
     (RequestTimeout("late", phase="wait"), 10)],
)  # fmt: skip
def test_where_nothing_succeeds_there_are_so_many_retries_and_then_none(failure, number):
    assert retries(Gate(API), failure) == number


def refused(gate: Gate, times: int, seconds: float) -> int:
    """How many of so many requests, so many seconds apart, may be sent again after a 429."""
    repeated = 0
    for number in range(times):
        gate.heard(READING, THROTTLED, NOW + number * seconds)
        repeated += gate.lends(RateLimited("", status=429))
    return repeated


def test_of_a_thousand_that_are_refused_at_once_each_may_be_sent_again():
    assert refused(Gate(API), 1_000, 0.0) == 1_000


def test_those_that_waited_as_asked_and_are_refused_nevertheless_are_like_other_failures():
    assert refused(Gate(API), 1_000, 7.0) == 19


def spent_gate() -> Gate:
    """A gate whose budget is spent."""
    gate = Gate(API)
    assert retries(gate, ServerError("", status=503))
    return gate


@pytest.mark.parametrize(
    ("came", "number"),
    [(GONE_WELL, 1), (answer(404), 1), (answer(500), 0), (THROTTLED, 0), (ConnectFailed("", phase="connect"), 0)],
)
def test_five_answers_pay_for_a_retry_and_failures_for_none(came, number):
    gate = spent_gate()
    for _ in range(5):
        gate.heard(READING, came, NOW)
    assert retries(gate, ServerError("", status=503)) == number


# ---- whose gate it is ------------------------------------------------------------------------------------------


def test_calls_share_it_where_server_and_token_are_the_same():
    connections = Connections(None, FakeClock(), None)
    here = connections.gate(Replicate(API, Secret("a")))
    assert connections.gate(Replicate(f"{API}/", Secret("a"))) is here
    assert connections.gate(Replicate(API, Secret("b"))) is not here
    assert connections.gate(Replicate("http://127.0.0.1:5000/v1", Secret("a"))) is not here
    assert Connections(None, FakeClock(), None).gate(Replicate(API, Secret("a"))) is not here


@pytest.mark.parametrize(
    ("base_url", "is_paced"),
    [(API, True), ("https://API.replicate.com:443/v1", True), ("https://api.replicate.com.example/v1", False),
     ("http://127.0.0.1:5000", False)],
)  # fmt: skip
def test_only_the_hosted_api_has_limits_that_are_known_before(base_url, is_paced):
    dialect = Replicate(base_url, Secret("a"))
    gate = Connections(None, FakeClock(), None).gate(dialect)
    create = creating(terms(dialect=dialect), dialect.call("POST", "/predictions"), NOW)
    poll = polling(known(terms=terms(dialect=dialect)))
    assert [moments(gate, *[create] * 481)[479:], moments(gate, *[poll] * 2_401)[2_399:]] == [[0, 60.5 * is_paced]] * 2


@attrs.frozen
class Held(Window):
    """A window that a thread looks through for a long time."""

    entered: threading.Event = attrs.field(factory=threading.Event)
    left: threading.Event = attrs.field(factory=threading.Event)

    def moment(self, now: float) -> float:
        """Now, after a long look."""
        self.entered.set()
        self.left.wait()
        return now


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_passes_though_a_thread_of_its_parent_was_just_passing():
    held = Held()
    gate = Gate(API, others=held)
    passing = threading.Thread(target=gate.moment, args=(READING, NOW))
    passing.start()
    held.entered.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # it would wait for ever
        os._exit(0 if gate.moment(CREATING, NOW) == NOW else 1)
    _, status = os.waitpid(child, 0)
    held.left.set()
    passing.join()
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_response_of_any_kind_is_heard():
    for status in range(100, 600):
        Gate(API).heard(CREATING, Response(status), NOW)
        Gate(API).heard(polling(known()), Response(status), NOW)
