"""What holds forevery test: nothing beyond this machine is reached, and nothing stays open."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("nightly", deadline=None, print_blob=True)  # pytest looks for it once this file is loaded

_SETTINGS = ("_PROXY", "_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "REPLICATE_", "NETRC")
_OPEN_FILES = "/proc/self/fd"


def pytest_configure() -> None:
    """A shell lets what it runs in the background ignore Ctrl-C, which some tests send."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What plain ``pytest`` leaves out is said, and how to run it."""
    if config.option.markexpr == "not long" and (left_out := len(terminalreporter.stats.get("deselected", ()))):
        terminalreporter.write_line(f"{left_out} long tests were left out: python -m pytest -m long runs them")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No token, proxy or certificate of the user's affects the tests."""
    for name in list(os.environ):
        if any(setting in name.upper() for setting in _SETTINGS):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anywhere else fails the test, in a way that no code under test can swallow."""
    connect = socket.socket.connect
    connect_ex = socket.socket.connect_ex

    def guarded(sock: socket.socket, address: Any) -> None:
        _refuse_elsewhere(sock, address)
        connect(sock, address)

    def guarded_ex(sock: socket.socket, address: Any) -> int:
        _refuse_elsewhere(sock, address)
        return connect_ex(sock, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_ex)


def _refuse_elsewhere(sock: socket.socket, address: Any) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
        pytest.fail(f"the test connects to {address!r}, which is not this machine")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def idle_threads_end_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test is not over before its threads are; those that wait for more work would take a second."""
    monkeypatch.setattr("replicate_home.threads.IDLE_SECONDS", 0.02)


@pytest.fixture(autouse=True)
def nothing_stays_open(own_environment: None, only_this_machine: None, idle_threads_end_soon: None) -> Iterator[None]:
    """Sockets, pipes and threads are back to what they were when the test ends."""
    before = _open_things()
    yield
    until = time.monotonic() + 2
    while (left := _open_things() - before) and time.monotonic() < until:
        gc.collect()  # what only the collector would close is closed in time, not leaked
        time.sleep(0.01)
    assert not left, f"still open after the test: {sorted(left)}"


def _open_things() -> set[str]:
    threads = {f"thread {thread.name} {thread.ident}" for thread in threading.enumerate()}
    return threads | (_open_files() if os.path.isdir(_OPEN_FILES) else set())


def _open_files() -> set[str]:
    found = set()
    for number in os.listdir(_OPEN_FILES):
        try:
            target = os.readlink(f"{_OPEN_FILES}/{number}")
        except OSError:
            continue  # the one that lists the folder
        if target.startswith(("socket:", "pipe:")):
            found.add(f"{number} {target}")
    return found
