"""Benchmarks of this project beside the bare socket, urllib3, requests, aiohttp and the official client.

``python -m benchmarks`` runs them all (see ``__main__``), ``python -m benchmarks.failures`` shows what the clients do
when the network or the server fails. Loopback only; nothing here is imported by the package.
"""
