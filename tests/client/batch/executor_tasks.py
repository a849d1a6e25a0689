"""What workers of the tests run: models and functions that other processes can import."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from replicate_home import Client


def describe(result: Any) -> tuple[int, str]:
    """In which process it ran, and what it was given."""
    return os.getpid(), result.text


def die_once(result: Any) -> str:
    """Kill the process the first time of all; the file that is named in the environment says whether it was."""
    try:
        Path(os.environ["TEST_DIED"]).touch(exist_ok=False)
    except FileExistsError:
        return str(result.text)
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


def refuse(result: Any) -> None:
    """Fail."""
    raise ValueError(f"no {result.text}")


def where(number: int) -> str:
    """A model that says in which process it runs."""
    if number < 0:
        raise ValueError("too small")
    return f"{number} in {os.getpid()}"


def client_of_models() -> Client:
    """A client with a model that workers can run too."""
    return Client.local({"local/where": where})
