"""The demo models: honest toys that show every part of the client without an account or a network.

None is a neural network. Each borrows a library of the extra ``local``, imported when the model first runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import eliza, markov, plasma, posterize

MODELS: dict[str, Callable[..., Any]] = {
    "local/markov": markov.markov,
    "local/eliza": eliza.eliza,
    "local/plasma": plasma.plasma,
    "local/posterize": posterize.posterize,
}
"""The demo models by name, ready to be registered with an emulator."""

__all__ = ["MODELS"]
