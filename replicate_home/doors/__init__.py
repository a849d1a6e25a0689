"""Layer 5, the doors: other ways in to the same clients."""
