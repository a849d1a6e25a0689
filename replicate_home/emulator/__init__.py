"""A small Replicate over a registry of Python callables, in this process.

``server`` answers requests; ``in_process`` and ``http_door`` are the ways in. Nothing here knows of clients.
"""
