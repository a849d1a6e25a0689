"""The secret that webhooks are signed with."""

from __future__ import annotations

from ...wire import Response
from ..incoming import IncomingRequest
from ..responses import json_response
from ..routing import Route
from ..service import Service


def secret(service: Service, _: IncomingRequest) -> Response:
    """The secret of this emulator, which never changes."""
    return json_response({"key": service.webhooks.key})


ROUTES = (Route("GET", "/webhooks/default/secret", "webhooks.default.secret.get", secret),)
