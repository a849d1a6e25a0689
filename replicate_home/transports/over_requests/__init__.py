"""The blocking transport, over requests and urllib3."""
