"""A trained mixture as a file that needs this package no more."""

from mixgan_lightning.export.exporting import FORMATS, check_path, export

__all__ = ["FORMATS", "check_path", "export"]
