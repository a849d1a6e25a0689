"""Webhooks: what was signed by the server is unwrapped, everything else is refused, for both clients."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

import replicate_home
from replicate_home import (
    AsyncClient,
    AsyncPrediction,
    Client,
    InvalidInput,
    MissingExtra,
    Prediction,
    ProtocolError,
    Snapshot,
    WebhookSigningSecret,
    WebhookVerificationError,
)
from replicate_home.testing import FakeReplicate

KEY = base64.b64encode(b"the key of a test, 24 by").decode()
SECRET = f"whsec_{KEY}"
BODY = b'{"id": "abc123", "status": "succeeded", "output": "caf\xc3\xa9"}'
NOW = 1_700_000_000
HEADERS = Client("t").webhooks.sign(BODY, SECRET, id="msg_1", timestamp=NOW)
SIGNATURE = HEADERS["webhook-signature"]


class At:
    """A clock that stands still."""

    def __init__(self, time: float) -> None:
        self._time = time

    def now(self) -> float:
        return 0.0

    def time(self) -> float:
        return self._time

    def sleep(self, seconds: float) -> None: ...


def unwrap(*args: Any, at: float = NOW) -> Any:
    return Client("t", clock=At(at)).webhooks.unwrap(*args)


def async_unwrap(*args: Any, at: float = NOW) -> Any:
    async def main() -> Any:
        async with AsyncClient("t", clock=At(at)) as client:
            return await client.webhooks.unwrap(*args)

    return asyncio.run(main())


KINDS: dict[Callable[..., Any], type] = {unwrap: Prediction, async_unwrap: AsyncPrediction}
CLIENTS = pytest.mark.parametrize("unwrap", [unwrap, async_unwrap])
Unwrap = Callable[..., Any]


# ---- what is signed ----


@CLIENTS
def test_a_signed_webhook_is_its_prediction(unwrap: Unwrap) -> None:
    prediction = unwrap(BODY, HEADERS, SECRET)
    assert prediction.to_dict() == {"id": "abc123", "status": "succeeded", "output": "café"}
    assert type(prediction) is KINDS[unwrap]


@CLIENTS
@pytest.mark.parametrize("body", [bytearray(BODY), memoryview(BODY)], ids=["bytearray", "memoryview"])
def test_bytes_of_any_kind_will_do(unwrap: Unwrap, body: Any) -> None:
    assert unwrap(body, HEADERS, SECRET).id == "abc123"


@CLIENTS
@pytest.mark.parametrize(
    "headers",
    [
        {name.title(): value for name, value in HEADERS.items()},
        {**HEADERS, "webhook-signature": f"v2,AAAA v1,!!! v1 v1,é {SIGNATURE} v1,"},
    ],
    ids=["other case", "several signatures, some of them malformed"],
)
def test_headers_are_in_any_case_and_one_good_signature_is_enough(unwrap: Unwrap, headers: Any) -> None:
    assert unwrap(BODY, headers, WebhookSigningSecret({"key": SECRET})).id == "abc123"


def test_a_library_that_is_not_ours_verifies_what_we_sign_and_the_other_way_round() -> None:
    headers = replicate_home.webhooks.sign(BODY, SECRET)
    assert standardwebhooks.Webhook(SECRET).verify(BODY, headers) == json.loads(BODY)
    theirs = standardwebhooks.Webhook(SECRET).sign("msg_1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
    ours = dict(HEADERS)
    assert ours.pop("webhook-signature") == theirs
    assert ours == {"content-type": "application/json", "webhook-id": "msg_1", "webhook-timestamp": str(NOW)}


@pytest.mark.parametrize("age", [-300, 0, 300])
def test_five_minutes_are_allowed_either_way(age: int) -> None:
    assert unwrap(BODY, HEADERS, SECRET, at=NOW + age).id == "abc123"


# ---- what is refused ----


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in HEADERS.items() if key != name}


@CLIENTS
@pytest.mark.parametrize(
    ("body", "headers", "at", "message"),
    [
        (BODY + b" ", HEADERS, NOW, "no signature of the webhook matches"),
        (BODY, {**HEADERS, "webhook-id": "msg_2"}, NOW, "no signature"),
        (BODY, {**HEADERS, "webhook-timestamp": str(NOW + 1)}, NOW, "no signature"),
        (BODY, {**HEADERS, "webhook-signature": f"v2{SIGNATURE[2:]}"}, NOW, "no signature"),
        (BODY, {**HEADERS, "webhook-signature": "v1,not base64!, and more"}, NOW, "no signature"),
        (BODY, without("webhook-id"), NOW, "no webhook-id header"),
        (BODY, without("webhook-timestamp"), NOW, "no webhook-timestamp header"),
        (BODY, {**HEADERS, "webhook-signature": ""}, NOW, "no webhook-signature header"),
        (BODY, {**HEADERS, "webhook-timestamp": "now"}, NOW, "'now' is not a time"),
        (BODY, {**HEADERS, "webhook-timestamp": "1e308"}, NOW, "'1e308' is not a time"),
        (BODY, {**HEADERS, "webhook-timestamp": "9" * 11}, NOW, "s ahead, and 300 s are allowed"),
        (BODY, HEADERS, NOW + 301, "signed 301 s ago, and 300 s are allowed"),
        (BODY, HEADERS, NOW - 301, "signed 301 s ahead"),
        (b"\xff" + BODY, HEADERS, NOW, "is not UTF-8"),
    ],
)
def test_what_was_not_signed_or_not_now_is_refused(
    unwrap: Unwrap, body: bytes, headers: Any, at: float, message: str
) -> None:
    with pytest.raises(WebhookVerificationError, match=message) as caught:
        unwrap(body, headers, SECRET, at=at)
    assert KEY not in str(caught.value)


@given(place=st.integers(0, len(BODY) * 8 - 1))
def test_a_body_with_any_bit_changed_is_refused(place: int) -> None:
    changed = bytearray(BODY)
    changed[place // 8] ^= 1 << place % 8
    with pytest.raises(WebhookVerificationError):
        unwrap(changed, HEADERS, SECRET)


@given(st.dictionaries(st.sampled_from(sorted(HEADERS)), st.text(max_size=80)))
def test_only_one_error_is_raised_whatever_the_headers_hold(changed: dict[str, str]) -> None:
    headers = {**HEADERS, **changed}
    if all(headers[name] == HEADERS[name] for name in HEADERS if name != "content-type"):
        return
    with pytest.raises(WebhookVerificationError):
        unwrap(BODY, headers, SECRET)


@CLIENTS
@pytest.mark.parametrize("body", [BODY.decode(), json.loads(BODY), None], ids=["str", "dict", "None"])
def test_a_body_that_was_decoded_or_parsed_is_refused_with_the_way_out(unwrap: Unwrap, body: Any) -> None:
    with pytest.raises(TypeError, match=r"bytes that were received.*differ from what was signed.*get_data\(\)"):
        unwrap(body, HEADERS, SECRET)


def test_headers_that_are_none_are_a_type_error() -> None:
    with pytest.raises(TypeError, match="headers must be the headers of the request by name, got list"):
        unwrap(BODY, [("webhook-id", "a")], SECRET)


@CLIENTS
@pytest.mark.parametrize(
    "secret", ["", "whsec_", KEY, "whsec_not base64", "whsec_é", f"whsec_{KEY[:-1]}"], ids=ascii
)
def test_a_secret_that_cannot_be_one_is_refused_and_not_shown(unwrap: Unwrap, secret: str) -> None:
    with pytest.raises(InvalidInput, match="must be 'whsec_' and base64") as caught:
        unwrap(BODY, HEADERS, secret)
    assert caught.value.__cause__ is caught.value.__context__ is None
    with pytest.raises(InvalidInput, match="must be 'whsec_' and base64"):
        Client("t").webhooks.sign(BODY, secret)


def test_a_secret_of_a_wrong_type_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"secret must be a string such as 'whsec_\.\.\.', got bytes"):
        unwrap(BODY, HEADERS, SECRET.encode())


def test_what_is_signed_and_no_prediction_is_a_protocol_error() -> None:
    for body in (b"[]", b"{", b"{}", b'{"id": 3}'):
        with pytest.raises(ProtocolError):
            unwrap(body, Client("t").webhooks.sign(body, SECRET, timestamp=NOW), SECRET)


def test_without_the_library_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "standardwebhooks", None)
    with pytest.raises(MissingExtra, match="python -m pip install standardwebhooks"):
        unwrap(BODY, HEADERS, SECRET)


# ---- whose secret ----


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    with FakeReplicate() as fake:
        fake.on("owner/llm").streams("Hel", "lo").takes(900)
        yield fake


def delivered(fake: FakeReplicate) -> tuple[bytes, Any]:
    """Body and headers of the last webhook of a run of fifteen minutes."""
    client = fake.client(timeout=None)
    client.run("owner/llm", {}, webhook="https://example.com/hook", webhook_events_filter=["completed"])
    last = fake.webhooks[-1]
    return last.body, last.headers


def test_a_secret_that_was_not_given_is_asked_for_once(fake: FakeReplicate) -> None:
    body, headers = delivered(fake)
    client = fake.client()
    asked = len(fake.requests)
    assert [client.webhooks.unwrap(body, headers).output for _ in range(3)] == [["Hel", "lo"]] * 3
    assert [request.path for request in fake.requests[asked:]] == ["/webhooks/default/secret"]


def test_a_secret_that_was_not_given_is_asked_for_once_in_an_event_loop(fake: FakeReplicate) -> None:
    body, headers = delivered(fake)
    asked = len(fake.requests)

    async def main() -> None:
        async with fake.async_client() as client:
            for _ in range(3):
                assert (await client.webhooks.unwrap(body, headers)).output == ["Hel", "lo"]

    asyncio.run(main())
    assert [request.path for request in fake.requests[asked:]] == ["/webhooks/default/secret"]


def test_what_is_not_signed_at_all_makes_no_request(fake: FakeReplicate) -> None:
    with pytest.raises(WebhookVerificationError):
        fake.client().webhooks.unwrap(BODY, {})
    assert fake.requests == []


@CLIENTS
def test_a_secret_in_the_environment_is_used(unwrap: Unwrap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_WEBHOOK_SECRET", SECRET)
    assert unwrap(BODY, HEADERS).id == "abc123"
    monkeypatch.setenv("REPLICATE_WEBHOOK_SECRET", "whsec_c29tZXRoaW5nIGVsc2U=")
    with pytest.raises(WebhookVerificationError):
        unwrap(BODY, HEADERS)
    assert unwrap(BODY, HEADERS, SECRET).id == "abc123"


def test_code_under_test_can_use_the_module_in_virtual_time(fake: FakeReplicate) -> None:
    body, headers = delivered(fake)
    with fake.installed():
        assert replicate_home.webhooks.unwrap(body, headers).status == "succeeded"


def test_the_prediction_belongs_to_the_client(fake: FakeReplicate) -> None:
    body, headers = delivered(fake)
    client = fake.client()
    prediction = client.webhooks.unwrap(body, headers)
    assert prediction.reload().snapshot == client.predictions.get(prediction.id).snapshot
    assert isinstance(prediction.snapshot, Snapshot)


def test_both_clients_say_the_same_of_it() -> None:
    ours, theirs = (getattr(replicate_home, name).unwrap for name in ("Webhooks", "AsyncWebhooks"))
    assert inspect.getdoc(ours) == inspect.getdoc(theirs)
