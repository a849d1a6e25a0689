"""How a prediction is created and the create held, whatever it was that named the model."""

from __future__ import annotations

import math
from collections.abc import Callable

from ...wire import Response
from ..incoming import IncomingRequest, hold_of
from ..responses import json_response
from ..service import Service
from ..stored_run import StoredRun
from ..waiting import wait_for

CREATE_FIELDS = frozenset({"input", "stream", "webhook", "webhook_events_filter", "webhook_completed"})


def create_prediction(service: Service, incoming: IncomingRequest, begin: Callable[[], StoredRun]) -> Response:
    """Begin a prediction and answer at once, or as soon as it has ended where the request is to be held."""
    hold = hold_of(incoming)
    prediction = begin()
    if hold is None:
        return json_response(prediction.as_created(incoming.origin), 201)
    headers = {"preference-applied": hold.preference}
    wait_for(service.clock, incoming, prediction.run, math.inf, hold.seconds)
    if prediction.has_ended():
        return json_response(prediction.held(incoming.origin), 201, headers)
    # The official clients tell by "starting" that the output is not all there; "processing" they take for the end.
    return json_response(prediction.as_created(incoming.origin), 202, headers)
