"""``client.hardware``, for both clients."""

from __future__ import annotations

from ...operations.hardware import list_hardware
from .binding import AsyncResource, Resource, acall, call


class HardwareKinds(Resource):
    """``client.hardware``."""

    list = call(list_hardware)


class AsyncHardwareKinds(AsyncResource):
    """``client.hardware``, awaited."""

    list = acall(list_hardware)
