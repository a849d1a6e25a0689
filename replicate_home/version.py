"""The version of the package, and its ``User-Agent``."""

from __future__ import annotations

__version__ = "0.2.0"
USER_AGENT = f"replicate-home/{__version__}"
