"""What a theorem's experiment measures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar


class Measurement(ABC):
    """Values that depend on a size, such as a number of samples, and on a seed.

    Example:
        >>> import torch
        >>> class Mean(Measurement):
        ...     size_name, value_name = "numbers", "mean"
        ...     def measure(self, size, seed):
        ...         return {"of uniform numbers": torch.rand(size).mean().item()}
        >>> list(Mean().measure(10, seed=0))
        ['of uniform numbers']
    """

    size_name: str  # the table's first heading, and the figure's axis
    value_name: str  # the figure's other axis
    levels: ClassVar[Mapping[str, float]] = {}  # label -> a value to compare with, a dashed line

    @abstractmethod
    def measure(self, size: int, seed: int) -> Mapping[str, float]:
        """Heading of a column -> its value; the same headings for every size and seed."""

    def conditions(self) -> list[str]:
        """Lines that say how it is measured."""
        return []
