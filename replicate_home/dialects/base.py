"""What every dialect must be able to say: four requests, and what an answer to them means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Protocol

import attrs

from ..exceptions import ProtocolError
from ..protocol.redaction import excerpt
from ..protocol.strict_json import parse_json
from ..records.parsing import parse
from ..records.prediction import Snapshot
from ..wire import Request, Response
from .refs import ModelRef

# One encoder: json.dumps would build another for every call with these options.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ESCAPING = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


@attrs.frozen
class Create:
    """What the caller wants run. ``wait`` and ``cancel_after`` are in seconds."""

    ref: ModelRef
    input: Mapping[str, Any]
    wait: int | None = None
    cancel_after: float | None = None
    webhook: str | None = None
    webhook_events_filter: list[str] | None = None


class Dialect(Protocol):
    """One kind of server. A request that it cannot make is None."""

    @property
    def name(self) -> str:
        """What the client calls it."""
        ...

    @property
    def base_url(self) -> str:
        """The address its paths are relative to."""
        ...

    def create(self, wanted: Create) -> Request:
        """Ask for a prediction."""
        ...

    def poll(self, known: Snapshot) -> Request:
        """Ask how it is."""
        ...

    def cancel(self, known: Snapshot) -> Request | None:
        """Ask for it to be stopped; None where the server cannot."""
        ...

    def stream(self, known: Snapshot, last_event_id: str | None) -> Request | None:
        """Ask for its events, after the one with ``last_event_id``; None where there is no event stream."""
        ...

    def snapshot(self, response: Response, known: Snapshot | None) -> Snapshot:
        """The prediction that an answer describes; raises :class:`ProtocolError`."""
        ...

    def not_processed(self, status: int) -> bool:
        """Whether an answer with this status to a create says that nothing was created and asking again may help."""
        ...


def encode_json(value: Any) -> bytes:
    """The value as the body of a request; raises TypeError or ValueError saying what JSON cannot hold."""
    text = _ENCODER.encode(value)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a pair, as from a name that is no UTF-8: JSON has an escape for it
        return _ESCAPING.encode(value).encode()


def parse_prediction(response: Response) -> dict[str, Any]:
    """The JSON object of an answer; raises :class:`ProtocolError`."""
    found = parse_json(response.body)
    if not isinstance(found, dict):
        raise ProtocolError(f"expected a prediction (a JSON object), got a JSON {type(found).__name__}")
    return found


def checked_id(prediction_id: str) -> str:
    """The id, fit to stand in a path; raises ValueError for one that is not."""
    if not isinstance(prediction_id, str):
        raise TypeError(f"a prediction id is a string, got {type(prediction_id).__name__}")
    if not _ID.fullmatch(prediction_id):
        raise ValueError(f"a prediction id is letters and digits, got {prediction_id[:100]!r}")
    return prediction_id


def checked_snapshot(found: dict[str, Any], known: Snapshot | None) -> Snapshot:
    """The prediction in an answer; raises :class:`ProtocolError` where it is none, or not the ``known`` one."""
    snapshot = parse(Snapshot, found)
    if "status" not in found:
        raise ProtocolError("expected a prediction, got an object without 'status'")
    if not _ID.fullmatch(snapshot.id):
        raise ProtocolError(f"a prediction's 'id' should be letters and digits, got {excerpt(snapshot.id)!r}")
    if known is not None and snapshot.id != known.id:
        raise WrongPrediction(f"asked for prediction {known.id!r}, got {excerpt(snapshot.id)!r}")
    return snapshot


class WrongPrediction(ProtocolError):
    """The answer is for another prediction: asking again would not make it right."""
