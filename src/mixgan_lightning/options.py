"""What the numbers that users choose may be."""

from __future__ import annotations

import math
from typing import Any

from mixgan_lightning.errors import ConfigurationError


def check_count(name: str, value: Any) -> int:
    """A number of things: components, samples, steps.

    Raises:
        ConfigurationError: unless it is a whole number of at least 1.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name}: expected a whole number of at least 1, got {value!r}")
    return value


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
