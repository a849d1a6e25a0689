"""``client.accounts``."""

from __future__ import annotations

from ..records.account import Account
from .base import Operation
from .readers import One


def current_account() -> Operation[Account]:
    """The user or organization that the token belongs to."""
    return Operation("account.get", "GET", "/account", One(Account))
