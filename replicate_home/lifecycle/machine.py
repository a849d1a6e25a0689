"""The life of a prediction as a state machine whose states are values.

A state says what must be done now; ``state.next(what came back, now)`` is the next state. Nothing here does
I/O, reads a clock, draws a number or logs: time comes in as ``now``, randomness as a seed. The rules stand below
the states, one function each.

States: :class:`Sending` (send this request), :class:`Pausing` (sleep until), :class:`Reading` (take what has
arrived on the event stream), :class:`Settled` (nothing left to do).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import attrs

from ..dialects.base import Refusal, WrongPrediction
from ..exceptions import (
    APIError,
    Disconnected,
    ModelNotFound,
    NotFound,
    PredictionTimeout,
    ProtocolError,
    RateLimited,
    ReplicateHomeError,
    TLSFailed,
    TransportError,
)
from ..protocol import urls
from ..records.events import DoneEvent
from ..records.prediction import Snapshot, Status
from ..wire import IDEMPOTENT, Request, Response
from . import endings, policy
from .life import Life, News, Output, Terms

if TYPE_CHECKING:
    from ..protocol.sse import ServerSentEvent

Lost = TransportError | ProtocolError
"""No response, or one that makes no sense."""

Came = Response | Lost


class Kind(StrEnum):
    """What a request is for; each kind has its own rule."""

    CREATE = "create"
    STREAM = "stream"
    POLL = "poll"
    LAST_CANCEL = "last cancel"
    LAST_POLL = "last poll"
    CANCEL = "cancel"
    HEALTH = "health"
    PLAIN = "plain"
    FILE = "file"


@attrs.frozen
class Sending:
    """Send ``request`` and wait for the response until ``until``.

    ``cause`` is the error to settle with after a cancel; ``repeatable`` marks a POST that may be sent twice.
    ``expected`` is what a create asks for, where its id is known before; ``then`` what a look at the server's health is
    for. ``admitted`` is the moment for which it has a place within the server's limits.
    """

    life: Life
    kind: Kind
    request: Request
    until: float | None = None
    attempt: int = 0
    hops: int = 0
    repeatable: bool = False
    cause: ReplicateHomeError | None = None
    expected: Snapshot | None = None
    then: Sending | None = None
    news: tuple[News, ...] = ()
    admitted: float | None = None

    def next(self, came: Came, now: float) -> State:
        """What to do after this response, or the lack of one."""
        asked = self if self.admitted is None else attrs.evolve(self, admitted=None)  # what follows is to wait anew
        return _in_time(_RULES[self.kind](asked, came, now), now)

    def delayed(self, until: float, now: float) -> State:
        """It may not be sent before ``until``, for the sake of the server's limits."""
        if _is_late(self.life, until) and self.kind not in _FOLLOWING:
            return Settled(self.life, endings.paced(until - now, self.life.snapshot))
        return _in_time(Pausing(self.life, until, attrs.evolve(self, admitted=until, news=())), now)

    def leave(self, now: float) -> State:
        """The caller is gone: cancel what this life created, unless that is under way."""
        return Settled(self.life, self.cause) if self.kind in _LATE else _leave(_naming(self), now)


@attrs.frozen
class Pausing:
    """Sleep until ``until``; then comes ``then``, a retry where there is a ``failure`` to repeat it for."""

    life: Life
    until: float
    then: Sending
    news: tuple[News, ...] = ()
    failure: ReplicateHomeError | None = attrs.field(default=None, eq=False)  # errors are never equal

    def next(self, now: float) -> State:
        """The time has come."""
        return _in_time(attrs.evolve(self.then, until=_until(self.life, self.then.request, now)), now)

    def denied(self) -> Settled:
        """There is no retry: too many have failed."""
        return Settled(self.life, self.failure)

    def leave(self, now: float) -> State:
        """The caller is gone."""
        return _leave(self.life, now)


@attrs.frozen
class Reading:
    """Take what has arrived on the open event stream, waiting for it until ``until``."""

    life: Life
    until: float | None = None
    news: tuple[News, ...] = ()

    def next(self, came: list[ServerSentEvent] | Lost | None, now: float, retry_ms: int | None = None) -> State:
        """What to do after these events; None is the end of the stream, ``retry_ms`` the delay it asked for."""
        return _in_time(_read(self.life, came, now, retry_ms), now)

    def leave(self, now: float) -> State:
        """The caller is gone."""
        return _leave(self.life, now)


@attrs.frozen
class Settled:
    """Nothing left to do: ``error`` is raised to the caller, ``answer`` is the response to a plain request."""

    life: Life
    error: ReplicateHomeError | None = None
    answer: Response | None = None
    news: tuple[News, ...] = ()

    @property
    def status(self) -> str:
        """The server's terminal status, or our own ``timeout`` if the life ended before its prediction did."""
        snapshot = self.life.snapshot
        if isinstance(self.error, PredictionTimeout) or snapshot is None or not snapshot.is_terminal:
            return Status.TIMEOUT
        return snapshot.status

    def leave(self, now: float) -> State:  # noqa: ARG002 - every state can be left
        """It is over already."""
        return self


State = Sending | Pausing | Reading | Settled

# ---- how a life begins --------------------------------------------------------------------------------------


def creating(terms: Terms, request: Request, now: float, expected: Snapshot | None = None) -> State:
    """A life that begins with a create; ``expected`` is what it asks for, if its id is made here."""
    sending = _send(Life(terms, now, streams=terms.streams), Kind.CREATE, request, now)
    return sending if expected is None else attrs.evolve(sending, expected=expected)


def following(terms: Terms, snapshot: Snapshot, now: float) -> State:
    """A life that goes on from what is known of a prediction."""
    return _in_time(_follow(Life(terms, now, snapshot, streams=terms.streams), (), now), now)


def plain(terms: Terms, request: Request, now: float, *, repeatable: bool = False) -> State:
    """A life of one call of the API; ``repeatable`` marks a POST that does no harm twice."""
    return attrs.evolve(_send(Life(terms, now), Kind.PLAIN, request, now), repeatable=repeatable)


def downloading(terms: Terms, request: Request, now: float) -> State:
    """A life of one download; its body is open when it is settled with an answer."""
    return _send(Life(terms, now), Kind.FILE, request, now)


# ---- the rules, one per kind of request ---------------------------------------------------------------------


def _created(sending: Sending, came: Came, now: float) -> State:
    """Rule 1: a create is repeated only if it is known not to have been processed."""
    life, dialect = sending.life, sending.life.terms.dialect
    if not isinstance(came, Response):
        return _outcome_unknown(sending, came, now) if _may_have_been_processed(came) else _again(sending, came, now)
    if came.is_event_stream and sending.expected is not None:
        life, news = attrs.evolve(life, tied=True, opens=1).seeing(sending.expected)
        return _reading(life, now, news)
    if 200 <= came.status < 300:
        try:
            snapshot = dialect.snapshot(came, sending.expected)
        except ProtocolError as error:
            return _outcome_unknown(sending, _unreadable(sending, error), now)
        held = sending.request.hold > 0 and came.status == 201
        return _follow(*life.seeing(snapshot), now, at_once=held and snapshot.output is not None)
    if came.status < 400:
        return Settled(life, _redirect(sending, came))
    if (another := dialect.instead(sending.request, came.status)) is not None:
        return attrs.evolve(sending, request=_reaching(life, another), news=())
    match dialect.refusal(came.status):
        case Refusal.AGAIN:
            return _again(sending, came, now)
        case Refusal.LATER:
            return _when_ready(sending, came, now)
        case Refusal.UNKNOWN:
            return _outcome_unknown(sending, _refusal(sending, came, now), now)
        case Refusal.FINAL:
            return Settled(life, _refusal(sending, came, now))


def _healthy(sending: Sending, came: Came, now: float) -> State:
    """Rule 1: a server that is busy or starting is asked again while there is time; a broken one is not."""
    life, then = sending.life, sending.then
    assert then is not None
    assert isinstance(sending.cause, APIError)
    if isinstance(came, Response) and (why := life.terms.dialect.broken(came)) is not None:
        return Settled(life, endings.never_ready(why, sending.cause))
    return _pause_until_ready(life, then, sending.cause, now)


def _opened(sending: Sending, came: Came, now: float) -> State:
    """Rule 3: a stream that does not open is followed by a poll; some refusals are final."""
    life = sending.life
    if isinstance(came, Response):
        if came.is_event_stream:
            return _reading(attrs.evolve(life, opens=life.opens + 1), now)
        if _may_redirect(sending, came):
            return _redirected(sending, came, now)
        if came.status not in policy.RETRYABLE:
            life = attrs.evolve(life, streams=False)
    return _cut(life, now)


def _polled(sending: Sending, came: Came, now: float) -> State:
    """Rule 2: a failed poll is a poll without news. Rule 3: after a cut it decides how to go on."""
    life = sending.life
    if not isinstance(came, Response):
        return _poll_failed(life, came, now)
    if _may_redirect(sending, came):
        return _redirected(sending, came, now)
    if 300 <= came.status < 400:
        return Settled(life, _interrupted(life, _redirect(sending, came)))
    dialect = life.terms.dialect
    gone = dialect.gone(came)
    if gone and not dialect.keeps:
        assert life.snapshot is not None
        return Settled(life, endings.forgotten(life.snapshot, life.delivered))
    if not 200 <= came.status < 300:
        refusal = _refusal(sending, came, now)
        lags = gone and now - life.began < policy.REPLICA_LAG
        if came.status in policy.RETRYABLE or lags:
            return _poll_failed(life, refusal, now)
        return Settled(life, refusal)
    try:
        snapshot = dialect.snapshot(came, life.snapshot)
    except WrongPrediction as error:
        # To callers it is a plain ProtocolError.
        return _abandon(life, ProtocolError(str(error), prediction=life.snapshot), now)
    except ProtocolError as error:
        return _poll_failed(life, _unreadable(sending, error), now)
    life, news = attrs.evolve(life, poll_errors=0, failing_since=None).seeing(snapshot)
    if snapshot.is_terminal:
        return _finish(life, news)
    # Without ids, only a stream that was never open, or a server that replays from the start and keeps nothing.
    may_open = life.seen.last or life.opens == 0 or not dialect.keeps
    if life.reopen and life.streams and may_open and life.cuts <= policy.MOST_CUTS:
        return _reopen(life, news, now)
    return _go_on_polling(life, news, now)


def _canceled_last(sending: Sending, came: Came, now: float) -> State:
    """Rule 6: the response to the cancel is the last look; a cancel that failed is followed by a poll."""
    life = sending.life
    accepted = isinstance(came, Response) and (200 <= came.status < 300 or _ended_with_its_connection(life, came))
    if not accepted and (sending.until is None or now < sending.until):
        return attrs.evolve(sending, kind=Kind.LAST_POLL, request=_poll_request(life), news=())
    return _looked(life, came, canceled=accepted)


def _polled_last(sending: Sending, came: Came, now: float) -> State:  # noqa: ARG001 - the signature of a rule
    """Rule 6: whatever the last poll says, it is over."""
    canceled = isinstance(came, Response) and _ended_with_its_connection(sending.life, came)
    return _looked(sending.life, came, canceled=canceled)


def _looked(life: Life, came: Came, *, canceled: bool) -> State:
    """Rule 6: a finished result in the last look wins; a prediction that we tried to cancel timed out."""
    tried = _cancel_request(life) is not None
    news: tuple[News, ...] = ()
    snapshot = _snapshot_or_none(life, came)
    if snapshot is not None:
        life, news = life.seeing(snapshot)
        stopped = snapshot.status in (Status.CANCELED, Status.ABORTED)
        if snapshot.is_terminal and not (tried and stopped):
            return _finish(life, news)
        canceled = canceled or stopped
    assert life.snapshot is not None
    error = endings.timed_out(life.snapshot, life.terms.timeout.total, canceled, keeps=life.terms.dialect.keeps)
    return Settled(life, error, news=news)


def _left(sending: Sending, came: Came, now: float) -> State:
    """Rule 7: one cancel, sent once more if the connection broke; whatever the response, it is over."""
    life = sending.life
    if not isinstance(came, Response) and sending.attempt == 0 and (sending.until is None or now < sending.until):
        return attrs.evolve(sending, attempt=1, news=())
    snapshot = _snapshot_or_none(life, came)
    return Settled(attrs.evolve(life, snapshot=snapshot) if snapshot else life, sending.cause)


def _answered(sending: Sending, came: Came, now: float) -> State:
    """Every other call: repeated if that is harmless, settled by its response."""
    harmless = sending.request.method in IDEMPOTENT or sending.repeatable
    if not isinstance(came, Response):
        again = harmless or not _may_have_been_processed(came)
        if isinstance(came, ProtocolError) and sending.attempt > 0:
            again = False  # twice is no accident, and the response may be large
        return _again(sending, came, now) if again else Settled(sending.life, came)
    if came.status < 300:
        return Settled(sending.life, answer=came)
    if _may_redirect(sending, came):
        return _redirected(sending, came, now)
    if came.status < 400:
        return Settled(sending.life, _redirect(sending, came))
    if came.status == 429 or (harmless and came.status in policy.RETRYABLE):
        return _again(sending, came, now)
    return Settled(sending.life, _refusal(sending, came, now))


def _downloaded(sending: Sending, came: Came, now: float) -> State:
    """A file: it may be on another host, or gone; the driver passes its body on."""
    if isinstance(came, Response) and came.status in _REDIRECTS:
        target = urls.resolve(sending.request.url, came.headers.get("location", ""))
        base_url = sending.life.terms.dialect.base_url
        if sending.hops >= _MOST_HOPS or not came.headers.get("location") or not urls.is_safe(base_url, target):
            return Settled(sending.life, endings.unsafe(target))
        headers = {name: value for name, value in sending.request.headers.items() if name.lower() in _HARMLESS}
        request = attrs.evolve(sending.request, url=target, token=None, headers=headers)
        return attrs.evolve(sending, request=request, hops=sending.hops + 1, news=())
    if isinstance(came, Response) and came.status in (403, 404, 410):
        return Settled(sending.life, endings.file_expired(sending.request.url, came.status))
    return _answered(sending, came, now)


_RULES: dict[Kind, Callable[[Sending, Came, float], State]] = {
    Kind.CREATE: _created,
    Kind.HEALTH: _healthy,
    Kind.STREAM: _opened,
    Kind.POLL: _polled,
    Kind.LAST_CANCEL: _canceled_last,
    Kind.LAST_POLL: _polled_last,
    Kind.CANCEL: _left,
    Kind.PLAIN: _answered,
    Kind.FILE: _downloaded,
}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HARMLESS = frozenset({"accept", "accept-encoding", "user-agent", "range", "if-range"})
_MOST_HOPS = 5
_LATE = frozenset({Kind.LAST_CANCEL, Kind.LAST_POLL, Kind.CANCEL})
_FOLLOWING = (Kind.POLL, Kind.STREAM)


# ---- the open stream ----------------------------------------------------------------------------------------


def _read(life: Life, came: list[ServerSentEvent] | Lost | None, now: float, retry_ms: int | None) -> State:
    """Rules 3 and 4: new events are news; the end of a stream, a gap or a final event is followed by a poll."""
    if not isinstance(came, list):
        return _stream_lost(life, came, now, retry_ms)
    before = life.snapshot
    try:
        life, news, over = life.hearing(came)
    except ProtocolError as error:
        return _stream_lost(life, error, now, retry_ms)
    if life.snapshot is not before and life.snapshot is not None and life.snapshot.is_terminal:
        return _finish(life, news)
    if over and life.tied:
        return _torn(life, None, now, news)
    if over:
        return _send(attrs.evolve(life, streams=False), Kind.POLL, _poll_request(life), now, news)
    return _reading(life, now, news)


def _stream_lost(life: Life, came: Lost | None, now: float, retry_ms: int | None) -> State:
    if life.tied:
        return _torn(life, came, now)
    makes_sense = not isinstance(came, ProtocolError)
    return _cut(attrs.evolve(life, retry_ms=retry_ms, streams=life.streams and makes_sense), now)


def _torn(life: Life, came: Lost | None, now: float, news: tuple[News, ...] = ()) -> State:
    """The connection is lost, and the prediction with it: nothing is left to poll, but time may be up."""
    if _is_late(life, now):
        return _last_look(life, news, now)
    assert life.snapshot is not None
    return _abandon(life, endings.torn(life.snapshot, life.delivered, came), now, news)


def _cut(life: Life, now: float) -> State:
    life = attrs.evolve(life, reopen=True, cuts=life.cuts + 1)
    return _send(life, Kind.POLL, _poll_request(life), now)


def _reopen(life: Life, news: tuple[News, ...], now: float) -> State:
    assert life.snapshot is not None
    request = life.terms.dialect.stream(life.snapshot, life.seen.last)
    if request is None:
        return _go_on_polling(life, news, now)
    hurries = not life.terms.dialect.keeps
    delay = policy.reopen_delay(life.cuts, life.retry_ms, life.drawn(), hurries=hurries)
    life = attrs.evolve(life, draws=life.draws + 1)
    return Pausing(life, now + delay, Sending(life, Kind.STREAM, _reaching(life, request)), news)


# ---- going on, and coming to an end -------------------------------------------------------------------------


def _follow(life: Life, news: tuple[News, ...], now: float, *, at_once: bool = False) -> State:
    """Go on from a snapshot: finish, open the stream, or poll, ``at_once`` if it is known to be over.

    A create that was held and answers 201 has the whole output, but neither its final status nor file URLs.
    """
    assert life.snapshot is not None
    if not life.terms.follows:
        return Settled(life, news=news)
    if life.snapshot.is_terminal:
        return _finish(life, news)
    if at_once:
        return _send(life, Kind.POLL, _poll_request(life), now, news)
    request = life.terms.dialect.stream(life.snapshot, None) if life.streams else None
    if request is not None:
        return _send(life, Kind.STREAM, request, now, news)
    return _go_on_polling(life, news, now)


def _go_on_polling(life: Life, news: tuple[News, ...], now: float) -> State:
    """Hand out what is new in the snapshot; then poll, as there is no stream any more."""
    life, items = attrs.evolve(life, streams=False).delivering(final=False)
    if items is None:
        assert life.snapshot is not None
        return _abandon(life, endings.diverged(life.snapshot, life.delivered), now, news)
    return _pause_for_poll(life, 0.0, now, news + _output(items))


def _pause_for_poll(life: Life, least: float, now: float, news: tuple[News, ...] = ()) -> State:
    delay = max(life.terms.pace.interval(now - life.began, life.drawn()), least)
    life = attrs.evolve(life, draws=life.draws + 1)
    return Pausing(life, now + delay, Sending(life, Kind.POLL, _poll_request(life)), news)


def _poll_failed(life: Life, failure: ReplicateHomeError, now: float) -> State:
    since = now if life.failing_since is None else life.failing_since
    life = attrs.evolve(life, poll_errors=life.poll_errors + 1, failing_since=since)
    asked = failure.retry_after or 0.0 if isinstance(failure, RateLimited) else 0.0
    worn_out = life.poll_errors >= policy.MOST_POLL_ERRORS or now - since >= policy.POLL_ERROR_SECONDS
    if worn_out or asked > policy.LONGEST_SERVER_WAIT or isinstance(failure, TLSFailed):
        return Settled(life, _interrupted(life, failure))
    least = max(policy.patient(asked, life.drawn()), policy.after_failed_poll(life.poll_errors))
    return _pause_for_poll(life, least, now)


def _finish(life: Life, news: tuple[News, ...]) -> State:
    """Rule 5: success is confirmed against the final output, and what is missing of it is delivered."""
    snapshot = life.snapshot
    assert snapshot is not None
    succeeded = snapshot.status == Status.SUCCEEDED
    removed = snapshot.data_removed and snapshot.output is None
    finished, items = (life, []) if removed else life.delivering(final=succeeded)
    news += _output(items or [])
    if not succeeded:
        return Settled(finished, endings.failed(snapshot), news=news)
    if removed and not (life.done and life.terms.delivers):
        return Settled(life, endings.removed(snapshot, life.delivered), news=news)
    if items is None:
        return Settled(life, endings.diverged(snapshot, life.delivered), news=news)
    return Settled(finished, news=(*news, DoneEvent(snapshot)))


def _last_look(life: Life, news: tuple[News, ...], now: float) -> State:
    """Rule 6: at the deadline, the cancel; if there is nothing to cancel, one poll."""
    cancel = _cancel_request(life)
    until = now + policy.LAST_LOOK
    if cancel is None:
        return Sending(life, Kind.LAST_POLL, _poll_request(life), until, news=news)
    return Sending(life, Kind.LAST_CANCEL, cancel, until, news=news)


def _leave(life: Life, now: float) -> Sending | Settled:
    """Rule 7: cancel what this life created, within a short time limit of its own."""
    cancel = _cancel_request(life)
    if cancel is None:
        return Settled(life)
    return Sending(life, Kind.CANCEL, cancel, now + policy.LEAVING)


def _abandon(life: Life, error: ReplicateHomeError, now: float, news: tuple[News, ...] = ()) -> State:
    """Rule 8: an error of ours in the middle of a life cancels as leaving does."""
    state = _leave(life, now)
    if isinstance(state, Settled):
        return Settled(life, error, news=news)
    return attrs.evolve(state, cause=error, news=news)


def _again(sending: Sending, came: Came, now: float) -> State:
    """Send it once more after a pause, unless that is hopeless, too late, or once too often."""
    life = sending.life
    error = came if not isinstance(came, Response) else _refusal(sending, came, now)
    asked = error.retry_after if isinstance(error, RateLimited) else None
    if (
        isinstance(error, TLSFailed)
        or sending.attempt >= life.terms.max_retries
        or (asked or 0.0) > policy.LONGEST_SERVER_WAIT
    ):
        return Settled(life, error)
    delay = policy.backoff(sending.attempt, life.drawn(), throttled=isinstance(error, RateLimited))
    if asked is not None:
        delay = policy.patient(asked, life.drawn())
    elif isinstance(error, Disconnected) and sending.attempt == 0:
        delay = 0.0  # the server had closed a pooled connection: a new one will do
    if life.terms.deadline is not None and now + delay >= life.terms.deadline:
        return Settled(life, error)
    life = attrs.evolve(life, draws=life.draws + 1)
    then = attrs.evolve(sending, life=life, attempt=sending.attempt + 1, news=())
    return Pausing(life, now + delay, then, failure=error)


def _when_ready(sending: Sending, came: Response, now: float) -> State:
    """The server is busy or not ready: look at its health and ask again, which is not a retry."""
    life = sending.life
    cause = endings.busy(_refusal(sending, came, now))
    then = attrs.evolve(sending, news=())
    request = life.terms.dialect.health()
    if request is None:
        return _pause_until_ready(life, then, cause, now)
    return attrs.evolve(_send(life, Kind.HEALTH, request, now), cause=cause, then=then)


def _pause_until_ready(life: Life, then: Sending, cause: APIError, now: float) -> State:
    delay = life.terms.pace.interval(now - life.began, life.drawn())
    if _is_late(life, now + delay):
        return Settled(life, cause)
    life = attrs.evolve(life, draws=life.draws + 1)
    return Pausing(life, now + delay, attrs.evolve(then, life=life))


def _in_time(state: State, now: float) -> State:
    """Rule 6: after the deadline, only the last look goes on."""
    deadline = state.life.terms.deadline
    if deadline is None or isinstance(state, Settled):
        return state
    if now < deadline and not (isinstance(state, Pausing) and state.until > deadline):
        return state
    waiting_for = state.then.kind if isinstance(state, Pausing) else getattr(state, "kind", Kind.STREAM)
    if waiting_for not in _FOLLOWING:
        return state
    return _last_look(state.life, state.news, now) if now >= deadline else attrs.evolve(state, until=deadline)


# ---- small parts --------------------------------------------------------------------------------------------


def _send(life: Life, kind: Kind, request: Request, now: float, news: tuple[News, ...] = ()) -> Sending:
    return Sending(life, kind, _reaching(life, request), _until(life, request, now), news=news)


def _reaching(life: Life, request: Request) -> Request:
    """The request with the caller's limits for reaching the server, and for an upload that stalls."""
    timeout = life.terms.timeout
    if request.uploads:
        return attrs.evolve(request, connect=timeout.connect, idle=timeout.idle)
    return request if request.connect == timeout.connect else attrs.evolve(request, connect=timeout.connect)


def _until(life: Life, request: Request, now: float) -> float | None:
    """When this request times out: at its own limit, or at the deadline if that is sooner."""
    if request.uploads:  # bounded by the time between its pieces
        return life.terms.deadline
    seconds = life.terms.timeout.read
    if request.hold == math.inf:
        return life.terms.deadline
    if seconds is not None and request.hold:
        seconds = max(seconds, request.hold + 15.0)
    return _within(life, seconds, now)


def _within(life: Life, seconds: float | None, now: float) -> float | None:
    """``seconds`` from now, or the deadline if that is sooner."""
    deadline = life.terms.deadline
    if seconds is None:
        return deadline
    return now + seconds if deadline is None else min(deadline, now + seconds)


def _reading(life: Life, now: float, news: tuple[News, ...] = ()) -> Reading:
    return Reading(life, _within(life, life.terms.timeout.idle, now), news)


def _poll_request(life: Life) -> Request:
    assert life.snapshot is not None
    return _reaching(life, life.terms.dialect.poll(life.snapshot))


def _cancel_request(life: Life) -> Request | None:
    """The request that cancels what this life created; None if there is nothing to cancel, or no way to."""
    snapshot = life.snapshot
    if not life.terms.cancels or snapshot is None or snapshot.is_terminal:
        return None
    request = life.terms.dialect.cancel(snapshot)
    return None if request is None else _reaching(life, request)


def _output(items: list[Any]) -> tuple[News, ...]:
    return (Output(items),) if items else ()


def _refusal(sending: Sending, response: Response, now: float) -> APIError:
    """The error for this response; a 404 to a create is about its model."""
    from ..protocol.problems import api_error  # only errors need it

    life = sending.life
    missing = ModelNotFound if sending.kind is Kind.CREATE else NotFound
    return api_error(
        response,
        sending.request,
        wall_time=now + life.terms.epoch,
        prediction=life.snapshot,
        missing=missing,
        advice=life.terms.dialect.advice,
    )


def _outcome_unknown(sending: Sending, cause: ReplicateHomeError, now: float) -> State:
    """A prediction whose id is known is canceled, at the deadline like any other; else there is only the error."""
    life, late = _naming(sending), _is_late(sending.life, now)
    if late and life.snapshot is not None:
        return _last_look(life, (), now)
    keeps = life.terms.dialect.keeps
    return _abandon(life, endings.outcome_unknown(cause, in_time=not late, snapshot=life.snapshot, keeps=keeps), now)


def _naming(sending: Sending) -> Life:
    """The life with the prediction that a create under way asks for, if its id is made here."""
    if sending.expected is None or sending.life.snapshot is not None:
        return sending.life
    return attrs.evolve(sending.life, snapshot=sending.expected, tied=not sending.life.terms.dialect.keeps)


def _ended_with_its_connection(life: Life, response: Response) -> bool:
    """Whether the prediction is gone because its connection is, which is as good as a cancel."""
    return life.tied and life.terms.dialect.gone(response)


def _interrupted(life: Life, cause: ReplicateHomeError) -> ReplicateHomeError:
    return endings.interrupted(life.snapshot, life.delivered, cause, keeps=life.terms.dialect.keeps)


def _is_late(life: Life, now: float) -> bool:
    return life.terms.deadline is not None and now >= life.terms.deadline


def _may_have_been_processed(lost: Lost) -> bool:
    """A response that makes no sense is still a response."""
    return lost.may_have_been_processed if isinstance(lost, TransportError) else True


def _snapshot_or_none(life: Life, came: Came) -> Snapshot | None:
    if not isinstance(came, Response) or not 200 <= came.status < 300:
        return None
    try:
        return life.terms.dialect.snapshot(came, life.snapshot)
    except ProtocolError:
        return None


def _may_redirect(sending: Sending, response: Response) -> bool:
    """Only a GET, only within the origin, at most three times."""
    if response.status not in _REDIRECTS or sending.request.method != "GET" or sending.hops >= 3:
        return False
    location = response.headers.get("location", "")
    here = urls.origin(sending.request.url)
    return bool(location) and urls.origin(urls.resolve(sending.request.url, location)) == here


def _redirected(sending: Sending, response: Response, now: float) -> Sending:
    url = urls.resolve(sending.request.url, response.headers["location"])
    request = attrs.evolve(sending.request, url=url)
    until = _until(sending.life, sending.request, now)
    return attrs.evolve(sending, request=request, hops=sending.hops + 1, until=until, news=())


def _unreadable(sending: Sending, error: ProtocolError) -> ProtocolError:
    from ..protocol.problems import unreadable

    return unreadable(sending.request, error)


def _redirect(sending: Sending, response: Response) -> ProtocolError:
    """The error for a redirect that is not followed."""
    from ..protocol.problems import redirect_error

    return redirect_error(response, sending.request, prediction=sending.life.snapshot)
