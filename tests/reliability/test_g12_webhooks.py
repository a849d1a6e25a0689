"""G12: a webhook that is forged, altered or stale is refused, and refusal is always WebhookVerificationError."""

from __future__ import annotations

import ast
import base64
import inspect
import itertools
from typing import Any

import pytest

import replicate_home
from replicate_home import WebhookVerificationError
from replicate_home.client.resources import signatures

from .cases import UNHURRIED, counted

pytestmark = [pytest.mark.reliability, pytest.mark.long, UNHURRIED]
SECRET = "whsec_" + base64.b64encode(b"the key of a test, 24 by").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"the key of some other 24").decode()
BODY = b'{"id": "abc123", "status": "succeeded", "output": "caf\xc3\xa9"}'
NOW = 1_700_000_000
SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")


class At:
    """A clock that stands still."""

    def __init__(self, time: float) -> None:
        self._time = time

    def now(self) -> float:
        return 0.0

    def time(self) -> float:
        return self._time

    def sleep(self, seconds: float) -> None: ...


def unwrap(client: replicate_home.Client, body: bytes, headers: Any) -> Any:
    return client.webhooks.unwrap(body, headers, SECRET)


@pytest.fixture
def client():
    with replicate_home.Client("t", clock=At(NOW)) as client:
        yield client


@pytest.fixture
def headers(client) -> dict[str, str]:
    return client.webhooks.sign(BODY, SECRET, id="msg_1", timestamp=NOW)


def flipped(data: bytes) -> list[bytes]:
    """``data`` with each one of its bits changed."""
    found = []
    for place, bit in itertools.product(range(len(data)), range(8)):
        changed = bytearray(data)
        changed[place] ^= 1 << bit
        found.append(bytes(changed))
    return found


def test_any_bit_of_the_body_that_is_changed_is_noticed(client, headers):
    for body in counted(flipped(BODY), at_least=456):
        with pytest.raises(WebhookVerificationError):
            unwrap(client, body, headers)


@pytest.mark.parametrize("name", SIGNED)
def test_any_bit_of_what_is_signed_that_is_changed_is_noticed(client, headers, name):
    for value in counted(flipped(headers[name].encode()), at_least=40):
        with pytest.raises(WebhookVerificationError):
            unwrap(client, BODY, {**headers, name: value.decode("latin-1")})


def test_what_another_secret_has_signed_or_no_header_has_is_refused(client, headers):
    forged = [client.webhooks.sign(BODY, OTHER_SECRET, id="msg_1", timestamp=NOW)]
    forged += [{key: value for key, value in headers.items() if key != name} for name in SIGNED]
    forged += [{**headers, name: value} for name in SIGNED for value in ("", " ", "v1,", "\x00", "é", "9" * 400)]
    for given in counted(forged, at_least=22):
        with pytest.raises(WebhookVerificationError):
            unwrap(client, BODY, given)


def test_what_is_replayed_after_five_minutes_is_refused(headers):
    for age in counted([*range(301, 340), 3600, 86_400, 10**9, *range(-340, -300)], at_least=80):
        with replicate_home.Client("t", clock=At(NOW + age)) as late, pytest.raises(WebhookVerificationError):
            unwrap(late, BODY, headers)


def test_signatures_are_compared_in_constant_time():
    nodes = ast.walk(ast.parse(inspect.getsource(signatures)))
    assert "hmac.compare_digest" in {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
