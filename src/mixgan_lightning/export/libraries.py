"""Libraries of the extra ``export``, imported when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mixgan_lightning.errors import MissingLibraryError

INSTALL = "pip install '.[export]'"


def library(name: str, asked: str) -> Any:
    """The module of that name.

    Raises:
        MissingLibraryError: where it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingLibraryError(f"format={asked} needs the package {name.partition('.')[0]}: {INSTALL}") from error
