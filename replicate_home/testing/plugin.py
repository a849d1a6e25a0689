"""Fixtures for pytest, which finds them without configuration: ``fake_replicate`` and ``replicate_server``.

Nothing else of this package is imported until a test uses one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .fake import FakeReplicate

_MARK = "replicate(strict=True): with strict=False, a request without an answer does not fail the test at its end"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARK)


@pytest.fixture
def fake_replicate(request: pytest.FixtureRequest) -> Iterator[FakeReplicate]:
    """A :class:`~replicate_home.testing.FakeReplicate` that every client of the process talks to during the test.

    A request without an answer fails the test at its end, even if the code under test has swallowed the
    exception, unless the test is marked ``@pytest.mark.replicate(strict=False)``.
    """
    from .fake import FakeReplicate

    with FakeReplicate() as fake:
        with fake.installed():
            yield fake
        _forgive(request, fake)


@pytest.fixture
def replicate_server(request: pytest.FixtureRequest) -> Iterator[FakeReplicate]:
    """The same behind a socket, for other processes, clients and languages: its address is ``.url``.

    During the test REPLICATE_BASE_URL and REPLICATE_API_TOKEN lead to it.
    """
    from .fake import FakeReplicate

    with FakeReplicate() as fake:
        with fake.serve():
            yield fake
        _forgive(request, fake)


def _forgive(request: pytest.FixtureRequest, fake: FakeReplicate) -> None:
    """Forget unexpected requests, if the test is marked so."""
    mark = request.node.get_closest_marker("replicate")
    if mark is not None and not mark.kwargs.get("strict", True):
        fake.unexpected.clear()
