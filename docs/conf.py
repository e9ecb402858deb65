"""Sphinx: sphinx-build docs docs/_build."""

project = "mixgan_lightning"
author = "The mixgan_lightning authors"
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["_build"]
