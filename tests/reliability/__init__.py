"""One file for each promise. Each counts its cases, and fails when it runs fewer than it promises.

``--hypothesis-profile=nightly`` runs what takes minutes; without it every file takes a few seconds. Nothing is
imported here: pytest loads this file before Hypothesis knows the profile.
"""
