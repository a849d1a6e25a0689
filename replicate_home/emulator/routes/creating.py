"""How a prediction is created and the create held, whatever it was that named the model."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from ...clock import NotYet
from ...wire import Response
from ..incoming import IncomingRequest, hold_of
from ..responses import json_response
from ..service import Service
from ..stored_run import StoredRun, lost
from ..timeline import Trouble
from ..waiting import wait_for

CREATE_FIELDS = frozenset({"input", "stream", "webhook", "webhook_events_filter", "webhook_completed"})


def create_prediction(service: Service, incoming: IncomingRequest, begin: Callable[[], StoredRun]) -> Response:
    """Begin a prediction and answer at once, or as soon as it has ended where the request is to be held."""
    hold = hold_of(incoming)
    prediction = begin()
    if prediction.trouble is Trouble.ANSWER_LOST:
        raise lost("wait")
    if hold is None:
        return json_response(prediction.as_created(incoming.origin), 201)
    return _held(incoming, prediction, hold.preference, service.clock.now() + hold.seconds)


def _held(incoming: IncomingRequest, prediction: StoredRun, preference: str, until: float) -> Response:
    """The answer as soon as the prediction has ended, or at ``until``."""
    headers = {"preference-applied": preference}
    try:
        wait_for(incoming, prediction.run, math.inf, until)
    except NotYet as later:  # it is created; what is asked again is how far it has come
        later.again = partial(_held, incoming, prediction, preference, until)
        raise
    if prediction.has_ended():
        return json_response(prediction.held(incoming.origin), 201, headers)
    # The official clients tell by "starting" that the output is not all there; "processing" they take for the end.
    return json_response(prediction.as_created(incoming.origin), 202, headers)
