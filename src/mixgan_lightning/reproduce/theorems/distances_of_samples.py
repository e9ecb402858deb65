"""Theorem 3.1: the Jensen-Shannon and the Wasserstein distance of two samples of one Gaussian stay large."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from mixgan_lightning.options import check_count, check_not_negative
from mixgan_lightning.reproduce.theorems.measurement import Measurement
from mixgan_lightning.theory import (
    empirical_jensen_shannon,
    empirical_wasserstein,
    pairwise_distances,
    smoothed_jensen_shannon,
)


class DistancesOfSamples(Measurement):
    """Two samples of m points of N(0, I/d), whose true distance is 0; and the generator that makes only the point 0.

    Args:
        dimension: d. 500: log m ≪ d, as the theorem wants, for any m whose distances fit in memory.
        noise: σ of the noise N(0, σ²/d I) added for the smoothed divergence. 1: as wide as the Gaussian itself.
    """

    size_name, value_name = "samples of each, m", "distance between two samples"
    levels: ClassVar = {
        "between the distributions": 0.0,
        "log 2, the largest Jensen-Shannon divergence": math.log(2),
        "√2, any pair as d → ∞": math.sqrt(2),
    }

    def __init__(self, dimension: int = 500, noise: float = 1.0) -> None:
        self.dimension, self.noise = check_count("dimension", dimension), check_not_negative("noise", noise)

    def measure(self, size: int, seed: int) -> Mapping[str, float]:
        x, y = self.samples(size, seed)
        return {
            "Wasserstein-1": empirical_wasserstein(x, y),
            "closest pair": float(pairwise_distances(x, y).min()),
            "Wasserstein-1 to the zero generator": float(x.norm(dim=1).mean()),
            "Jensen-Shannon": empirical_jensen_shannon(x, y),
            f"Jensen-Shannon, noise σ = {self.noise:g}": smoothed_jensen_shannon(
                x, y, self.noise / math.sqrt(self.dimension), seed
            ),
        }

    def samples(self, size: int, seed: int) -> tuple[Tensor, Tensor]:
        """Two times (m, d), float64."""
        stream = torch.Generator().manual_seed(seed)
        x, y = torch.randn(2, size, self.dimension, generator=stream, dtype=torch.float64) / math.sqrt(self.dimension)
        return x, y

    def conditions(self) -> list[str]:
        return [
            f"two samples of N(0, I/d), d = {self.dimension:,}; natural logarithms; Wasserstein-1 by optimal assignment"
        ]
