"""The contract of transports, one sentence per case, by topic."""
