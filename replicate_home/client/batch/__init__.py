"""Batches: one model over many inputs, a few at a time. Imported when the first is made."""
