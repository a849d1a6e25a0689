"""``client.webhooks``: the part that calls the API."""

from __future__ import annotations

from ..records.account import WebhookSigningSecret
from .base import Operation
from .readers import One


def get_webhook_secret() -> Operation[WebhookSigningSecret]:
    """The secret that the account's webhooks are signed with."""
    return Operation("webhooks.default.secret.get", "GET", "/webhooks/default/secret", One(WebhookSigningSecret))
