"""How many cases a promise is proved with, and the client and token that they use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import pytest

from replicate_home import Client, FakeClock
from replicate_home.transports.over_requests.transport import RequestsTransport

from ..hypothesis_profiles import examples, is_nightly

__all__ = ["NIGHTLY", "TOKEN", "UNHURRIED", "counted", "examples", "virtual_client"]

Case = TypeVar("Case")
NIGHTLY = is_nightly()
UNHURRIED = pytest.mark.timeout(0 if NIGHTLY else 240)
"""At night a test takes as long as its figures need."""
TOKEN = "r8_CANARYcanaryCANARYcanaryCANARYcanary1"


def counted(cases: Iterable[Case], at_least: int) -> Iterator[Case]:
    """The cases one by one; fails at their end where there were fewer than ``at_least``."""
    count = 0
    for case in cases:
        yield case
        count += 1
    assert count >= at_least, f"{count} cases where {at_least} are promised"


def virtual_client(url: str, **options: Any) -> Client:
    """A client over real sockets, for which pauses take no time."""
    return Client(TOKEN, base_url=url, transport=RequestsTransport(), clock=FakeClock(), **options)
