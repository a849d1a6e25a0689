"""The only loops that wait: one for threads and one for event loops."""
