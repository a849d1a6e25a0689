"""Which version of the package this is, and how it introduces itself to servers."""

from __future__ import annotations

__version__ = "0.1.0"
USER_AGENT = f"replicate-home/{__version__}"
