"""The sentences of the contract of transports, by what they are about."""
