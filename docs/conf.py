"""Sphinx: sphinx-build docs docs/_build."""

project = "mixgan_lightning"
author = "The mixgan_lightning authors"
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["_build"]
myst_heading_anchors = 3  # links to headings, as on GitHub
