"""What the numbers that users choose may be."""

from __future__ import annotations

import math
from typing import Any

import torch

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.room import free, said

MANY = 10_000_000  # samples, steps: more would take days, and is a slip


def check_count(name: str, value: Any, most: int | None = None) -> int:
    """A number of things: components, samples, steps; ``most``: of what would take all memory or time.

    Raises:
        ConfigurationError: unless it is a whole number of at least 1, and not above ``most``.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name}: expected a whole number of at least 1, got {value!r}")
    if most is not None and value > most:
        raise ConfigurationError(f"{name}: expected at most {most:,}, got {value:,}")
    return value


def check_memory(what: str, needed: int, mend: str) -> None:
    """What is made in main memory at once, of so many bytes.

    Raises:
        ConfigurationError: where less is free.
    """
    room = free(torch.device("cpu"))
    if room is not None and needed > room:
        raise ConfigurationError(f"{what} would take {said(needed)}, and {said(room)} of memory are free; {mend}")


def check_seed(value: Any) -> int:
    """A seed.

    Raises:
        ConfigurationError: unless it is a whole number in 0 … 2³² − 1 (numpy's range).
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        raise ConfigurationError(f"seed: expected a whole number in 0 … {2**32 - 1}, got {value!r}")
    return value


def check_not_negative(name: str, value: Any) -> float:
    """A coefficient or learning rate.

    Raises:
        ConfigurationError: unless it is a finite number, not negative.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ConfigurationError(f"{name}: expected a number of at least 0, got {value!r}")
    return float(value)


def check_clip(value: Any) -> float | None:
    """A largest gradient norm, or None.

    Raises:
        ConfigurationError: unless it is None or a positive number (0 would stop all learning).
    """
    if value is not None and not check_not_negative("gradient_clip", value):
        raise ConfigurationError("gradient_clip: expected a positive number, or null for no clipping, got 0")
    return value
