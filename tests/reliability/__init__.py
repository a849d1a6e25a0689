"""One file for each promise. Each counts its cases, and fails where it ran fewer than it promises.

``--hypothesis-profile=nightly`` runs what takes minutes; without it every file keeps to a few seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings

from replicate_home import Client, FakeClock
from replicate_home.edges.requests_transport import RequestsTransport

Case = TypeVar("Case")
NIGHTLY = settings.get_current_profile_name() == "nightly"
TOKEN = "r8_CANARYcanaryCANARYcanaryCANARYcanary1"


def counted(cases: Iterable[Case], at_least: int) -> Iterator[Case]:
    """The cases one by one; fails at their end where there were fewer than ``at_least``."""
    count = 0
    for case in cases:
        yield case
        count += 1
    assert count >= at_least, f"{count} cases where {at_least} are promised"


def examples(default: int, nightly: int) -> settings:
    """How many examples Hypothesis tries; the same ones every time, unless it is night."""
    return settings(
        max_examples=nightly if NIGHTLY else default,
        deadline=None,
        derandomize=not NIGHTLY,
        suppress_health_check=list(HealthCheck),
    )


def virtual_client(url: str, **options: Any) -> Client:
    """A client over real sockets, for which pauses take no time."""
    return Client(TOKEN, base_url=url, transport=RequestsTransport(), clock=FakeClock(), **options)
