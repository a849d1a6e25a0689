"""Sphinx: ``sphinx-build -W docs docs/_build``. Nothing is fetched from the network."""

project = "replicate_home"
author = "the replicate_home authors"
copyright = author
extensions = ["myst_parser"]
html_theme = "furo"
html_title = project
exclude_patterns = ["_build"]
myst_heading_anchors = 3
highlight_language = "none"
