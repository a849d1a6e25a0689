"""What both transports add to a request."""

from __future__ import annotations

from typing import Any

import pytest

from replicate_home.transports.prepared import headers_of
from replicate_home.wire import Request


@pytest.mark.parametrize(
    ("method", "given", "sent"),
    [
        ("GET", {}, "no-store"),
        ("GET", {"Cache-Control": "no-cache"}, "no-cache"),
        ("POST", {}, None),
    ],
)
def test_no_cache_may_answer_a_poll_with_what_it_kept(method: str, given: dict[str, str], sent: Any):
    request = Request(method, "https://api.example/v1/predictions/x", given)
    assert headers_of(request, "api.example").get("Cache-Control") == sent
