"""The hardware that models may name; here they all run on this machine."""

from __future__ import annotations

from ...wire import Response
from ..catalog import HARDWARE
from ..incoming import IncomingRequest
from ..responses import json_response
from ..routing import Route
from ..service import Service


def list_all(_: Service, __: IncomingRequest) -> Response:
    """Every kind, as a plain list."""
    return json_response([{"name": name, "sku": sku} for sku, name in HARDWARE.items()])


ROUTES = (Route("GET", "/hardware", "hardware.list", list_all),)
