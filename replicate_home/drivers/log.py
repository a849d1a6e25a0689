"""What is logged under ``replicate_home``: ids, attempts and times; never inputs, outputs, messages or tokens.

``info`` has what became of each call, ``debug`` each request too. ``REPLICATE_HOME_LOG=debug`` shows it on stderr.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..clock import Clock
from ..exceptions import TransportError
from ..lifecycle.machine import Came, Sending, Settled
from ..protocol.redaction import excerpt, without_query
from ..wire import Response

_LOGGER = logging.getLogger("replicate_home")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO}


def asked(sending: Sending, clock: Clock) -> Callable[[Came], None]:
    """Begin to time a request; what is returned logs what came of it."""
    began = clock.now()

    def answered(came: Came) -> None:
        _LOGGER.debug(
            "%s: %s %s: %s in %.3f s%s%s",
            sending.kind,
            sending.request.method,
            excerpt(without_query(sending.request.url)),
            _outcome(came),
            clock.now() - began,
            f", attempt {sending.attempt + 1}" if sending.attempt else "",
            _about(sending),
        )

    return answered


def ended(settled: Settled) -> None:
    """Log how a prediction ended that was followed, or what a call failed with."""
    snapshot, error = settled.life.snapshot, settled.error
    if snapshot is not None and not settled.answer:
        model = snapshot.model or "a model"
        _LOGGER.info("prediction %s of %s: %s%s", snapshot.id, model, snapshot.status, _why(error))
    elif error is not None:
        _LOGGER.info("a call failed%s", _why(error))


def _why(error: Exception | None) -> str:
    return "" if error is None else f" ({type(error).__name__})"


def _outcome(came: Came) -> str:
    if not isinstance(came, Response):
        name = type(came).__name__
        return f"{name} in phase {came.phase}" if isinstance(came, TransportError) else name
    request_id = came.headers.get("x-request-id") or came.headers.get("request-id")
    return f"{came.status}, request id {excerpt(request_id)}" if request_id else str(came.status)


def _about(sending: Sending) -> str:
    snapshot = sending.life.snapshot
    return "" if snapshot is None else f", prediction {snapshot.id}"


def show(level: str) -> None:
    """Show on stderr what is logged from ``level`` on, if it is one."""
    if level.lower() not in _LEVELS:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(_LEVELS[level.lower()])
