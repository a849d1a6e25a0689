"""The dialects: how each kind of server is asked, and what its answers mean. Pure, one file each."""

from .base import Create, Dialect, Refusal
from .cog import Cog
from .home import Home
from .replicate import Replicate

__all__ = ["Cog", "Create", "Dialect", "Home", "Refusal", "Replicate"]
