"""Signed webhooks (https://www.standardwebhooks.com): who sent one, that nothing in it was changed, and when."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from ...exceptions import InvalidInput, MissingExtra, WebhookVerificationError
from ...records.account import WebhookSigningSecret

if TYPE_CHECKING:
    from standardwebhooks import Webhook

TOLERANCE = 300
"""How many seconds old a webhook may be, or how far ahead the sender's clock."""
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_TIMESTAMP = re.compile(r"\d{1,11}", re.ASCII)


class Headers(Protocol):
    """The headers of a request, as any web framework has them."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Pairs of name and value."""
        ...


@attrs.frozen
class Message:
    """A webhook as it arrived, whose signature has yet to be verified."""

    body: bytes = attrs.field(repr=False)
    id: str
    timestamp: int
    signatures: tuple[str, ...] = attrs.field(repr=False)

    @classmethod
    def of(cls, body: bytes, headers: Headers, now: float) -> Message:
        """The webhook in a request; raises WebhookVerificationError for one that is not signed, or not around now."""
        _check_body(body)
        if not callable(getattr(headers, "items", None)):
            raise TypeError(f"headers must be the headers of the request by name, got {type(headers).__name__}")
        named = {str(name).lower(): str(value) for name, value in headers.items()}
        missing = [name for name in _HEADERS if not named.get(name)]
        if missing:
            raise WebhookVerificationError(f"the request has no {missing[0]} header: it is not a signed webhook")
        id, timestamp, signatures = (named[name] for name in _HEADERS)
        if not _TIMESTAMP.fullmatch(timestamp):
            raise WebhookVerificationError(f"the webhook-timestamp {timestamp[:40]!r} is not a time in seconds")
        age = now - int(timestamp)
        if abs(age) > TOLERANCE:
            when = f"{abs(age):.0f} s {'ago' if age > 0 else 'ahead'}"
            raise WebhookVerificationError(f"the webhook was signed {when}, and {TOLERANCE} s are allowed")
        return cls(bytes(body), id, int(timestamp), tuple(signatures.split()))

    def verify(self, secret: str) -> None:
        """Raise WebhookVerificationError unless one of the signatures was made with ``secret``."""
        expected = _signature(secret, self.id, self.timestamp, self.body).encode()
        # Not Webhook.verify(): it goes by the machine's clock even in a test's virtual time, and a signature that is
        # not base64 hides the good one after it.
        if not any(hmac.compare_digest(expected, given.encode("utf-8", "replace")) for given in self.signatures):
            raise WebhookVerificationError(
                "no signature of the webhook matches: it was changed, or signed with another secret"
            )


def signed_headers(body: bytes, secret: str, id: str, timestamp: float) -> dict[str, str]:
    """The headers of a webhook with this body."""
    _check_body(body)
    signature = _signature(secret, id, int(timestamp), bytes(body))
    values = (id, str(int(timestamp)), signature)
    return {"content-type": "application/json", **dict(zip(_HEADERS, values, strict=True))}


def checked_secret(secret: Any) -> str:
    """The secret, which no error shows; raises InvalidInput for what cannot be one."""
    key = secret.key if isinstance(secret, WebhookSigningSecret) else secret
    if not isinstance(key, str):
        raise TypeError(f"secret must be a string such as 'whsec_...', got {type(secret).__name__}")
    try:
        if key.startswith("whsec_") and base64.b64decode(key[6:], validate=True):
            return key
    except ValueError:  # the error would be shown together with the secret
        pass
    raise InvalidInput("the webhook secret must be 'whsec_' and base64, as client.webhooks.default.secret() returns it")


def _check_body(body: Any) -> None:
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise TypeError(
            f"body must be the bytes that were received, got {type(body).__name__}: what was decoded or parsed may "
            "differ from what was signed. Pass request.get_data() (Flask), request.body (Django) or "
            "await request.body() (FastAPI)"
        )


def _signature(secret: str, id: str, timestamp: int, body: bytes) -> str:
    from datetime import UTC, datetime  # costs a millisecond to import

    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise WebhookVerificationError("the body of the webhook is not UTF-8")
    return _webhook(secret).sign(id, datetime.fromtimestamp(timestamp, UTC), text)


def _webhook(secret: str) -> Webhook:
    try:
        from standardwebhooks import Webhook
    except ImportError:
        message = "webhooks need standardwebhooks: python -m pip install standardwebhooks"
    else:
        return Webhook(secret)
    raise MissingExtra(message, name="standardwebhooks")
