"""``client.webhooks``, for both clients."""

from __future__ import annotations

import os
from typing import Any

from ...operations.webhooks import get_webhook_secret
from ...protocol.strict_json import parse_json
from ...records.account import WebhookSigningSecret
from ...records.parsing import parse
from ...records.prediction import Snapshot
from ..engine.engine import BaseEngine
from .binding import AsyncResource, Bound, Nested, Resource, acall, call
from .predictions import AsyncPrediction, Prediction
from .signatures import Headers, Message, checked_secret, signed_headers


def _sign(
    self: Bound[Any],
    body: bytes,
    secret: str | WebhookSigningSecret,
    *,
    id: str = "msg_test",
    timestamp: float | None = None,
) -> dict[str, str]:
    """The headers of a webhook with this body, as the server signs it: for tests of what receives webhooks.

    ``body`` is what is sent, ``secret`` what ``unwrap`` will be given, and ``id`` the webhook's own. ``timestamp`` is
    when it was signed, in seconds since the epoch; now by default.
    """
    when = self.engine.clock.time() if timestamp is None else timestamp
    return signed_headers(body, checked_secret(secret), id, when)


class DefaultWebhook(Resource):
    """``client.webhooks.default``: what all webhooks of the account have in common."""

    secret = call(get_webhook_secret)


class Webhooks(Resource):
    """``client.webhooks``: verify what arrives, and sign what a test sends."""

    default = Nested(DefaultWebhook)
    sign = _sign

    def unwrap(self, body: bytes, headers: Headers, secret: str | WebhookSigningSecret | None = None) -> Prediction:
        """The prediction in a webhook, after verifying that it was signed with ``secret`` in the last five minutes.

        ``body`` is the body of the request in bytes, as it was received; ``headers`` are those of the request, as any
        web framework has them. Without a ``secret``, REPLICATE_WEBHOOK_SECRET is used, or else the API is asked for the
        account's, once.

        Raises :class:`WebhookVerificationError` for what was not signed by the server, was changed or is too old, and
        :class:`InvalidInput` for a secret that cannot be one. A webhook may arrive twice, with the same ``webhook-id``.
        """
        message = Message.of(body, headers, self.engine.clock.time())
        snapshot = _verified(message, _known(self.engine, secret) or _kept(self.engine, self.default.secret()))
        return Prediction(snapshot, self.engine, self.engine.backend_of(snapshot.id))


class AsyncDefaultWebhook(AsyncResource):
    """``client.webhooks.default``: what all webhooks of the account have in common, awaited."""

    secret = acall(get_webhook_secret)


class AsyncWebhooks(AsyncResource):
    """``client.webhooks``: verify what arrives, which is awaited, and sign what a test sends."""

    default = Nested(AsyncDefaultWebhook)
    sign = _sign

    async def unwrap(
        self, body: bytes, headers: Headers, secret: str | WebhookSigningSecret | None = None
    ) -> AsyncPrediction:
        """The prediction in a webhook, after verifying that it was signed with ``secret`` in the last five minutes.

        ``body`` is the body of the request in bytes, as it was received; ``headers`` are those of the request, as any
        web framework has them. Without a ``secret``, REPLICATE_WEBHOOK_SECRET is used, or else the API is asked for the
        account's, once.

        Raises :class:`WebhookVerificationError` for what was not signed by the server, was changed or is too old, and
        :class:`InvalidInput` for a secret that cannot be one. A webhook may arrive twice, with the same ``webhook-id``.
        """
        message = Message.of(body, headers, self.engine.clock.time())
        snapshot = _verified(message, _known(self.engine, secret) or _kept(self.engine, await self.default.secret()))
        return AsyncPrediction(snapshot, self.engine, self.engine.backend_of(snapshot.id))


def _known(engine: BaseEngine, given: str | WebhookSigningSecret | None) -> str | None:
    """The secret, where the API need not be asked for it."""
    if given is not None:
        return checked_secret(given)
    of_environment = os.environ.get("REPLICATE_WEBHOOK_SECRET")
    return checked_secret(of_environment) if of_environment else engine.webhook_secret


def _kept(engine: BaseEngine, found: WebhookSigningSecret) -> str:
    """The account's secret, so that the API is asked for it once."""
    engine.webhook_secret = checked_secret(found)
    return engine.webhook_secret


def _verified(message: Message, secret: str) -> Snapshot:
    message.verify(secret)
    return parse(Snapshot, parse_json(message.body))
