"""What needs only a URL, no token: event streams and output files."""

from __future__ import annotations

import math

from ...wire import Body, Response
from ..event_stream import EventStream
from ..files import StoredFile
from ..incoming import IncomingRequest, last_event_number
from ..problems import not_found
from ..responses import file_response
from ..routing import Route
from ..service import Service
from ..stored_run import StoredRun
from ..waiting import wait_for


def stream(service: Service, incoming: IncomingRequest, token: str) -> tuple[Response, Body]:
    """A prediction's events as they happen."""
    prediction = service.store.streamed(token)
    if prediction.streams == "maybe":
        _check_streams(incoming, prediction)
    headers = {"content-type": "text/event-stream", "cache-control": "no-store"}
    events = EventStream(prediction, service.clock, incoming.origin, incoming.peer, last_event_number(incoming))
    return Response(200, headers), events


def _check_streams(incoming: IncomingRequest, prediction: StoredRun) -> None:
    """Wait for the first item: only text and files can be streamed."""
    while not (first := prediction.run.first_item()) and not prediction.has_ended():
        wait_for(incoming, prediction.run, len(prediction.run.seen()) + 1, math.inf)
    if first and not isinstance(first.value, (str, StoredFile)):
        raise not_found("this model's output is neither text nor files, and cannot be streamed")


def deliver(service: Service, incoming: IncomingRequest, id: str, name: str) -> Response:
    """An output file."""
    return file_response(service.store.delivered(id, name), incoming.headers)


ROUTES = (
    Route("GET", "/streams/*", "stream", stream, public=True),
    Route("GET", "/files/streams/*", "stream", stream, public=True),
    Route("GET", "/delivery/*/*", "deliver", deliver, public=True),
)
