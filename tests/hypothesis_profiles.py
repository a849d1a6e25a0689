"""How hard Hypothesis tries: the same quick examples every time, or many new ones at night.

The ``nightly`` profile itself is registered in ``conftest.py``.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def is_nightly() -> bool:
    return settings.get_current_profile_name() == "nightly"


def examples(default: int, nightly: int) -> settings:
    """How many examples a test is given, by day and by night."""
    return settings(
        max_examples=nightly if is_nightly() else default,
        deadline=None,
        derandomize=not is_nightly(),
        suppress_health_check=list(HealthCheck),
    )
