"""How hard Hypothesis tries: the same quick examples every time, or, with ``--hypothesis-profile=nightly``, many new ones.

Imported by ``conftest.py``, so that the profile is known before pytest looks for it.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("nightly", deadline=None, print_blob=True)


def is_nightly() -> bool:
    return settings.get_current_profile_name() == "nightly"


def examples(default: int, nightly: int, **more: object) -> settings:
    """How many examples a test is given, by day and by night."""
    return settings(
        max_examples=nightly if is_nightly() else default,
        deadline=None,
        derandomize=not is_nightly(),
        suppress_health_check=list(HealthCheck),
        **more,  # type: ignore[arg-type]  # as Hypothesis names them
    )
