"""Asking a server over a transport, and what is to be known of an error."""

from __future__ import annotations

import traceback

import pytest

from replicate_home.testing.scripted_server import Serve, answer
from replicate_home.wire import Request, Secret

TOKEN = "r8_0123456789abcdefghij"
ENOUGH = 10.0
SOON = 0.2


def ask(transport, url, method="GET", seconds=ENOUGH, **parts):
    return transport.send(Request(method, url, token=Secret(TOKEN), **parts), transport.clock.now() + seconds)


def failure_of(transport, url, *kinds, **parts):
    with pytest.raises(kinds) as caught:
        ask(transport, url, **parts)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert TOKEN not in shown
    return caught.value


def ok(body=b"{}"):
    return Serve(lambda received: answer(200, body))


def truth(error):
    return type(error), error.phase, error.may_have_been_processed
