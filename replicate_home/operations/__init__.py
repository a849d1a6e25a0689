"""The request of each API call, and how its response is read: values made by pure functions, one file per resource.

A client binds each function once and performs its operation. ``table.py`` lists them all.
"""
