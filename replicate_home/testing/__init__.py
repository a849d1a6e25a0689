"""Helpers for tests of code that uses this package, and the contract of transports; imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..emulator.limits import HOSTED_LIMITS as HOSTED_LIMITS
    from ..emulator.limits import Limits as Limits
    from ..transports.recording import RecordingTransport as RecordingTransport
    from ..transports.recording import ReplayTransport as ReplayTransport
    from ..transports.recording import recorded as recorded
    from .fake import FakeReplicate as FakeReplicate
    from .transport_contract import check_transport as check_transport

_HOME = {
    "FakeReplicate": ".fake",
    "HOSTED_LIMITS": "..emulator.limits",
    "Limits": "..emulator.limits",
    "RecordingTransport": "..transports.recording",
    "ReplayTransport": "..transports.recording",
    "check_transport": ".transport_contract",
    "recorded": "..transports.recording",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
