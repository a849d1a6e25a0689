"""``client.accounts``, for both clients."""

from __future__ import annotations

from ...operations.accounts import current_account
from .binding import AsyncResource, Resource, acall, call


class Accounts(Resource):
    """``client.accounts``."""

    current = call(current_account)


class AsyncAccounts(AsyncResource):
    """``client.accounts``, awaited."""

    current = acall(current_account)
