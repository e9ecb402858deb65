"""Theorem 3.2: the neural-network distance of two samples of one Gaussian goes to 0 with their number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from mixgan_lightning.reproduce.theorems.critics import Critics, interleaved
from mixgan_lightning.reproduce.theorems.measurement import Measurement

FRESH = 20_000  # samples, at least, that a D is measured on: means of numbers in [0, 1], known to .005


class NeuralNetGeneralisation(Measurement):
    """Two samples of m points of N(0, I), whose true distance is 0, and a D that tries to tell them apart.

    Args:
        dimension: d of the points. 100: many against few samples.
        width: of D's hidden layer. 32: 3,265 parameters.
        steps: of its training. 1,200: a second or two.
    """

    size_name, value_name = "samples of each, m", "neural-network distance of two samples"
    levels: ClassVar = {"between the distributions": 0.0}

    def __init__(self, dimension: int = 100, width: int = 32, steps: int = 1_200) -> None:
        self.critics = Critics(dimension, width, steps)

    def measure(self, size: int, seed: int) -> Mapping[str, float]:
        stream = torch.Generator().manual_seed(seed)
        fresh = size * -(-FRESH // size)
        real, fake = (
            interleaved(self.critics.draw(size, stream), self.critics.draw(fresh, stream)) for _ in ("real", "fake")
        )
        found = self.critics.divergence(real, fake, seed)
        return {"on the samples, where D was trained": found.train, "the same D, held out": found.held_out}

    def conditions(self) -> list[str]:
        return [
            f"two samples of N(0, I) in {self.critics.dimension:,} dimensions; held out: {FRESH:,} new ones or more",
            f"D of {self.critics.parameters:,} parameters: {self.critics}",
        ]
