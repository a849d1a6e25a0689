"""The protocol of all dialects: what a kind of server is sent, what its responses mean, and what it can do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import attrs

from ..exceptions import InvalidInput, ProtocolError
from ..protocol.redaction import excerpt
from ..protocol.strict_json import parse_json
from ..records.parsing import parse
from ..records.prediction import Snapshot
from ..wire import Request, Response, Secret
from .refs import ModelRef

if TYPE_CHECKING:
    from ..protocol.sse import ServerSentEvent

# One encoder: json.dumps would build another for every call with these options.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ESCAPING = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


@attrs.frozen
class Create:
    """What the caller wants run. ``wait`` and ``cancel_after`` are in seconds.

    ``id`` and ``created_at`` (ISO 8601) are for servers that leave these to the client; ``follows`` says whether the
    prediction is followed from here to its end.
    """

    ref: ModelRef
    input: Mapping[str, Any]
    wait: int | None = None
    cancel_after: float | None = None
    webhook: str | None = None
    webhook_events_filter: list[str] | None = None
    id: str = ""
    created_at: str | None = None
    follows: bool = True


class Refusal(Enum):
    """What an error status means for a create."""

    FINAL = "it will not be done"
    AGAIN = "nothing was created; asking again a few times may help"
    LATER = "nothing was created; the server is busy or not ready"
    UNKNOWN = "it may or may not have been created"


class Dialect(Protocol):
    """One kind of server. A request that it does not support is None.

    It is asked what its server can do, never what it is.
    """

    @property
    def name(self) -> str:
        """What the client calls it."""
        ...

    @property
    def base_url(self) -> str:
        """The address its paths are relative to."""
        ...

    @property
    def token(self) -> Secret | None:
        """What it is sent as ``Authorization: Bearer``, if anything."""
        ...

    @property
    def aliases(self) -> bool:
        """Whether it knows short names of models."""
        ...

    @property
    def uploads(self) -> bool:
        """Whether files can be uploaded; otherwise they are sent inline."""
        ...

    keeps: ClassVar[bool]
    """Whether a prediction outlives the connection that created it, and can be read after it has ended."""

    advice: ClassVar[Mapping[int, str]]
    """What the caller can do about a refusal, by status."""

    def create(self, wanted: Create) -> Request:
        """Create a prediction."""
        ...

    def expected(self, wanted: Create) -> Snapshot | None:
        """The prediction that :meth:`create` asks for, if its id is made here; None if the server makes it."""
        ...

    def instead(self, create: Request, status: int) -> Request | None:
        """The same create in another form, if the status refuses only the form; None for any other refusal."""
        ...

    def health(self) -> Request | None:
        """Read the server's health, after it refused a create for now; None if it has no such endpoint."""
        ...

    def broken(self, response: Response) -> str | None:
        """Why the server will never be ready, from the response to :meth:`health`; None if it may be."""
        ...

    def poll(self, known: Snapshot) -> Request:
        """Read the prediction."""
        ...

    def cancel(self, known: Snapshot) -> Request | None:
        """Cancel the prediction; None if the server cannot."""
        ...

    def stream(self, known: Snapshot, last_event_id: str | None) -> Request | None:
        """Open its event stream, after the event with ``last_event_id``; None if it has none."""
        ...

    def snapshot(self, response: Response, known: Snapshot | None) -> Snapshot:
        """The prediction that a response describes; raises :class:`ProtocolError`."""
        ...

    def refusal(self, status: int) -> Refusal:
        """What an error status in response to a create means."""
        ...

    def gone(self, response: Response) -> bool:
        """Whether this response to a poll or a cancel means that the server does not know the prediction."""
        ...

    def heard(self, events: Sequence[ServerSentEvent]) -> Sequence[ServerSentEvent]:
        """The events of a stream as the hosted API names them, and ``prediction``, whose data is a whole prediction.

        Raises :class:`ProtocolError`.
        """
        ...

    def file(self, url: str) -> Request:
        """Download an output file."""
        ...

    def schema(self, ref: ModelRef) -> Request | None:
        """Read the model's schema; None if the server has none."""
        ...

    def openapi(self, response: Response) -> Mapping[str, Any]:
        """The OpenAPI document in the response to :meth:`schema`; empty if there is none."""
        ...

    def call(self, method: str, path: str, **parts: Any) -> Request:
        """Any other call of the API; raises PermissionDenied if the server has no such API."""
        ...


class OrdinaryAnswers:
    """What is common to ordinary HTTP APIs: the server makes the ids, and keeps predictions for a while."""

    keeps: ClassVar[bool] = True
    advice: ClassVar[Mapping[int, str]] = {}

    def expected(self, wanted: Create) -> Snapshot | None:  # noqa: ARG002 - the protocol's signature
        """None: the server makes the ids."""
        return None

    def instead(self, create: Request, status: int) -> Request | None:  # noqa: ARG002 - as above
        """None: there is only one form."""
        return None

    def health(self) -> Request | None:
        """None: it has no such endpoint."""
        return None

    def broken(self, response: Response) -> str | None:  # noqa: ARG002 - as above
        """None: it does not say."""
        return None

    def heard(self, events: Sequence[ServerSentEvent]) -> Sequence[ServerSentEvent]:
        """The same events."""
        return events

    def refusal(self, status: int) -> Refusal:
        """429 comes from a rate limiter, before anything is created; a 5xx may come after."""
        if status == 429:
            return Refusal.AGAIN
        return Refusal.UNKNOWN if status >= 500 else Refusal.FINAL

    def gone(self, response: Response) -> bool:
        """404 and 410."""
        return response.status in (404, 410)


def encode_json(value: Any) -> bytes:
    """The value as the body of a request; raises TypeError or ValueError for what is not JSON."""
    text = _ENCODER.encode(value)
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate, as from a file name that is not UTF-8: JSON has an escape for it
        return _ESCAPING.encode(value).encode()


def parse_prediction(response: Response) -> dict[str, Any]:
    """The JSON object in a response; raises :class:`ProtocolError`."""
    found = parse_json(response.body)
    if not isinstance(found, dict):
        raise ProtocolError(f"expected a prediction (a JSON object), got a JSON {type(found).__name__}")
    return found


def checked_id(prediction_id: str) -> str:
    """The id, safe in a path; raises InvalidInput for one that is not."""
    if not isinstance(prediction_id, str):
        raise TypeError(f"a prediction id must be a string, got {type(prediction_id).__name__}")
    if not _ID.fullmatch(prediction_id):
        raise InvalidInput(f"a prediction id must be letters and digits, got {prediction_id[:100]!r}")
    return prediction_id


def checked_snapshot(found: dict[str, Any], known: Snapshot | None) -> Snapshot:
    """The prediction in a response; raises :class:`ProtocolError` if it is not one, or not the ``known`` one."""
    snapshot = parse(Snapshot, found)
    if "status" not in found:
        raise ProtocolError("expected a prediction, got an object without 'status'")
    if not _ID.fullmatch(snapshot.id):
        raise ProtocolError(f"a prediction's 'id' should be letters and digits, got {excerpt(snapshot.id)!r}")
    if known is not None and snapshot.id != known.id:
        raise WrongPrediction(f"asked for prediction {known.id!r}, got {excerpt(snapshot.id)!r}")
    return snapshot


def snapshot_of_answer(dialect: Dialect, response: Response, known: Snapshot) -> Snapshot:
    """The prediction in the response to a call about it; raises a plain :class:`ProtocolError` for any other."""
    try:
        return dialect.snapshot(response, known)
    except WrongPrediction as error:
        message = str(error)
    raise ProtocolError(message)


class WrongPrediction(ProtocolError):
    """The response is for another prediction: asking again would not help."""
