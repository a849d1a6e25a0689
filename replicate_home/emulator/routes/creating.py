"""Creating a prediction and holding the create, however the model was named."""

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
    """Begin a prediction and respond at once, or if the request is held, when it has ended."""
    hold = hold_of(incoming)
    prediction = begin()
    if prediction.trouble is Trouble.ANSWER_LOST:
        raise lost("wait")
    if hold is None:
        return json_response(prediction.as_created(incoming.origin), 201)
    return _held(incoming, prediction, hold.preference, service.clock.now() + hold.seconds)


def _held(incoming: IncomingRequest, prediction: StoredRun, preference: str, until: float) -> Response:
    """The response when the prediction has ended, or at ``until``."""
    headers = {"preference-applied": preference}
    try:
        wait_for(incoming, prediction.run, math.inf, until)
    except NotYet as later:  # it is created; the retry only asks how far it has come
        later.again = partial(_held, incoming, prediction, preference, until)
        raise
    if prediction.has_ended():
        return json_response(prediction.held(incoming.origin), 201, headers)
    # To the official clients, "starting" means that output is missing; they take "processing" for the end.
    return json_response(prediction.as_created(incoming.origin), 202, headers)
