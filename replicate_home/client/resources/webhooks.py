"""``client.webhooks``, for both clients."""

from __future__ import annotations

from ...operations.webhooks import get_webhook_secret
from .binding import AsyncResource, Nested, Resource, acall, call


class DefaultWebhook(Resource):
    """``client.webhooks.default``: what all webhooks of the account have in common."""

    secret = call(get_webhook_secret)


class Webhooks(Resource):
    """``client.webhooks``."""

    default = Nested(DefaultWebhook)


class AsyncDefaultWebhook(AsyncResource):
    """``client.webhooks.default``: what all webhooks of the account have in common, awaited."""

    secret = acall(get_webhook_secret)


class AsyncWebhooks(AsyncResource):
    """``client.webhooks``, awaited."""

    default = Nested(AsyncDefaultWebhook)
