"""Datamodules, one a file."""
