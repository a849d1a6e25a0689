"""The toy models: they show every part of the client without an account or a network.

None of them is a neural network. Each uses a library of the extra ``local``, imported when the model first runs.
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
"""The toy models by name, to be registered with an emulator."""

__all__ = ["MODELS"]
