"""What each call of the API asks, and how its response is read: values, made by pure functions, one file a resource.

A client binds each function once and has its operation done. ``table.py`` lists them all.
"""
