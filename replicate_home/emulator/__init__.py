"""A small Replicate over a registry of Python callables, in this process.

``emulator`` answers requests; ``transport`` and ``http_server`` are the ways in. Nothing here knows of clients.
"""
