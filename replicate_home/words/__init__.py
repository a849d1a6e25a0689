"""Layer 0, the words: errors, records, requests and responses as plain values.

Nothing here does anything; everything above speaks in these terms.
"""
