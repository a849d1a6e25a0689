"""A small Replicate over a registry of Python callables, in this process.

``emulator`` answers requests, which come in through ``transport`` or ``http_server``. Nothing here knows the clients.
"""
