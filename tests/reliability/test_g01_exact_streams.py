"""G1: each output chunk is delivered exactly once and in order, whatever mixture of SSE cuts, replays and polling.

Otherwise ``OutputDiverged``, ``StreamInterrupted`` or ``ModelError`` is raised: never wrong text, never a clean end
of a stream that was cut. The truth is the server's: what is delivered must be its final output.
"""

from __future__ import annotations

import gzip
import itertools
import statistics
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home import ModelCanceled, ModelError, OutputDiverged, ReplicateHomeError, StreamInterrupted, Timeout
from replicate_home.testing.scripted_server import Await, Cut, Received, Reset, Send, Step, answer

from .cases import NIGHTLY, UNHURRIED, counted, examples, virtual_client
from .hosted_server import (
    FRAMINGS,
    HOWS,
    RECORDINGS,
    CutAfter,
    Event,
    Framing,
    HostedServer,
    Job,
    Opening,
    Recording,
    Refuses,
    Says,
    Steps,
    Whole,
    Zipper,
    by_name,
    encoded,
    numbered,
    opaque,
    recording,
    without,
)

pytestmark = [pytest.mark.reliability, pytest.mark.long, UNHURRIED]
ENDS_WITH = {"succeeded": None, "failed": ModelError, "canceled": ModelCanceled}
PATIENCE = Timeout(total=600, idle=0.03 if not NIGHTLY else 0.1)


@pytest.fixture(scope="module")
def server() -> Iterator[HostedServer]:
    with HostedServer() as server:
        yield server


@pytest.fixture
def client(server):
    client = virtual_client(server.url, timeout=PATIENCE)
    yield client
    client._engine.connections.given.close()


def outcome(client, job_server, job: Job) -> tuple[str, ReplicateHomeError | None]:
    """All text that a stream delivers, and the error that ends it."""
    job_server.next(job)
    said: list[str] = []
    try:
        for piece in client.stream("owner/model", {"prompt": "x"}):
            said.append(piece)
    except ReplicateHomeError as error:
        return "".join(said), error
    return "".join(said), None


def lines_alike(text: str) -> str:
    """An event stream cannot tell CR, CRLF and LF apart."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def assert_true(job: Job, said: str, error: ReplicateHomeError | None) -> None:
    """The server's whole output, and its own word on how it ended."""
    assert lines_alike(said) == lines_alike(job.recording.text), job
    assert type(error) is (ENDS_WITH[job.recording.status] or type(None)), (job, error)


# ---- every cut ------------------------------------------------------------------------------------------------


def cuts(every: bool) -> Iterator[tuple[Recording, CutAfter]]:
    """A cut at every byte of every recording: in every way at night, in one way after another by day."""
    ways = list(itertools.product(HOWS[:3], FRAMINGS, (False, True), (True, False)))
    number = 0
    for found in RECORDINGS:
        for count in range(len(found.wire)):
            number += 1
            chosen = ways if every else [ways[number * 7 % len(ways)]]
            for how, framing, over, honours in chosen:
                yield found, CutAfter(count, how, framing, over, honours)
            if every or number % 48 == 0:
                yield found, CutAfter(count, "idle", FRAMINGS[number % 5], over=number % 2 == 0)


def test_a_stream_that_is_cut_at_any_byte_still_delivers_every_piece_once(server, client):
    for found, cut in counted(cuts(NIGHTLY), at_least=50_000 if NIGHTLY else 1_500):
        job = Job(found, [cut], otherwise=Whole(honours=cut.honours))
        assert_true(job, *outcome(client, server, job))


def test_a_stream_that_is_cut_twice_still_delivers_every_piece_once(server, client):
    found = by_name("plain")
    places = range(0, len(found.wire), 5 if NIGHTLY else 24)
    for first, second in counted(itertools.product(places, places), at_least=2_500 if NIGHTLY else 100):
        honours = (first + second) % 2 == 0
        job = Job(found, [CutAfter(first, "rst"), CutAfter(second, "fin", honours=honours)])
        assert_true(job, *outcome(client, server, job))


def test_a_stream_without_ids_is_not_opened_again(server, client):
    """After a second opening, new output could not be told from old."""
    found = by_name("no ids")
    for place, how in counted(itertools.product(range(0, len(found.wire), 9), HOWS[:3]), at_least=40):
        job = Job(found, [CutAfter(place, how)])
        assert_true(job, *outcome(client, server, job))
        assert (job.opened, job.polled > 0) == (1, True)


# ---- everything that a stream URL can answer -------------------------------------------------------------------

REFUSALS: list[Opening] = [
    *(Refuses(status) for status in (204, 301, 307, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 418)),
    *(Refuses(status) for status in (422, 425, 429, 500, 501, 502, 503, 504, 520, 524, 530)),
    Refuses(200, "application/json"),
    Refuses(200, "text/html", b"<title>not a stream</title>"),
    Refuses(200, "text/plain", encoded(RECORDINGS[0].events)),
    Refuses(404, "text/event-stream", encoded(RECORDINGS[0].events)),
    Refuses(503, headers={"Retry-After": "3"}),
    Refuses(302, headers={"Location": "/v1/elsewhere"}),
    lambda job, received: [Cut()],
    lambda job, received: [Reset()],
    lambda job, received: [Send(b"SSH-2.0-OpenSSH_9\r\n"), Cut()],
    lambda job, received: [Send(answer(200, b"\x1f\x8b not gzip at all", {"Content-Encoding": "gzip"},
                                       content_type="text/event-stream", framed=False)), Cut()],
    lambda job, received: [Send(answer(200, b"zzz\r\n", {"Transfer-Encoding": "chunked"},
                                       content_type="text/event-stream", framed=False)), Cut()],
    lambda job, received: [Send(answer(200, b"x", {"Content-Encoding": "br"}, content_type="text/event-stream"))],
]  # fmt: skip


def test_where_there_is_no_stream_the_output_is_polled_and_whole(server, client):
    always = itertools.product(RECORDINGS, REFUSALS, (False, True))
    for found, refusal, for_good in counted(always, at_least=500):
        job = Job(found, [refusal], otherwise=refusal if for_good else Whole())
        assert_true(job, *outcome(client, server, job))


def test_a_prediction_without_a_stream_url_is_polled_and_whole(server, client):
    unusable = (
        None,
        "",
        "gopher://x/",
        "https://10.0.0.1/s",
        "http://example.com/s",
        "//",
        "{server}/v1/streams/other",
    )
    for found, url in counted(itertools.product(RECORDINGS, unusable), at_least=56):
        assert_true(job := Job(found, stream_url=url), *outcome(client, server, job))


# ---- servers that lose, repeat, or contradict themselves ------------------------------------------------------------

FOUR = ("a", "b", "c", "d")


def saying(*numbers: int, ids=numbered, last: tuple[Event, ...] = ()) -> Says:
    """These of the four tokens, in this order."""
    return Says((*((ids(number), "output", FOUR[number]) for number in numbers), *last))


GONE = Refuses(404)
RENUMBERED = Says((("1700000009:0", "output", "c"), ("1700000009:1", "output", "d")))
NAMELESS = Says(((numbered(0), "output", "a"), (numbered(1), "", "noise"), (numbered(2), "output", "b")))
DONE, ERROR, WEATHER = (None, "done", "{}"), (None, "error", "x"), (None, "weather", "sunny")

ALL_THE_SAME: list[tuple[str, list[Opening], Opening]] = [
    ("an event is missing", [saying(0, 1, 3)], Whole()),
    ("the first events are missing after a cut", [saying(0), saying(3)], Whole()),
    ("events come again at once", [saying(0, 0, 1, 1, 0, 2, 3)], Whole()),
    ("all come again after a cut", [saying(0, 1)], Whole(honours=False)),
    ("an old one comes again after a cut", [saying(0, 1), saying(1, 0, 2, 3)], Whole()),
    ("the numbers start over", [saying(0, 1), RENUMBERED], GONE),
    ("opaque ids come again", [saying(0, 1, ids=opaque), saying(0, 1, 2, ids=opaque), saying(2, 3, ids=opaque)], GONE),
    ("ids vanish after a cut", [saying(0, 1), saying(2, 3, ids=without)], GONE),
    ("all come again without ids", [saying(0, 1), saying(0, 1, 2, 3, ids=without)], Whole()),
    ("five cuts bring nothing", [saying(0), *[saying()] * 5], Whole()),
    ("all further cuts bring nothing", [saying(0)], saying()),
    ("each cut brings one", [saying(0), saying(1), saying(2), saying(3)], Whole()),
    ("done comes too early", [saying(0, last=(DONE,))], Whole()),
    ("error comes too early", [saying(0, last=(ERROR,))], Whole()),
    ("an unknown word comes", [saying(0, 1, last=(WEATHER, (numbered(2), "output", "c")))], Whole()),
    ("an event without a name comes", [NAMELESS], GONE),
]


def test_what_a_server_loses_or_repeats_is_put_right(server, client):
    four = recording("four", *FOUR, ids=numbered, ending=())
    for _, openings, otherwise in counted(ALL_THE_SAME, at_least=16):
        job = Job(four, openings, otherwise=otherwise, polls_to_end=9)
        assert_true(job, *outcome(client, server, job))


def test_a_stream_whose_cuts_bring_nothing_is_given_up(server, client):
    four = recording("four", *FOUR, ids=numbered, ending=())
    job = Job(four, [saying(0)], otherwise=saying(), polls_to_end=12)
    assert_true(job, *outcome(client, server, job))
    assert job.opened == 1 + 5


CONTRADICTIONS: list[tuple[str, list[Opening], object]] = [
    ("the final output is another", [saying(0, 1)], ["x", "y"]),
    ("the final output is shorter", [saying(0, 1, 2, 3)], ["a", "b"]),
    ("the final output is no text", [saying(0, 1)], {"a": 1}),
    ("the final output is null", [saying(0, 1)], None),
    ("the final output is a number", [saying(0)], 7),
    ("an event without an id was lost", [saying(0, 2, 3, ids=without)], list(FOUR)),
    ("an event with an opaque id was lost", [saying(0, 2, 3, ids=opaque)], list(FOUR)),
    ("an event came twice without ids", [saying(0, 0, 1, ids=without)], list(FOUR)),
    ("one letter is another", [saying(0, 1, 2, 3)], "abcD"),
]


def test_a_server_that_contradicts_itself_is_an_error_that_shows_both_sides(server, client):
    for what, openings, output in counted(CONTRADICTIONS, at_least=9):
        job = Job(Recording(what, (), output=output), openings, polls_to_end=1)
        said, error = outcome(client, server, job)
        assert isinstance(error, OutputDiverged), what
        assert ("".join(error.delivered), error.seen) == (said, output), what


GARBAGE = (
    answer(503),
    answer(200, b"{"),
    answer(200, b"[]"),
    answer(200, b'{"id":"x"}'),
    Reset(),
    Cut(),
    answer(200, b"\xff"),
)


def test_a_server_that_cannot_be_asked_any_more_leaves_the_text_so_far(server, client):
    for found, fault in counted(itertools.product(RECORDINGS[:4], GARBAGE), at_least=28):
        places = (len(found.wire) // 2, len(found.wire))
        for place in places:
            job = Job(found, [CutAfter(place)], polls=[fault] * 50)
            said, error = outcome(client, server, job)
            assert isinstance(error, StreamInterrupted), (found.name, fault, error)
            assert error.partial_text == said
            assert found.text.startswith(said)
            assert said
            assert error.prediction is not None


def test_an_output_that_the_server_has_removed_is_no_end_of_a_stream(server, client):
    removed = b'{"id":"%b","status":"succeeded","output":null,"data_removed":true}'
    for place in counted((60, 90, 120), at_least=3):
        job = Job(by_name("plain"), [CutAfter(place)])
        job.polls.append(answer(200, removed % f"job{len(server.created)}".encode()))
        said, error = outcome(client, server, job)
        assert isinstance(error, StreamInterrupted)
        assert (error.partial_text, said != "") == (said, True)


# ---- random lives ---------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
WAYS = st.sampled_from(HOWS[:3])
CUTS = st.builds(CutAfter, st.integers(0, 300), WAYS, st.sampled_from(FRAMINGS), st.booleans(), st.booleans())
OPENINGS = st.one_of(CUTS, CUTS, st.builds(Whole, st.sampled_from(FRAMINGS), st.booleans()), st.sampled_from(REFUSALS))
POLLS = st.sampled_from([None, None, *GARBAGE, answer(404), answer(429, headers={"Retry-After": "2"}), answer(500)])


@st.composite
def lives(draw) -> Job:
    tokens = draw(st.lists(TEXT, max_size=8))
    status = draw(st.sampled_from(["succeeded", "succeeded", "failed", "canceled"]))
    ending = draw(st.sampled_from([(("done", "{}"),), (), (("error", "x"), ("done", '{"reason":"error"}'))]))
    ids = draw(st.sampled_from([numbered, opaque, without]))
    found = recording("random", *tokens, ids=ids, ending=ending, status=status)
    polls = draw(st.lists(POLLS, max_size=8))  # ten failures in a row would be too many, and a connection may be stale
    return Job(
        found, draw(st.lists(OPENINGS, max_size=8)), polls, draw(OPENINGS), polls_to_end=draw(st.integers(1, 30))
    )


def test_random_lives_end_with_the_servers_own_output(server, client):
    """Any openings and answers of polls, in any order: the server's truth, always."""
    ran = 0

    @examples(150, nightly=20_000)
    @given(lives())
    def live(job):
        nonlocal ran
        ran += 1
        assert_true(job, *outcome(client, server, job))

    live()
    assert ran >= (20_000 if NIGHTLY else 150)


# ---- a stream is a stream -------------------------------------------------------------------------------------------


def test_a_stream_is_opened_and_polled_for_its_last_word_only(server, client):
    """A client that polls in the place of the stream fails here."""
    for found, framing in counted(itertools.product(RECORDINGS, FRAMINGS), at_least=40):
        job = Job(found, [Whole(framing)])
        outcome(client, server, job)
        assert [(one.method, one.target) for one in server.requests] == [
            ("POST", "/v1/predictions"),
            ("GET", f"/v1/streams/{job.id}"),
            ("GET", f"/v1/predictions/{job.id}"),
        ]
        assert server.requests[1].headers["accept"] == "text/event-stream"


class InStep:
    """Sends a token only when the reader has had the one before."""

    def __init__(self, framing: Framing, tokens: list[str]) -> None:
        self.framing = framing
        self.tokens = tokens
        self.taken = [threading.Event() for _ in tokens]
        self.sent_at: list[float] = []

    def __call__(self, job: Job, received: Received) -> Steps:
        zipper = Zipper(self.framing)
        parts = [encoded([(numbered(number), "output", token)]) for number, token in enumerate(self.tokens)]
        yield Send(self.framing.opening(b"".join(parts)))
        for part, taken in zip(parts, self.taken, strict=True):
            self.sent_at.append(time.perf_counter())
            yield Send(self.framing.part(zipper.piece(part)))
            yield Await(taken)
        job.is_over = True
        yield Send(self.framing.part(zipper.end()) + self.framing.end())
        yield Cut()


@pytest.mark.parametrize("framing", FRAMINGS, ids=lambda framing: f"{framing.name}{' gzip' * framing.zipped}")
def test_a_token_is_delivered_before_the_next_is_sent(server, framing):
    client = virtual_client(server.url, timeout=Timeout(total=600, idle=5))
    tokens = [f"token {number} " for number in range(20)]
    steps = InStep(framing, tokens)
    job = server.next(Job(recording("in step", *tokens, ids=numbered, ending=()), [steps]))
    delays = []
    for number, piece in enumerate(client.stream("owner/model", {"prompt": "x"})):
        delays.append(time.perf_counter() - steps.sent_at[number])
        assert (piece, job.polled) == (tokens[number], 0)
        steps.taken[number].set()
    assert (len(delays), job.opened) == (20, 1)
    assert statistics.median(delays) < 0.030
    client._engine.connections.given.close()


def test_a_body_that_comes_in_one_piece_or_byte_by_byte_gives_the_same(server, client):
    for found, framing, size in counted(itertools.product(RECORDINGS, FRAMINGS, (1, 2, 7)), at_least=120):
        job = Job(found, [Pieces(framing, size)])
        assert_true(job, *outcome(client, server, job))
        assert job.opened == 1


class Pieces:
    """The whole stream in many small writes."""

    def __init__(self, framing: Framing, size: int) -> None:
        self.framing = framing
        self.size = size

    def __call__(self, job: Job, received: Received) -> Iterator[Step]:
        wire = job.recording.wire
        whole = gzip.compress(wire) if self.framing.zipped else wire
        yield Send(self.framing.opening(whole))
        for start in range(0, len(whole), self.size):
            yield Send(self.framing.part(whole[start : start + self.size]))
        job.is_over = True
        yield Send(self.framing.end())
        yield Cut()
