"""G1: each output chunk is delivered exactly once and in order, whatever mixture of SSE cuts, replays and polling.

Otherwise a named error is raised, never wrong text. Here at the level of values: a simulated server that knows the
truth against the state machine, with neither sockets nor clocks. 500 lives by day, 20,000 by night; each is made
from its number, so a failure names what to run again.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any

import attrs
import pytest

from replicate_home.exceptions import (
    APIError,
    ConnectFailed,
    Disconnected,
    FileExpired,
    ProtocolError,
    RequestTimeout,
    TransportError,
)
from replicate_home.lifecycle.life import Output
from replicate_home.lifecycle.machine import Kind, Pausing, Reading, Sending, Settled, State, creating
from replicate_home.protocol.sse import Decoder
from replicate_home.records.events import DoneEvent
from replicate_home.wire import Request, Response

from ..hypothesis_profiles import is_nightly
from .lives import CREATE, EVENT_STREAM, NOW, answer, as_value, created, terms, told

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(600)]
LIVES = 20_000 if is_nightly() else 500
STEPS = 100 if is_nightly() else 50
"""How many steps the server is at odds with us, before it has mercy."""

CUT = Disconnected("cut", phase="body", may_have_been_processed=True)
SILENT = RequestTimeout("silent", phase="body", may_have_been_processed=True)
TOKENS = [
    "Hel", "lo", " ", "", "\n", "a\r\nb", "\r\n", "\rc", "é", "漢字", "🙂", "data: x", ":", "\n\n", "{}", "1", "end\n",
]  # fmt: skip
ITEMS = [{"a": 1}, [1, [2]], 0, 2.5, True, {"text": "é\n"}, None, "plain", ["x"], {"b": {"c": []}}]
IDS = ["numbered", "seconds", "opaque", "none", "some"]


@attrs.define
class Server:
    """Knows the truth, and tells it in pieces, late, twice, or not at all; ``rules`` counts what it did.

    An honest server can be followed to the end whatever it does. Another one skips events that have no number,
    gives two events one id, or contradicts itself: then an error must say so.
    """

    random: Random
    honest: bool
    rules: Counter[str]
    truth: list[Any] = attrs.Factory(list)
    text: bool = True
    whole: bool = False
    ids: str = "numbered"
    line: str = "\n"
    made: int = 0
    finished: bool = False
    final: Any = None
    gone: bool = False
    patience: int = 0

    def __attrs_post_init__(self) -> None:
        random = self.random
        self.text = random.random() < 0.8
        self.truth = random.choices(TOKENS if self.text else ITEMS, k=random.choice([0, 1, 2, 5, 12, 30]))
        if self.text:
            self.truth = without_split_line_breaks(self.truth)
        self.whole = self.text and random.random() < 0.2
        self.ids = random.choice(IDS)
        self.line = random.choice(["\n", "\r\n", "\r"])
        self.rules.update([f"ids {self.ids}", f"lines {self.line!r}", "text" if self.text else "items"])
        self.rules["whole"] += self.whole
        self.patience = STEPS

    def does(self, rule: str, chance: float = 0.15) -> bool:
        """Whether it breaks this rule now; not forever."""
        done = self.patience > 0 and self.random.random() < chance
        self.rules[rule] += done
        return done

    def work(self) -> None:
        self.patience -= 1
        pieces = self.random.choice([0, 0, 0, 1, 1, 2]) if self.patience > 0 else len(self.truth)
        self.made = min(len(self.truth), self.made + pieces)
        self.finished = self.made == len(self.truth) and (self.patience <= 0 or self.random.random() < 0.1)

    # ---- polls -----------------------------------------------------------------------------------------------

    def poll(self) -> Response | TransportError | ProtocolError:
        self.work()
        if self.does("poll refused"):
            return ConnectFailed("refused")
        if self.does("poll cut"):
            return CUT
        if self.does("poll fails"):
            return answer(self.random.choice([429, 500, 503, 520]), b"<html>")
        if self.does("poll makes no sense", 0.05):
            return answer(200, b"<html>")
        if self.finished:
            self.gone = not self.honest and self.does("removed", 0.1)
            self.final = None if self.gone else self.output(self.made, final=True)
            return told("succeeded", self.final, streams=True, data_removed=self.gone)
        made = self.made
        if self.does("poll is behind"):
            made = self.random.randint(0, made)
        return told(self.random.choice(["processing", "starting", "queued"]), self.output(made), streams=True)

    def output(self, made: int, *, final: bool = False) -> Any:
        if not self.honest and self.does("contradicts itself", 0.1):
            return self.random.choice([["other"], "other", {"other": 1}, [], None])
        if not final and self.does("output comes late"):
            return None
        pieces = self.truth[:made]
        if self.whole:
            return "".join(pieces)
        return self.cut_differently(pieces) if self.text and self.does("pieces cut differently") else pieces

    def cut_differently(self, pieces: list[str]) -> list[str]:
        text = "".join(pieces)
        places = sorted({0, len(text), *self.random.choices(range(len(text) + 1), k=3)})
        return [text[start:stop] for start, stop in pairwise(places)]

    # ---- streams ---------------------------------------------------------------------------------------------

    def open(self, request: Request) -> Response | TransportError | ProtocolError:
        if self.does("stream refused", 0.05):
            return answer(self.random.choice([401, 404, 410]))
        if self.does("stream fails"):
            return answer(self.random.choice([429, 503]))
        if self.does("stream cut at once", 0.1):
            return CUT
        return EVENT_STREAM

    def arrivals(self, request: Request) -> Iterator[bytes | TransportError | None]:
        """What can be read: bytes in pieces, and how it ends."""
        first = self.first(request.headers.get("Last-Event-ID"))
        sent = b"".join(self.events(first)).replace(b"\n", self.line.encode())
        ending = None
        if self.does("cut anywhere", 0.7):
            sent = sent[: self.random.randint(0, len(sent))]
            ending = self.random.choice([CUT, SILENT, None])
        while sent:
            size = self.random.choice([1, 2, 3, 7, 30, 200, len(sent)])
            yield sent[:size]
            sent = sent[size:]
        yield ending

    def first(self, last_event_id: str | None) -> int:
        """The number of the first event of a stream that is to go on after that id."""
        if last_event_id is None:
            return 0
        known = [self.own_id(number) for number in range(len(self.truth))]
        after = len(known) - known[::-1].index(last_event_id) if last_event_id in known else 0
        if self.does("ignores Last-Event-ID", 0.3):
            return 0
        if self.does("goes back too far", 0.3):
            return self.random.randint(0, after)
        if (not self.honest or self.ids == "numbered") and self.does("goes on too late", 0.2):
            return after + 1
        return after

    def own_id(self, number: int) -> str | None:
        if self.ids == "numbered":
            return f"1700000000:{number}"
        if self.ids == "seconds":
            return f"{1700000000 + number // 3}:{number % 3}"
        if self.ids == "opaque":
            return f"chunk-{number}"
        return None if self.ids == "none" or number % 2 else f"chunk-{number}"

    def events(self, first: int) -> Iterator[bytes]:
        self.work()
        number = first
        while True:
            if number >= self.made:
                if self.finished or self.does("ends while it runs", 0.2) or self.does("done too early", 0.03):
                    break
                self.work()
                continue
            if (not self.honest or self.ids == "numbered") and self.does("leaves one out", 0.03):
                number += 1
                continue
            if self.does("comments"):
                yield b": still here\n\n"
            if self.does("logs"):
                yield b"event: logs\ndata: step\n\n"
            own_id = self.own_id(number)
            if not self.honest and self.does("gives two events one id", 0.05):
                own_id = self.own_id(0)
            yield event_bytes(self.truth[number], own_id)
            if self.does("says it twice", 0.1) and own_id is not None:
                yield event_bytes(self.truth[number], own_id)
            number += 1
        if not self.does("no done", 0.6):
            yield b"event: done\ndata: {}\n\n"


def event_bytes(item: Any, own_id: str | None) -> bytes:
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    lines = re.split("\r\n|\r|\n", text)
    head = "event: output\n" + (f"id: {own_id}\n" if own_id is not None else "")
    return (head + "".join(f"data: {line}\n" for line in lines) + "\n").encode()


def without_split_line_breaks(pieces: list[str]) -> list[str]:
    """A CR and an LF in neighboring pieces are two line breaks in an event stream: nobody can tell."""
    kept: list[str] = []
    for piece in pieces:
        if not (kept and "".join(kept).endswith("\r") and piece.startswith("\n")):
            kept.append(piece)
    return kept


def plain_lines(items: list[Any]) -> str:
    return re.sub("\r\n?", "\n", "".join(items))


def as_items(output: Any) -> list[Any]:
    return [] if output is None else output if isinstance(output, list) else [output]


def agrees(delivered: Any, item: Any) -> bool:
    """A stream writes JSON as text, polls as it is."""
    return bool(delivered == item or (isinstance(delivered, str) and json.loads(delivered) == item))


@attrs.define
class Client:
    """Does what the states say, and keeps what the caller was handed."""

    server: Server
    now: float = NOW
    heard: list[Any] = attrs.Factory(list)
    arriving: Iterator[bytes | TransportError | None] = attrs.Factory(lambda: iter(()))
    decoder: Decoder = attrs.Factory(Decoder)
    steps: int = 0

    def live(self) -> Settled:
        state: State = creating(terms(seed=self.server.random.random()), CREATE, self.now)
        while not isinstance(state, Settled):
            self.steps += 1
            assert self.steps < 10_000, "it never ends"
            state = self.step(state)
            self.heard += [item for news in state.news if isinstance(news, Output) for item in news.items]
            assert self.heard == list(state.life.delivered)
            if self.server.honest:
                self.check_beginning()
        return state

    def step(self, state: Sending | Pausing | Reading) -> State:
        if isinstance(state, Pausing):
            self.now = state.until
            return state.next(self.now)
        self.now += self.server.random.choice([0.0, 0.01, 0.3])
        if isinstance(state, Reading):
            came = next(self.arriving)
            arrived = self.decoder.feed(came) if isinstance(came, bytes) else came
            return state.next(arrived, self.now, self.decoder.retry)
        return state.next(self.send(state), self.now)

    def send(self, sending: Sending) -> Response | TransportError | ProtocolError:
        if sending.kind is Kind.CREATE:
            return created(streams=True)
        if sending.kind is Kind.CANCEL:
            return told("canceled")
        if sending.kind is Kind.POLL:
            return self.server.poll()
        self.arriving, self.decoder = self.server.arrivals(sending.request), Decoder()
        return self.server.open(sending.request)

    def check_beginning(self) -> None:
        """What the caller has is the beginning of the truth, at every moment."""
        truth = self.server.truth
        if self.server.text:
            assert plain_lines(truth).startswith(plain_lines(self.heard))
        else:
            assert len(self.heard) <= len(truth)
            assert all(map(agrees, self.heard, truth))

    def has_everything(self) -> bool:
        truth = self.server.truth if self.server.honest else as_items(self.server.final)
        if all(isinstance(item, str) for item in truth):
            return plain_lines(self.heard) == plain_lines(truth)
        return len(self.heard) == len(truth) and all(map(agrees, self.heard, truth))


def lives(honest: bool) -> tuple[Counter[str], Counter[str]]:
    """Live them all; the rules that were broken, and the ends (and all steps taken)."""
    rules: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    for number in range(LIVES):
        client = Client(Server(Random(number), honest, rules))
        try:
            end = client.live()
            check_end(client, end)
        except AssertionError as error:
            error.add_note(f"life number {number}, honest={honest}: {client.server}")
            raise
        ends[type(end.error).__name__] += 1
        rules["steps"] += client.steps
    return rules, ends


def check_end(client: Client, end: Settled) -> None:
    if end.error is None:
        # What was removed can be compared with nothing: then the stream's own word has to do.
        assert end.life.done if client.server.gone else client.has_everything()
        assert isinstance(end.news[-1], DoneEvent)
        return
    assert isinstance(end.error, (ProtocolError, FileExpired, APIError, TransportError))
    assert end.error.prediction is not None
    assert not [news for news in end.news if isinstance(news, DoneEvent)]


EVERY_RULE = {
    *(f"ids {ids}" for ids in IDS),
    *(f"lines {line!r}" for line in ("\n", "\r\n", "\r")),
    "text", "items", "whole", "poll refused", "poll cut", "poll fails", "poll makes no sense", "poll is behind",
    "output comes late", "pieces cut differently", "stream refused", "stream fails", "stream cut at once",
    "cut anywhere", "ignores Last-Event-ID", "goes back too far", "goes on too late", "ends while it runs",
    "done too early", "leaves one out", "comments", "logs", "says it twice", "no done",
}  # fmt: skip


def test_an_honest_server_is_followed_to_the_end_however_it_cuts_repeats_and_delays():
    rules, ends = lives(honest=True)
    assert not EVERY_RULE - {rule for rule, count in rules.items() if count > 5}
    # Polls that fail ten times in a row are the only way to give up on it.
    assert "OutputDiverged" not in ends
    assert ends["NoneType"] >= 0.99 * LIVES
    assert sum(ends.values()) == LIVES
    assert rules["steps"] > STEPS * LIVES / 2


def test_a_server_that_contradicts_itself_is_found_out():
    rules, ends = lives(honest=False)
    dishonest = {"removed", "contradicts itself", "gives two events one id"}
    assert not (EVERY_RULE | dishonest) - {rule for rule, count in rules.items() if count > 3}
    assert ends["OutputDiverged"] > 0.05 * LIVES
    assert ends["NoneType"] > 0.2 * LIVES


@pytest.mark.parametrize("line", ["\n", "\r\n", "\r"])
def test_a_stream_that_is_cut_at_any_byte_and_opened_again_delivers_all_of_it_once(line):
    """Every offset of a whole stream, with each way a server may go on."""
    truth = ("Hel", "lo\n", "", "wor\r\nld ", "漢字", "🙂")
    cases = 0
    for ids in ("numbered", "seconds", "opaque"):
        stream = served(truth, ids, 0, line)
        for offset in range(len(stream) + 1):
            for goes_on in ("after", "from the beginning", "one too early"):
                for size in (1, 4096) if is_nightly() else (4096,):
                    cut_and_reopened(truth, ids, line, stream[:offset], goes_on, size)
                    cases += 1
    assert cases > 2500


def server_with(truth: tuple[str, ...], ids: str) -> Server:
    """One that has finished and breaks no rule any more."""
    server = Server(Random(1), True, Counter())
    server.truth, server.ids, server.made = list(truth), ids, len(truth)
    server.finished, server.patience = True, 0
    return server


@cache
def served(truth: tuple[str, ...], ids: str, first: int, line: str) -> bytes:
    return b"".join(server_with(truth, ids).events(first)).replace(b"\n", line.encode())


def cut_and_reopened(truth: tuple[str, ...], ids: str, line: str, beginning: bytes, goes_on: str, size: int) -> None:
    opening = creating(terms(), CREATE, NOW).next(created(streams=True), NOW)
    state = heard_of(opening.next(EVENT_STREAM, NOW), beginning, size)
    news = [*state[1]]
    if isinstance(state[0], Reading):
        poll = state[0].next(CUT, NOW)
        pausing = poll.next(told("processing", list(truth[:2]), streams=True), NOW)
        news += [*poll.news, *pausing.news]
        reopening = pausing.next(NOW + 9)
        if reopening.kind is Kind.STREAM:
            server = server_with(truth, ids)
            after = server.first(reopening.request.headers.get("Last-Event-ID"))
            first = {"after": after, "from the beginning": 0, "one too early": max(0, after - 1)}[goes_on]
            reading = reopening.next(EVENT_STREAM, NOW + 9)
            state = heard_of(reading, served(truth, ids, first, line), size)
            news += state[1]
        else:
            state = reopening, ()
    assert isinstance(state[0], Sending)
    end = state[0].next(told("succeeded", list(truth)), NOW + 10)
    assert isinstance(end, Settled)
    assert end.error is None, as_value(end.error)
    heard = [item for piece in (*news, *end.news) if isinstance(piece, Output) for item in piece.items]
    assert plain_lines(heard) == plain_lines(list(truth))


def heard_of(state: State, stream: bytes, size: int) -> tuple[State, tuple[Any, ...]]:
    """The state after these bytes, and the news in them."""
    decoder, news = Decoder(), []
    for start in range(0, len(stream), size):
        if not isinstance(state, Reading):
            break
        state = state.next(decoder.feed(stream[start : start + size]), NOW)
        news += state.news
    return state, tuple(news)
