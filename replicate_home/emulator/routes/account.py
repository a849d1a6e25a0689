"""The account: this computer."""

from __future__ import annotations

from ...wire import Response
from ..incoming import IncomingRequest
from ..responses import json_response
from ..routing import Route
from ..service import ACCOUNT, Service


def current(_: Service, __: IncomingRequest) -> Response:
    """The account."""
    return json_response({"type": "user", "username": ACCOUNT, "name": "This computer"})


ROUTES = (Route("GET", "/account", "account.get", current),)
