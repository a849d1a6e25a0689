"""``python -m replicate_home``: the same as the command ``replicate-home``."""

from __future__ import annotations

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
