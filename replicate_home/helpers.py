"""``from replicate_home.helpers import FileOutput``, as code for the official client imports it."""

from __future__ import annotations

from .client.outputs.file_output import FileOutput

__all__ = ["FileOutput"]
