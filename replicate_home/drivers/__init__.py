"""Layer 3, the drivers: the only two loops that wait, one for threads and one for event loops."""
