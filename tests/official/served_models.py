"""The models that the official clients are shown."""

from __future__ import annotations

from collections.abc import Iterator

from replicate_home import LocalRun, local_model

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def train(run: LocalRun, steps: int = 1, pause: float = 0.0) -> bytes:
    """Learn nothing."""
    run.log(f"{steps} steps")
    run.sleep(pause)
    return b"weights"


@local_model("judge/writer", train=train)
def writer(run: LocalRun, prompt: str, pause: float = 0.0) -> Iterator[str]:
    """Write the prompt again, word by word."""
    for word in prompt.split():
        run.log(word)
        run.sleep(pause)
        yield word + " "


@local_model("judge/painter", official=True, examples=[{"prompt": "moon"}])
def painter(prompt: str) -> bytes:
    """Draw a picture, always the same."""
    return PNG + prompt.encode()


@local_model("judge/reader")
def reader(file: bytes) -> int:
    """Say how large a file is."""
    return len(file)


@local_model("judge/breaker")
def breaker(prompt: str) -> str:
    """Fail."""
    raise ValueError(f"cannot {prompt}")
